import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type LoadedModel, loadSignature } from "../../src/model/load-signature.ts";
import { readModelProto } from "../../src/model/model-proto.ts";
import { findZipMaps, rewriteZipMaps } from "../../src/model/rewrite-zipmap.ts";
import { openSession, type SessionTensor } from "../../src/model/session.ts";
import { wireFields } from "../../src/model/wire-fields.ts";
import {
  classLabels,
  initializer,
  input,
  type MadeModel,
  message,
  modelBytes,
  node,
  output,
  text,
  zipMapOutput,
} from "./made-model.ts";
import { hasMaterial, model } from "./material.ts";

const folder = mkdtempSync(join(tmpdir(), "batchpredict-rewrite-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
async function made(parts: MadeModel): Promise<LoadedModel> {
  const path = join(folder, `made-${files++}.onnx`);
  writeFileSync(path, modelBytes(parts));
  return loadSignature(path);
}

const rows = (data: number[], width: number): SessionTensor => ({
  type: "float32",
  dims: [data.length / width, width],
  data: new Float32Array(data),
});
async function run(
  loaded: LoadedModel,
  feeds: Record<string, SessionTensor>,
  overrides: string[] = [],
): Promise<Record<string, SessionTensor>> {
  const session = await openSession(loaded, { threads: 1, overrides });
  try {
    return await session.run(
      feeds,
      loaded.signature.outputs.map(({ name }) => name),
    );
  } finally {
    await session.release();
  }
}

const ML = "ai.onnx.ml";
const BOTH = { "": 13, [ML]: 1 };
const FLOAT = 1;

describe("ZipMap outputs", () => {
  it("are served as the scores that fed them, under their own name, while the scores keep feeding other nodes", async () => {
    const loaded = await made({
      opset: BOTH,
      graph: [
        node("Softmax", ["x"], ["scores"]),
        node("ZipMap", ["scores"], ["probabilities"], ML, classLabels("no", "yes")),
        node("ArgMax", ["scores"], ["best"]),
        input("x", FLOAT, ["n", 2]),
        output("best", 7, [null, null]),
        zipMapOutput(12, "probabilities"),
        zipMapOutput(13, "probabilities"),
      ],
    });
    expect(loaded.signature.outputs[1]).toEqual({
      name: "probabilities",
      type: "float32",
      shape: [null, 2],
      labels: ["no", "yes"],
      zipMap: true,
    });
    const outputs = await run(loaded, { x: rows([0, 0, 0, Math.log(3)], 2) });
    expect(outputs.probabilities!.dims).toEqual([2, 2]);
    expect([...(outputs.probabilities!.data as Float32Array)]).toEqual([0.5, 0.5, 0.25, 0.75].map((p) => expect.closeTo(p, 6)));
    expect(outputs.best!.dims).toEqual([1, 2]);
  });

  it("work when the scores are themselves an output, and when two ZipMaps share them", async () => {
    const loaded = await made({
      opset: BOTH,
      graph: [
        node("Softmax", ["x"], ["scores"]),
        node("ZipMap", ["scores"], ["a"], ML, classLabels("p", "q")),
        node("ZipMap", ["scores"], ["b"], ML, classLabels("r", "s")),
        input("x", FLOAT, ["n", 2]),
        output("scores", FLOAT, ["n", 2]),
        zipMapOutput(12, "a"),
        zipMapOutput(12, "b"),
      ],
    });
    expect(loaded.signature.outputs.map(({ labels }) => labels)).toEqual([null, ["p", "q"], ["r", "s"]]);
    const { scores, a, b } = await run(loaded, { x: rows([1, 2], 2) });
    expect(a).toEqual(scores);
    expect(b).toEqual(scores);
  });

  it("work in a file that imports ai.onnx.ml only", async () => {
    const loaded = await made({
      opset: { [ML]: 1 },
      graph: [node("ZipMap", ["x"], ["y"], ML, classLabels("A", "B")), input("x", FLOAT, [null, 2]), zipMapOutput(12, "y")],
    });
    expect([...((await run(loaded, { x: rows([1, 2], 2) })).y!.data as Float32Array)]).toEqual([1, 2]);
  });

  it("are refused when something else reads the dictionaries, or when no ZipMap made them", async () => {
    const graph = [input("x", FLOAT, [null, 2]), zipMapOutput(12, "y")];
    const readTwice = made({
      opset: BOTH,
      graph: [node("ZipMap", ["x"], ["y"], ML, classLabels("A")), node("SequenceLength", ["y"], ["n"]), ...graph],
    });
    await expect(readTwice).rejects.toMatchObject({
      code: "BP_MODEL_UNSUPPORTED",
      message: expect.stringContaining('output "y" is of type sequence(map(string'),
    });
    await expect(made({ opset: BOTH, graph: [node("Identity", ["x"], ["y"]), ...graph] })).rejects.toMatchObject({
      details: { hints: [expect.stringContaining("'zipmap': False")] },
    });
  });

  it.skipIf(!hasMaterial)("change nothing else in a real file: every other field stays byte for byte", () => {
    for (const name of ["iris_rf_zipmap_hududed", "text_newsgroups_2cols_zipmap", "voting_string_label_zipmap"]) {
      const before = readFileSync(model(name).path);
      const structure = readModelProto(before);
      const after = rewriteZipMaps(before, findZipMaps(structure));
      const fields = (bytes: Uint8Array): string[] =>
        [...wireFields(bytes)]
          .flatMap((field) => (field.no === 7 ? [...wireFields(field.bytes)] : [field]))
          .map(({ raw }) => Buffer.from(raw).toString("latin1"));
      const [old, now] = [fields(before), fields(after)];
      expect(now.length).toBe(old.length);
      expect(now.filter((field, index) => field !== old[index])).toHaveLength(2);
    }
  });

  it("keep fields that no version of onnx.proto known to us has", async () => {
    const loaded = await made({
      opset: BOTH,
      graph: [
        node("ZipMap", ["x"], ["y"], ML, classLabels("A", "B")),
        input("x", FLOAT, [null, 2]),
        zipMapOutput(12, "y"),
        text(900, "graph field of the future"),
      ],
      more: [text(901, "model field of the future"), message(14, text(1, "k"), text(2, "v"))],
    });
    const copy = Buffer.from(loaded.bytes!).toString("latin1");
    expect(copy).toContain("graph field of the future");
    expect(copy).toContain("model field of the future");
    expect(loaded.signature.metadata).toEqual({ k: "v" });
  });
});

describe("inputs with a default inside the model", () => {
  const parts: MadeModel = {
    graph: [
      node("Mul", ["x", "factor"], ["y"]),
      initializer("factor", [10]),
      input("x", FLOAT, ["n", 1]),
      input("factor", FLOAT, [1]),
      output("y", FLOAT, ["n", 1]),
    ],
  };
  const x = rows([1, 2], 1);
  const factor: SessionTensor = { type: "float32", dims: [1], data: new Float32Array([3]) };

  it("keep it when nothing is fed", async () => {
    const loaded = await made(parts);
    expect(loaded.signature.inputs.map(({ name, optional }) => [name, optional])).toEqual([
      ["x", false],
      ["factor", true],
    ]);
    expect(loaded.signature.fixedBatch).toBeNull();
    expect([...((await run(loaded, { x })).y!.data as Float32Array)]).toEqual([10, 20]);
  });

  it("take another value when the session is opened for it", async () => {
    expect([...((await run(await made(parts), { x, factor }, ["factor"])).y!.data as Float32Array)]).toEqual([3, 6]);
  });

  it("are never ignored in silence", async () => {
    await expect(run(await made(parts), { x, factor })).rejects.toMatchObject({
      code: "BP_BINDING",
      message: expect.stringContaining('"factor" keeps the default'),
    });
  });

  it("are not replaced in a file that has changed since", async () => {
    const loaded = await made(parts);
    writeFileSync(loaded.signature.path, modelBytes({ ...parts, irVersion: 7 }));
    await expect(run(loaded, { x, factor }, ["factor"])).rejects.toMatchObject({ code: "BP_MODEL_CHANGED" });
  });

  it("are plain weights before IR version 4", async () => {
    const loaded = await made({ ...parts, irVersion: 3 });
    expect(loaded.signature.inputs.map(({ name }) => name)).toEqual(["x"]);
  });
});

describe.skipIf(!hasMaterial)("a rewritten model with weights beside it", () => {
  it("finds them in its own folder, whatever the working directory", async () => {
    const { signature } = await loadSignature(model("extdata_two_files").path);
    const loaded: LoadedModel = {
      signature,
      bytes: new Uint8Array(readFileSync(signature.path)),
      sessionOutputs: {},
      hasTrees: false,
    };
    expect((await run(loaded, { X: rows([1, 0, 0, 0], 4) })).Y!.dims).toEqual([1, 4]);
  });
});
