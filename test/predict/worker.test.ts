/** A predict worker in this thread: a real model, real files, the bytes that the sink would get. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Table } from "apache-arrow";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { BindingSettings } from "../../src/binding/plan-binding.ts";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { ChunkResult, FromWorker, ProbeResult } from "../../src/predict/protocol.ts";
import { PredictWorker } from "../../src/predict/worker.ts";
import { localeFolder, material, readJson } from "../corpora.ts";
import { readParquet } from "../parquet.ts";
import { tableOf } from "../wire.ts";
import { IRIS, IRIS_FEATURES, LINEAR, type RealSetup, realSetup } from "./real-setup.ts";

let folder: string;
const workers: PredictWorker[] = [];
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "batchpredict-worker-"));
});
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ready {
  worker: PredictWorker;
  real: RealSetup;
  probe: ProbeResult;
}

async function ready(
  model: string,
  data: string,
  given: Partial<BindingSettings>,
  batchSize: number,
  chunkBytes?: number,
): Promise<Ready> {
  const real = await realSetup(model, data, given, chunkBytes);
  const worker = new PredictWorker();
  workers.push(worker);
  expect(await worker.setup(real.setup)).toEqual({ kind: "ready" });
  const names = real.signature.outputs.map((output) => output.name);
  const probe = probed(await worker.probe(real.chunks[0]!, null, names));
  worker.begin({ outputs: real.outputs(probe), batchSize, fixedBatch: null });
  return { worker, real, probe };
}

function probed(message: FromWorker): ProbeResult {
  return message.kind === "probed" ? message.probe : expect.fail(`got ${message.kind}`);
}

function column(table: Table, name: string): unknown[] {
  return [...table.getChild(name)!];
}

const features = { bind: { features: IRIS_FEATURES } };

describe("a chunk of a real file", () => {
  it("comes back as kept columns and predictions, whatever the batch size", async () => {
    const expected = (await readParquet(path.join(path.dirname(LINEAR), "expected.parquet"))).map((row) => Number(row.variable));
    for (const batchSize of [7, 4096]) {
      const { worker, real } = await ready(LINEAR, IRIS, features, batchSize);
      const { result } = await worker.predict(real.chunks[0]!);
      expect(result).toMatchObject({ index: 0, rowsRead: 1000, rows: 1000, rejects: [], sourceRows: null });
      const table = tableOf(result.columns);
      expect(table.schema.names).toEqual(["id", "species", "variable"]);
      expect(column(table, "id").map(Number)).toEqual(expected.map((_, row) => row + 1));
      for (const [row, value] of column(table, "variable").entries()) expect(value).toBeCloseTo(expected[row]!, 4);
    }
  });

  it("has the same predictions in many chunks as in one", async () => {
    const whole = await ready(LINEAR, IRIS, features, 64);
    const parts = await ready(LINEAR, IRIS, features, 64, 3000);
    expect(parts.real.chunks.length).toBeGreaterThan(5);
    const results: ChunkResult[] = [];
    for (const chunk of parts.real.chunks) results.push((await parts.worker.predict(chunk)).result);
    const { result: only } = await whole.worker.predict(whole.real.chunks[0]!);
    expect(results.reduce((sum, one) => sum + one.lines, 0)).toBe(only.lines);
    const ids = (all: ChunkResult[]): unknown[] => all.flatMap(({ columns }) => column(tableOf(columns), "id"));
    const predictions = (all: ChunkResult[]): number[] =>
      all.flatMap(({ columns }) => column(tableOf(columns), "variable") as number[]);
    expect(ids(results)).toEqual(ids([only]));
    predictions(results).forEach((value, row) => {
      expect(value).toBeCloseTo(predictions([only])[row]!, 4);
    });
  });

  it("is counted without being predicted", async () => {
    const { worker, real } = await ready(LINEAR, IRIS, features, 64);
    expect(await worker.count(real.chunks[0]!)).toEqual({ kind: "counted", index: 0, rows: 1000, lines: 1001 });
  });

  it("puts bad cells aside with their place, and keeps kept columns and predictions in step", async () => {
    const lines = readFileSync(IRIS, "utf8").trimEnd().split("\n").slice(0, 21);
    lines[4] = lines[4]!.replace(/^(\d+),[^,]+/, "$1,wide");
    lines[11] = `${lines[11]},extra`;
    const data = path.join(folder, "bad.csv");
    writeFileSync(data, `${lines.join("\n")}\n`);
    const { worker, real } = await ready(LINEAR, data, { ...features, onError: "reject" }, 8);
    const { result } = await worker.predict(real.chunks[0]!);
    expect(result).toMatchObject({ rowsRead: 20, rows: 18 });
    expect(result.rejects.map(({ rowInChunk, code }) => [rowInChunk, code])).toEqual([
      [3, "BP_SOURCE_CELL"],
      [10, "BP_SOURCE_RECORD"],
    ]);
    expect(result.rejects[0]).toMatchObject({ column: "sepal_length", columnIndex: 2, raw: lines[4] });
    expect([...result.sourceRows!]).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9, ...Array.from({ length: 9 }, (_, at) => at + 11)]);
    const ids = column(tableOf(result.columns), "id").map(Number);
    expect(ids).toEqual([...result.sourceRows!].map((row) => row + 1));
    const whole = tableOf((await (await ready(LINEAR, IRIS, features, 8)).worker.predict(real.chunks[0]!)).result.columns);
    const all = column(whole, "variable") as number[];
    column(tableOf(result.columns), "variable").forEach((value, at) => {
      expect(value).toBeCloseTo(all[ids[at]! - 1]!, 4);
    });
  });
});

describe("a text model with rows that kill their batch", () => {
  it("rejects exactly those rows, with the line they stand on, and predicts the others", async () => {
    const root = material("the poisoned rows of text_newsgroups_2cols_zipmap");
    const locale = localeFolder();
    if (root === null || locale === null) return;
    // The C library reads it when the session is made.
    process.env.LOCPATH = locale;
    const at = path.join(root, "models/text_newsgroups_2cols_zipmap");
    const poison = readJson<{ poison_rows_0based: number[] }>(path.join(at, "poison.json")).poison_rows_0based;
    const data = path.join(at, "input_poison.csv");
    const given = { bind: { input: ["subject", "body"] }, keep: ["subject"], onError: "reject" as const };
    const { worker, real } = await ready(path.join(at, "model.onnx"), data, given, 64);
    const { result } = await worker.predict(real.chunks[0]!);
    expect(result).toMatchObject({ rowsRead: 300, rows: 297 });
    expect(result.rejects.map(({ rowInChunk }) => rowInChunk)).toEqual(poison);
    const text = readFileSync(data, "utf8");
    for (const reject of result.rejects) {
      expect(reject).toMatchObject({ code: "BP_INFERENCE", message: "the model cannot predict this row", column: null });
      expect(reject.actual).toContain("Concat");
      expect(reject.raw).toMatch(/^helmet,/);
      expect(text.split("\n")[reject.lineInChunk!]).toMatch(/^helmet,/);
      expect(
        Buffer.from(text)
          .subarray(reject.byte!, reject.byte! + 7)
          .toString(),
      ).toBe("helmet,");
    }
    const table = tableOf(result.columns);
    expect(column(table, "subject")).not.toContain("helmet");
    const expected = await readParquet(path.join(at, "expected.parquet"));
    const labels = expected.filter((_, row) => !poison.includes(row)).map((row) => row.output_label);
    expect(column(table, "output_label")).toEqual(labels);
  });
});

describe("a worker", () => {
  it("refuses a model that was replaced since the run began", async () => {
    const { setup } = await realSetup(LINEAR, IRIS, features);
    const worker = new PredictWorker();
    const error = await worker
      .setup({ ...setup, modelSha256: "0".repeat(64) })
      .catch((thrown: unknown) => thrown as BatchPredictError);
    expect(error).toBeInstanceOf(BatchPredictError);
    expect(error).toMatchObject({ code: "BP_MODEL_CHANGED", message: "the model file was replaced while the run started" });
    await worker.close();
  });

  it("says that it is a bug when it gets work before its set-up", async () => {
    const { chunks } = await realSetup(LINEAR, IRIS, features);
    await expect(new PredictWorker().predict(chunks[0]!)).rejects.toMatchObject({ code: "BP_INTERNAL" });
  });

  it("probes a file without rows by zeros", async () => {
    const { setup } = await realSetup(LINEAR, IRIS, features);
    const worker = new PredictWorker();
    workers.push(worker);
    await worker.setup(setup);
    expect(probed(await worker.probe(null, null, ["variable"])).outputs).toEqual({
      variable: { type: "float32", rowShape: [1] },
    });
  });
});
