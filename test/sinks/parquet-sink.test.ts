import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  Bool,
  type DataType,
  DateMillisecond,
  Dictionary,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int32,
  Int64,
  List,
  makeData,
  Null,
  RecordBatch,
  RecordBatchReader,
  Schema,
  SparseUnion,
  Struct,
  TimeSecond,
  TimestampSecond,
  Utf8,
  Vector,
  vectorFromArray,
} from "apache-arrow";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { RejectedRow, RunRecord, Sink, SinkBatch, SinkOptions } from "../../src/core/sink.ts";
import { openParquetSink } from "../../src/sinks/parquet/parquet-sink.ts";
import { recordBatchOf, sinkBatchOf } from "../wire.ts";

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "parquet-sink-"));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const RECORD: RunRecord = {
  run_id: "0190",
  started_at: "2026-11-02T00:00:00Z",
  ended_at: "2026-11-02T00:00:01Z",
  rows_read: 3,
  rows_predicted: 3,
  rows_rejected: 0,
  model_path: "modèle.onnx",
  model_sha256: "00",
  onnxruntime_version: "1.30.0",
  batchpredict_version: "0.1.0",
  inputs: ["a.csv"],
};

const output = (): string => path.join(folder, "out.parquet");

function sinkOf(more: Partial<SinkOptions> = {}): Sink {
  return openParquetSink({
    format: "parquet",
    path: output(),
    table: "predictions",
    ifExists: "fail",
    key: [],
    runId: "0190",
    rejects: null,
    commitRows: 1000,
    commitBytes: 1 << 30,
    ...more,
  });
}

function batchOf(columns: Record<string, Vector>, more: Partial<SinkBatch> = {}): SinkBatch {
  const fields = Object.entries(columns).map(([name, vector]) => new Field(name, vector.type, true));
  const children = Object.values(columns).map((vector) => vector.data[0]!);
  return sinkBatchOf(recordBatchOf(fields, children), more);
}

function writeAll(batches: SinkBatch[], more: Partial<SinkOptions> = {}): ReturnType<Sink["finish"]> {
  const sink = sinkOf(more);
  sink.open();
  for (const batch of batches) sink.write(batch);
  return sink.finish(RECORD);
}

function fileBuffer(): ArrayBuffer {
  const bytes = fs.readFileSync(output());
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
}

/** hyparquet says undefined for a list or struct that is null. */
async function rowsOf(): Promise<Record<string, unknown>[]> {
  const rows = await parquetReadObjects({ file: fileBuffer(), compressors });
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value ?? null])));
}

const metaOf = (): ReturnType<typeof parquetMetadata> => parquetMetadata(fileBuffer());

function failure(action: () => unknown): BatchPredictError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(BatchPredictError);
    return error as BatchPredictError;
  }
  throw new TypeError("nothing was thrown");
}

const ids = (...values: (bigint | null)[]): Vector => vectorFromArray(values, new Int64());
const scores = (...values: (number | null)[]): Vector => vectorFromArray(values, new Float32());

describe("Parquet sink", () => {
  it("writes rows in order, one row group per commit, with the run's record and statistics", async () => {
    const result = writeAll(
      [
        batchOf({ id: ids(1n, 2n), y: scores(0.5, null) }),
        batchOf({ id: ids(3n, null), y: scores(Number.NaN, -1) }),
        batchOf({ id: ids(2n ** 62n), y: scores(7) }),
      ],
      { commitRows: 3 },
    );
    expect(result).toEqual({ path: output(), bytes: fs.statSync(output()).size, rows: 5, rejectsPath: null });
    expect(await rowsOf()).toEqual([
      { id: 1n, y: 0.5 },
      { id: 2n, y: null },
      { id: 3n, y: Number.NaN },
      { id: null, y: -1 },
      { id: 2n ** 62n, y: 7 },
    ]);
    const meta = metaOf();
    expect(meta.row_groups.map((group) => [Number(group.num_rows), group.ordinal])).toEqual([
      [4, 0],
      [1, 1],
    ]);
    expect(meta.row_groups[0]!.columns[0]!.meta_data!.statistics).toMatchObject({ min_value: 1n, max_value: 3n, null_count: 1n });
    expect(meta.row_groups[1]!.columns[1]!.meta_data).toMatchObject({
      codec: "UNCOMPRESSED",
      statistics: { min_value: 7, max_value: 7 },
    });
    const entries = new Map(meta.key_value_metadata!.map(({ key, value }) => [key, value]));
    expect(JSON.parse(entries.get("batchpredict")!)).toEqual(RECORD);
    expect(entries.has("ARROW:schema")).toBe(true);
    expect(fs.readdirSync(folder)).toEqual(["out.parquet"]);
  });

  it("cuts batches and makes row numbers absolute", async () => {
    const row = ids(0n, 1n, 2n, 3n);
    const y = scores(0, 1, 2, 3);
    writeAll([
      batchOf({ row, y }, { rowStart: 1, rowEnd: 4, rowBase: 100, rowColumn: "row" }),
      batchOf({ row, y }, { rowStart: 0, rowEnd: 2, rowBase: 2 ** 33, rowColumn: "row" }),
    ]);
    expect(await rowsOf()).toEqual([
      { row: 101n, y: 1 },
      { row: 102n, y: 2 },
      { row: 103n, y: 3 },
      { row: 2n ** 33n, y: 0 },
      { row: 2n ** 33n + 1n, y: 1 },
    ]);
  });

  it("commits by bytes too", () => {
    const batch = (): SinkBatch => batchOf({ y: scores(...new Array(1000).fill(1)) });
    writeAll([batch(), batch(), batch(), batch()], { commitRows: 1e9, commitBytes: 5000 });
    expect(metaOf().row_groups.map((group) => Number(group.num_rows))).toEqual([2000, 2000]);
  });

  it("writes a valid file of no rows with its columns", async () => {
    const result = writeAll([batchOf({ id: ids(1n), y: scores(1), none: vectorFromArray([null], new Null()) }, { rowEnd: 0 })]);
    expect(result.rows).toBe(0);
    expect(await rowsOf()).toEqual([]);
    const meta = metaOf();
    expect(meta.schema.slice(1).map(({ name }) => name)).toEqual(["id", "y", "none"]);
    expect(meta.key_value_metadata!.map(({ key }) => key)).toContain("batchpredict");
  });

  it("gives texts that repeat a dictionary, and others none", async () => {
    const texts = Array.from({ length: 2000 }, (_, row) => row);
    const columns = {
      city: vectorFromArray(
        texts.map((row) => `city ${row % 7}`),
        new Utf8(),
      ),
      name: vectorFromArray(
        texts.map((row) => `name ${row}`),
        new Utf8(),
      ),
      label: vectorFromArray(
        texts.map((row) => `label ${row % 3}`),
        new Dictionary(new Utf8(), new Int32()),
      ),
    };
    writeAll([batchOf(columns), batchOf(columns)], { commitRows: 1e6 });
    const encodings = metaOf().row_groups[0]!.columns.map(({ meta_data }) => meta_data!.dictionary_page_offset !== undefined);
    expect(encodings).toEqual([true, false, true]);
    const rows = await rowsOf();
    expect(rows).toHaveLength(4000);
    expect(rows[3999]).toEqual({ city: "city 4", name: "name 1999", label: "label 1" });
  });

  it("keeps nested, boolean and empty values through cuts and commits", async () => {
    const columns = {
      list: vectorFromArray([[1, 2], null, [], [3]], new List(new Field("item", new Float64(), true))),
      fixed: vectorFromArray(
        [
          [1, 2],
          [3, 4],
          [5, 6],
          [7, 8],
        ],
        new FixedSizeList(2, new Field("item", new Float32(), true)),
      ),
      pair: vectorFromArray(
        [{ a: 1, b: "x" }, null, { a: null, b: "y" }, { a: 2, b: "" }],
        new Struct([new Field("a", new Int32(), true), new Field("b", new Utf8(), true)]),
      ),
      flag: vectorFromArray([true, null, false, true], new Bool()),
      none: vectorFromArray([null, null, null, null], new Null()),
    };
    writeAll([batchOf(columns, { rowStart: 1 }), batchOf(columns, { rowEnd: 1 })], { commitRows: 3 });
    expect(await rowsOf()).toEqual([
      { list: null, fixed: [3, 4], pair: null, flag: null, none: null },
      { list: [], fixed: [5, 6], pair: { a: null, b: "y" }, flag: false, none: null },
      { list: [3], fixed: [7, 8], pair: { a: 2, b: "" }, flag: true, none: null },
      { list: [1, 2], fixed: [1, 2], pair: { a: 1, b: "x" }, flag: true, none: null },
    ]);
  });

  it("says dates and times of types that Parquet lacks in the nearest one it has", async () => {
    const day = 86_400_000;
    writeAll([
      batchOf({
        date: vectorFromArray([new Date(20 * day), null, new Date(-day)], new DateMillisecond()),
        at: new Vector([
          makeData({
            type: new TimestampSecond(),
            length: 3,
            nullCount: 1,
            nullBitmap: Uint8Array.of(0b101),
            data: BigInt64Array.of(5n, 0n, -2000n),
          }),
        ]),
        time: vectorFromArray([3600, null, 1], new TimeSecond()),
        dates: vectorFromArray([[new Date(day)], null, []], new List(new Field("item", new DateMillisecond(), true))),
      }),
    ]);
    const schema = metaOf().schema;
    expect(schema.find(({ name }) => name === "date")!.converted_type).toBe("DATE");
    expect(schema.find(({ name }) => name === "at")!.logical_type).toMatchObject({ type: "TIMESTAMP", unit: "MILLIS" });
    expect(schema.find(({ name }) => name === "time")!.logical_type).toMatchObject({ type: "TIME", unit: "MILLIS" });
    const rows = await rowsOf();
    expect(rows.map(({ date }) => date)).toEqual([new Date(20 * day), null, new Date(-day)]);
    expect(rows.map(({ time }) => time)).toEqual([3_600_000, null, 1000]);
    expect(rows.map(({ dates }) => dates)).toEqual([[new Date(day)], null, []]);
    expect(rows.map(({ at }) => at)).toEqual([new Date(5000), null, new Date(-2_000_000)]);
  });

  it("calls a fixed-size list with nulls a list, because other readers refuse it as fixed", () => {
    const type = new FixedSizeList(2, new Field("item", new Float32(), true));
    const stored = (values: (number[] | null)[]): string => {
      fs.rmSync(output(), { force: true });
      writeAll([batchOf({ v: vectorFromArray(values, type) })]);
      const text = metaOf().key_value_metadata!.find(({ key }) => key === "ARROW:schema")!.value!;
      return String(RecordBatchReader.from(Buffer.from(text, "base64")).open().schema.fields[0]!.type);
    };
    expect(
      stored([
        [1, 2],
        [3, 4],
      ]),
    ).toBe("FixedSizeList[2]<Float32>");
    expect(stored([[1, 2], null])).toBe("List<Float32>");
  });
});

describe("Parquet sink, what it refuses and leaves behind", () => {
  it("columns without a Parquet form, all of them, before the first row", () => {
    const union = new SparseUnion([0], [new Field("a", new Int32(), true)]);
    const data = makeData({
      type: union,
      length: 1,
      typeIds: new Int8Array([0]),
      children: [vectorFromArray([1], new Int32()).data[0]!],
    } as never);
    const fields = [
      new Field("id", new Int64(), true),
      new Field("odd", union as DataType, true),
      new Field("hollow", new Struct([]), true),
    ];
    const batch = new RecordBatch(
      new Schema(fields),
      makeData({
        type: new Struct(fields),
        length: 1,
        nullCount: 0,
        children: [ids(1n).data[0]!, data, makeData({ type: new Struct([]), length: 1, nullCount: 0, children: [] })],
      }),
    );
    const sink = sinkOf();
    sink.open();
    const error = failure(() => sink.write(sinkBatchOf(batch)));
    expect(error).toMatchObject({ code: "BP_CONFIG", details: { where: { column: "odd" } } });
    expect(error.message).toBe("column odd cannot be written to Parquet: its type union<a: int32> has no Parquet form");
    expect(error.details.problems!.map(({ where }) => where!.column)).toEqual(["odd", "hollow"]);
    sink.abort();
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("append and upsert, naming what can be done instead", () => {
    for (const ifExists of ["append", "upsert"] as const) {
      const error = failure(() => sinkOf({ ifExists }).open());
      expect(error).toMatchObject({ code: "BP_CONFIG" });
      expect(error.details.hints!.join()).toContain("SQLite");
    }
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("an output that exists, unless it may be replaced", async () => {
    fs.writeFileSync(output(), "old");
    expect(failure(() => sinkOf().open())).toMatchObject({ code: "BP_OUTPUT_EXISTS" });
    expect(fs.readFileSync(output(), "utf8")).toBe("old");
    const sink = sinkOf({ ifExists: "replace" });
    sink.open();
    sink.write(batchOf({ id: ids(1n) }));
    expect(fs.readFileSync(output(), "utf8")).toBe("old");
    sink.finish(RECORD);
    expect(await rowsOf()).toEqual([{ id: 1n }]);
  });

  it("columns that change during the run", () => {
    const sink = sinkOf({ commitRows: 1 });
    sink.open();
    sink.write(batchOf({ id: ids(1n) }));
    expect(failure(() => sink.write(batchOf({ id: scores(1) })))).toMatchObject({ code: "BP_INTERNAL" });
    sink.abort();
  });

  it("nothing, after abort", () => {
    const sink = sinkOf({ commitRows: 1, rejects: { path: null } });
    sink.open();
    sink.write(batchOf({ id: ids(1n) }));
    sink.abort();
    sink.abort();
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("rejects beside the predictions", () => {
    const reject: RejectedRow = {
      row: 1,
      line: null,
      byte: null,
      column: "a",
      code: "BP_SOURCE_CELL",
      message: "bad",
      raw: '{"a":"x"}',
    };
    const result = writeAll([batchOf({ id: ids(1n) }, { rejects: [reject] })], { rejects: { path: null } });
    expect(result.rejectsPath).toBe(path.join(folder, "out.rejects.csv"));
    expect(fs.readFileSync(result.rejectsPath!, "utf8")).toContain('1,,,a,BP_SOURCE_CELL,bad,"{""a"":""x""}"');
  });
});
