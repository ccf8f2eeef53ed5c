/** A session that was opened before the worker knew how: taken when it is the one that is wanted, given back when not, silent about its own faults. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WorkerSetup } from "../../src/predict/protocol.ts";
import { type OpenedModel, SessionAhead } from "../../src/predict/session-ahead.ts";
import { PredictWorker } from "../../src/predict/worker.ts";
import { FIXTURES } from "../corpora.ts";
import { IRIS, IRIS_FEATURES, LINEAR, realSetup } from "./real-setup.ts";

let folder: string;
let setup: WorkerSetup;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "batchpredict-ahead-"));
  ({ setup } = await realSetup(LINEAR, IRIS, { bind: { features: IRIS_FEATURES } }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function taken(path: string, wanted: WorkerSetup): Promise<OpenedModel | null> {
  const ahead = new SessionAhead(path);
  const opened = await ahead.take(wanted);
  // Once.
  expect(await ahead.take(wanted)).toBeNull();
  await ahead.release();
  return opened;
}

/** Release counted. */
const runs = async ({ session }: OpenedModel): Promise<number> => {
  const feeds = { features: { type: "float32", data: new Float32Array(8), dims: [2, 4] } } as never;
  const [output] = Object.values(await session.run(feeds, ["variable"]));
  return output!.data.length;
};

describe("a session opened ahead", () => {
  it("is taken, and works, when model and options are those that it was opened with", async () => {
    const opened = await taken(LINEAR, setup);
    expect(opened?.model.signature.sha256).toBe(setup.modelSha256);
    expect(await runs(opened!)).toBe(2);
    await opened!.session.release();
  });

  it.each<[string, Partial<WorkerSetup>]>([
    ["other threads", { threads: 2 }],
    ["no kernels", { kernel: false }],
    ["another hash", { modelSha256: "0".repeat(64) }],
    ["another model", { modelPath: IRIS }],
  ])("is not taken for %s", async (_, other) => {
    expect(await taken(LINEAR, { ...setup, ...other })).toBeNull();
  });

  it("is not taken where a default of the model is fed: it must leave the model first", async () => {
    const model = path.join(FIXTURES, "models/overridable_initializer/model.onnx");
    const data = path.join(FIXTURES, "models/overridable_initializer/input.csv");
    const { setup: own, signature } = await realSetup(model, data, {});
    const optional = signature.inputs.find((input) => input.optional)!;
    const constant = { input: optional.name, type: optional.type, rowShape: [], rowSize: 1, value: "1", perRow: false } as never;
    expect(await taken(model, { ...own, plan: { ...own.plan, constants: [constant] } })).toBeNull();
    const opened = await taken(model, { ...own, plan: { ...own.plan, inputs: [], constants: [] } });
    expect(opened).not.toBeNull();
    await opened!.session.release();
  });

  it("says nothing of a model that cannot be loaded: whoever sets the worker up hears it", async () => {
    expect(await taken(path.join(folder, "absent.onnx"), setup)).toBeNull();
    const broken = path.join(folder, "broken.onnx");
    writeFileSync(broken, "no model");
    expect(await taken(broken, setup)).toBeNull();
    const worker = new PredictWorker(new SessionAhead(broken));
    await expect(worker.setup({ ...setup, modelPath: broken })).rejects.toMatchObject({ code: "BP_MODEL_INVALID" });
    await worker.close();
  });

  it("of a model that was replaced meanwhile is not used: the file that stands there now decides", async () => {
    const file = path.join(folder, "model.onnx");
    copyFileSync(LINEAR, file);
    const ahead = new SessionAhead(file);
    const first = await ahead.take({ ...setup, modelPath: file, modelSha256: "0".repeat(64) });
    expect(first).toBeNull();
    const worker = new PredictWorker(new SessionAhead(file));
    await expect(worker.setup({ ...setup, modelPath: file, modelSha256: "0".repeat(64) })).rejects.toMatchObject({
      code: "BP_MODEL_CHANGED",
    });
    await worker.close();
  });
});
