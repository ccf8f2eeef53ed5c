import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import {
  Dictionary,
  Field,
  Float32,
  Int32,
  Int64,
  List,
  makeData,
  RecordBatch,
  RecordBatchReader,
  Schema,
  Struct,
  tableFromIPC,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RunRecord, SinkBatch, SinkOptions } from "../../src/core/sink.ts";
import { openArrowSink, RECORD_KEY } from "../../src/sinks/arrow/arrow-sink.ts";
import { openArrowSource } from "../../src/sources/arrow/index.ts";
import { sinkBatchOf } from "../wire.ts";

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "batchpredict-arrow-sink-"));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

function options(more: Partial<SinkOptions> = {}): SinkOptions {
  return {
    format: "arrow",
    path: path.join(folder, "out.arrow"),
    table: "predictions",
    ifExists: "fail",
    key: [],
    runId: "run",
    rejects: { path: null },
    commitRows: 100,
    commitBytes: 1 << 20,
    ...more,
  };
}

const RECORD: RunRecord = {
  run_id: "run",
  started_at: "2026-11-21T06:00:00Z",
  ended_at: "2026-11-21T06:00:01Z",
  rows_read: 250,
  rows_predicted: 250,
  rows_rejected: 0,
  model_path: "m.onnx",
  model_sha256: "0",
  onnxruntime_version: "1.30.0",
  batchpredict_version: "0.1.0",
  inputs: ["ü.csv"],
};

/** Every sort of column that kept columns and predictions may be, dictionaries with other codes in each batch too. */
function batch(first: number, rows: number): SinkBatch {
  const at = Array.from({ length: rows }, (_, i) => first + i);
  const columns = {
    row: vectorFromArray(
      at.map((_, i) => BigInt(i)),
      new Int64(),
    ),
    score: vectorFromArray(
      at.map((i) => (i % 7 === 0 ? null : i / 4)),
      new Float32(),
    ),
    city: vectorFromArray(
      at.map((i) => `city ${i % 5}`),
      new Dictionary(new Utf8(), new Int32()),
    ),
    probabilities: vectorFromArray(
      at.map((i) => [i, i + 1]),
      new List(new Field("item", new Float32(), true)),
    ),
  };
  const schema = new Schema(Object.entries(columns).map(([name, { type }]) => new Field(name, type, true)));
  const children = Object.values(columns).map((vector) => vector.data[0]!);
  const struct = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children });
  return sinkBatchOf(new RecordBatch(schema, struct), { rowBase: first, rowColumn: "row" });
}

function writeAll(): string {
  const sink = openArrowSink(options());
  sink.open();
  for (const [first, rows] of [
    [0, 60],
    [60, 60],
    [120, 130],
  ] as const)
    sink.write(batch(first, rows));
  const result = sink.finish(RECORD);
  expect(result).toEqual({ path: options().path, bytes: fs.statSync(options().path).size, rows: 250, rejectsPath: null });
  return result.path;
}

describe("the Arrow sink", () => {
  it("writes every row, dictionaries as their values, in batches of about commitRows", () => {
    const table = tableFromIPC(fs.readFileSync(writeAll()));
    expect(table.batches.map(({ numRows }) => numRows)).toEqual([120, 130]);
    expect(table.schema.fields.map(({ name, type }) => `${name}: ${type}`)).toEqual([
      "row: Int64",
      "score: Float32",
      "city: Utf8",
      "probabilities: List<Float32>",
    ]);
    expect(
      table.toArray().map((row) => JSON.stringify(row, (_, value) => (typeof value === "bigint" ? Number(value) : value))),
    ).toEqual(
      Array.from({ length: 250 }, (_, i) =>
        JSON.stringify({ row: i, score: i % 7 === 0 ? null : i / 4, city: `city ${i % 5}`, probabilities: [i, i + 1] }),
      ),
    );
  });

  it("puts the run's record into the metadata that readers of files see", () => {
    const { metadata } = RecordBatchReader.from(fs.readFileSync(writeAll())).open().schema;
    expect(JSON.parse(metadata.get(RECORD_KEY)!)).toEqual(RECORD);
  });

  it("writes a file that can also be read from a pipe", async () => {
    const stdin = Readable.from([fs.readFileSync(writeAll())]);
    const source = await openArrowSource([{ path: "-", sizeBytes: null, mtimeMs: null }], { csv: {} }, stdin);
    let rows = 0;
    for await (const chunk of source.chunks({ chunkBytes: 1 })) rows += chunk.kind === "rows" ? chunk.rowEnd : 0;
    expect(rows).toBe(250);
  });

  it("writes the columns of an output without rows", () => {
    const sink = openArrowSink(options());
    sink.open();
    sink.write({ ...batch(0, 3), rowEnd: 0 });
    expect(sink.finish(RECORD).rows).toBe(0);
    const table = tableFromIPC(fs.readFileSync(options().path));
    expect([table.numRows, table.schema.fields.length]).toEqual([0, 4]);
  });

  it.each(["append", "upsert"] as const)("refuses --if-exists %s and names what can", (ifExists) => {
    expect(() => openArrowSink(options({ ifExists })).open()).toThrowError(`--if-exists ${ifExists} is not possible`);
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("refuses a batch of other columns instead of ending the file", () => {
    const sink = openArrowSink(options());
    sink.open();
    sink.write(batch(0, 3));
    const schema = new Schema([new Field("other", new Int32(), true)]);
    const struct = makeData({
      type: new Struct(schema.fields),
      length: 1,
      nullCount: 0,
      children: [vectorFromArray([1], new Int32()).data[0]!],
    });
    expect(() => sink.write(sinkBatchOf(new RecordBatch(schema, struct)))).toThrowError(/columns of the output changed/);
    sink.abort();
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});
