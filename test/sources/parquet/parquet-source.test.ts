import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  Field,
  FixedSizeList,
  Float64,
  makeData,
  makeVector,
  RecordBatch,
  Schema,
  Struct,
  Table,
  TimestampMillisecond,
  Vector,
  vectorFromArray,
} from "apache-arrow";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BindingPlan, BoundColumn } from "../../../src/core/binding-plan.ts";
import type { DecodedChunk } from "../../../src/core/chunk.ts";
import { BatchPredictError } from "../../../src/core/errors.ts";
import type { Source, SourceDescription, SourceFile } from "../../../src/core/source.ts";
import { openParquetReader, openParquetSource } from "../../../src/sources/parquet/index.ts";
import { parquetOf, sampleParquet, sampleTable } from "./sample-files.ts";

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "parquet-source-"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

let made = 0;
function save(bytes: Uint8Array, name = `file${made++}.parquet`): SourceFile {
  const file = path.join(folder, name);
  fs.writeFileSync(file, bytes);
  return { path: file, sizeBytes: bytes.length, mtimeMs: null };
}

const open = (...files: SourceFile[]): Promise<Source> => openParquetSource(files, { csv: {} });

function planOf(
  description: SourceDescription,
  parts: { feed?: string[]; keep?: string[]; missing?: BoundColumn["missing"]; onError?: "fail" | "reject" },
): BindingPlan {
  const column = (name: string): { name: string; index: number } => {
    const found = description.columns.find((candidate) => candidate.name === name);
    return { name, index: found!.index };
  };
  const feed = (parts.feed ?? []).map((name) => ({ ...column(name), missing: parts.missing ?? "nan" }) as BoundColumn);
  return {
    inputs:
      feed.length === 0
        ? []
        : [
            {
              input: "x",
              type: "float32",
              rowShape: [feed.length],
              rowSize: feed.length,
              from: { kind: "columns", columns: feed },
            },
          ],
    constants: [],
    keep: (parts.keep ?? []).map((name) => ({ name, column: name, index: column(name).index, type: "source" })),
    onError: parts.onError ?? "fail",
  };
}

async function readAll(source: Source, plan: BindingPlan, chunkBytes = 1 << 26): Promise<DecodedChunk[]> {
  const reader = await openParquetReader(source.description, plan);
  const results: DecodedChunk[] = [];
  try {
    for await (const chunk of source.chunks({ chunkBytes })) {
      const decoded = await reader.read(chunk);
      // The reader uses their memory again.
      for (const tensor of decoded.tensors) tensor.data = tensor.data.slice();
      results.push(decoded);
    }
  } finally {
    await reader.close();
  }
  return results;
}

const keptValues = (chunks: DecodedChunk[], column = 0): unknown[] =>
  chunks.flatMap(({ kept }) =>
    [...new Vector([kept[column]!])].map((value) =>
      value !== null && typeof value === "object" ? JSON.parse(JSON.stringify(value)) : value,
    ),
  );

const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array): Buffer => Buffer.from(buffer, byteOffset, byteLength);

async function failure(action: Promise<unknown>): Promise<BatchPredictError> {
  const error = await action.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BatchPredictError);
  return error as BatchPredictError;
}

describe("Parquet source", () => {
  it("describes columns, exact rows and the first rows", async () => {
    const bytes = sampleParquet({ rows: 10, rowGroupRows: 4 });
    const { description } = await open(save(bytes));
    expect(description.columns.map(({ name, index, type, role }) => [name, index, type, role])).toEqual([
      ["id", 0, "int32", "number"],
      ["größe.m", 1, "float64", "number"],
      ["name", 2, "text", "text"],
      ["pair", 3, "struct<a: int32, b: text>", "other"],
      ["values", 4, "list<float32>", "list"],
    ]);
    expect(description).toMatchObject({ format: "parquet", rows: 10, rowsEstimate: 10, bytes: bytes.length, dialect: null });
    expect(description.preview).toHaveLength(4);
    expect(description.preview[1]).toEqual(["1", "1.5", "n1", '{"a":1,"b":"b1"}', "[1,1.5]"]);
    expect(JSON.parse(JSON.stringify(description))).toEqual(description);
    expect((await openParquetSource([save(bytes)], { csv: {}, preview: false })).description.preview).toEqual([]);
  });

  it("reads several groups of several files, and only the columns of the plan", async () => {
    const first = save(sampleParquet({ rows: 10, rowGroupRows: 4 }));
    const second = save(sampleParquet({ rows: 3, rowGroupRows: 4, first: 10 }));
    const source = await open(first, second);
    const chunks = await readAll(
      source,
      planOf(source.description, { feed: ["größe.m", "id"], keep: ["values", "name", "pair"] }),
    );
    expect(chunks.map(({ rowsRead }) => rowsRead)).toEqual([4, 4, 2, 3]);
    expect(chunks.flatMap(({ tensors }) => [...(tensors[0]!.data as Float32Array)])).toEqual(
      Array.from({ length: 13 }, (_, id) => [id * 1.5, id]).flat(),
    );
    expect(keptValues(chunks, 0)).toEqual(Array.from({ length: 13 }, (_, id) => [id, id + 0.5]));
    expect(keptValues(chunks, 1)).toEqual(Array.from({ length: 13 }, (_, id) => (id % 3 === 0 ? null : `n${id}`)));
    expect(keptValues(chunks, 2)).toEqual(Array.from({ length: 13 }, (_, id) => ({ a: id, b: `b${id}` })));
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
    expect(Math.abs(bytes - source.description.bytes!)).toBeLessThan(5);
  });

  it("reads row ranges of a group, down to one row, in any order", async () => {
    const source = await open(save(sampleParquet({ rows: 10, rowGroupRows: 7 })));
    const plan = planOf(source.description, { feed: ["id"], keep: ["values"] });
    const chunks = await readAll(source, plan, 1);
    expect(chunks.map(({ rows }) => rows)).toEqual(new Array(10).fill(1));
    expect(keptValues(chunks)).toEqual(Array.from({ length: 10 }, (_, id) => [id, id + 0.5]));
    const reader = await openParquetReader(source.description, plan);
    const ids: number[][] = [];
    for (const [unit, rowStart, rowEnd] of [
      [1, 1, 3],
      [0, 5, 7],
      [0, 0, 2],
      [1, 0, 1],
    ] as const) {
      const { tensors } = await reader.read({ kind: "rows", index: 0, file: 0, unit, rowStart, rowEnd });
      ids.push([...(tensors[0]!.data as Float32Array)]);
    }
    await reader.close();
    expect(ids).toEqual([[8, 9], [5, 6], [0, 1], [7]]);
  });

  it("reads a group that is too large to be decoded at once by windows and by columns", async () => {
    const rows = 500_000;
    const names = Array.from({ length: 20 }, (_, k) => `f${k}`);
    const column = (k: number): Float64Array => {
      const values = new Float64Array(rows);
      for (let row = 0; row < rows; row++) values[row] = row * 20 + k;
      return values;
    };
    const table = new Table(Object.fromEntries(names.map((name, k) => [name, makeVector(column(k))])));
    const source = await open(save(parquetOf(table, rows)));
    const plan = planOf(source.description, { feed: ["f0"], keep: names });
    const read = await readAll(source, plan);
    expect(read.map((chunk) => chunk.rows)).toEqual([250_000, 250_000]);
    for (const [first, chunk] of [0, 250_000].map((first, k) => [first, read[k]!] as const)) {
      for (const [k, data] of chunk.kept.entries()) {
        expect(Buffer.compare(bytesOf(data.values as Float64Array), bytesOf(column(k).subarray(first, first + 250_000)))).toBe(0);
      }
    }
    const reader = await openParquetReader(source.description, plan);
    for (const rowStart of [0, 1, 419_430, 419_431, 499_999]) {
      const one = await reader.read({ kind: "rows", index: 0, file: 0, unit: 0, rowStart, rowEnd: rowStart + 1 });
      expect(keptValues([one], 3)).toEqual([rowStart * 20 + 3]);
    }
    await reader.close();
  });

  it("keeps columns apart whose names contain dots or begin alike", async () => {
    const columns = [1, 2, 3, 4].map((factor) => vectorFromArray([factor, factor * 10], new Float64()));
    const names = ["a", "a.b", "ab", "é"];
    const schema = new Schema(names.map((name) => new Field(name, new Float64(), true)));
    const batch = new RecordBatch(
      schema,
      makeData({ type: new Struct(schema.fields), length: 2, nullCount: 0, children: columns.map((vector) => vector.data[0]!) }),
    );
    const source = await open(save(parquetOf(new Table([batch]), 10)));
    for (const [k, name] of names.entries()) {
      const [chunk] = await readAll(source, planOf(source.description, { feed: [name] }));
      expect([...(chunk!.tensors[0]!.data as Float32Array)]).toEqual([k + 1, (k + 1) * 10]);
    }
  });

  it("keeps what only the stored Arrow schema tells, whichever columns are read", async () => {
    const rows = 3;
    const zoned = new TimestampMillisecond("Europe/Berlin");
    const fixed = new FixedSizeList(2, new Field("item", new Float64(), true));
    const table = new Table({
      id: vectorFromArray([1, 2, 3], new Float64()),
      at: vectorFromArray(
        [1, 2, 3].map((ms) => new Date(ms)),
        zoned,
      ),
      pair: vectorFromArray(
        [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
        fixed,
      ),
    });
    const source = await open(save(parquetOf(table, 2)));
    expect(source.description.columns.map(({ type, listSize }) => [type, listSize])).toEqual([
      ["float64", null],
      ["timestamp[ms, Europe/Berlin]", null],
      ["list<float64>[2]", 2],
    ]);
    for (const keep of [["at"], ["pair"], ["id", "pair"], ["at", "pair"]]) {
      const chunks = await readAll(source, planOf(source.description, { keep }));
      expect(chunks.reduce((sum, chunk) => sum + chunk.rows, 0)).toBe(rows);
      const wanted = keep.map((name) => String(table.schema.fields.find((field) => field.name === name)!.type));
      expect(chunks[1]!.kept.map(({ type }) => String(type))).toEqual(wanted);
    }
  });

  it("gives rows where no column is needed at all", async () => {
    const source = await open(save(sampleParquet({ rows: 5, rowGroupRows: 3 })));
    const chunks = await readAll(source, planOf(source.description, {}));
    expect(chunks.map(({ rows, rowsRead }) => [rows, rowsRead])).toEqual([
      [3, 3],
      [2, 2],
    ]);
  });

  it("reads a file without rows", async () => {
    const source = await open(save(parquetOf(sampleTable(2).slice(0, 0), 10)));
    expect(source.description).toMatchObject({ rows: 0, preview: [] });
    expect(await readAll(source, planOf(source.description, { feed: ["id"] }))).toEqual([]);
  });

  it("puts bad rows aside with the column's place in the file and the row as JSON", async () => {
    const source = await open(save(sampleParquet({ rows: 5, rowGroupRows: 5 })));
    const plan = planOf(source.description, { feed: ["name"], keep: ["id"], onError: "reject" });
    const [chunk] = await readAll(source, plan);
    expect(chunk).toMatchObject({ rowsRead: 5, rows: 2 });
    expect(chunk!.rejects.map(({ rowInChunk }) => rowInChunk)).toEqual([1, 2, 4]);
    expect(chunk!.rejects[0]).toMatchObject({
      code: "BP_SOURCE_CELL",
      column: "name",
      columnIndex: 3,
      raw: '{"id":1,"name":"n1"}',
      actual: "n1",
    });
    const reader = await openParquetReader(source.description, plan);
    expect(await reader.locate({ kind: "rows", index: 0, file: 0, unit: 0, rowStart: 2, rowEnd: 5 }, 1)).toEqual({
      lineInChunk: null,
      byte: null,
      raw: '{"id":3,"name":null}',
    });
    await reader.close();
  });

  it("refuses a column type that cannot feed the input, with its place in the file", async () => {
    const source = await open(save(sampleParquet({ rows: 5, rowGroupRows: 5 })));
    const error = await failure(readAll(source, planOf(source.description, { feed: ["id", "pair"] })));
    expect(error.code).toBe("BP_SOURCE_TYPE");
    expect(error.details.where).toMatchObject({ column: "pair", columnIndex: 4 });
  });
});

describe("Parquet source, what it refuses", () => {
  it("two columns of one name, because bindings and outputs go by names", async () => {
    const schema = new Schema(["a", "b", "a"].map((name) => new Field(name, new Float64(), true)));
    const children = [1, 2, 3].map((value) => vectorFromArray([value], new Float64()).data[0]!);
    const data = makeData({ type: new Struct(schema.fields), length: 1, nullCount: 0, children });
    const file = save(parquetOf(new Table([new RecordBatch(schema, data)]), 10));
    await expect(open(file)).rejects.toMatchObject({
      code: "BP_SOURCE_SCHEMA",
      message: expect.stringContaining('names two columns "a" (columns 1 and 3)'),
      details: { where: { column: "a", columnIndex: 3 } },
    });
  });

  it("files of one run with other columns, naming file and column", async () => {
    const first = save(sampleParquet({ rows: 2, rowGroupRows: 2 }));
    const table = sampleTable(2);
    const renamed = save(parquetOf(table.select(["id", "größe.m", "name", "pair"]), 2), "other columns.parquet");
    const error = await failure(open(first, renamed));
    expect(error.code).toBe("BP_SOURCE_SCHEMA");
    expect(error.message).toContain("other columns.parquet has other columns than");
    expect(error.details).toMatchObject({
      where: { file: renamed.path, column: "values", columnIndex: 5 },
      expected: "values: list<float32>",
      actual: "no such column",
    });
    const retyped = save(
      parquetOf(
        table.assign(new Table({ id: vectorFromArray([0.5, 1.5], new Float64()) })).select(table.schema.names as never[]),
        2,
      ),
    );
    expect((await failure(open(first, retyped))).details).toMatchObject({
      where: { file: retyped.path, column: "id" },
      expected: "id: int32",
      actual: "id: float64",
    });
  });

  it("absent files, folders, stdin", async () => {
    expect(await failure(open({ path: path.join(folder, "absent.parquet"), sizeBytes: null, mtimeMs: null }))).toMatchObject({
      code: "BP_INPUT_NOT_FOUND",
    });
    expect(await failure(open({ path: folder, sizeBytes: null, mtimeMs: null }))).toMatchObject({ code: "BP_INPUT_UNREADABLE" });
    expect(await failure(open({ path: "-", sizeBytes: null, mtimeMs: null }))).toMatchObject({ code: "BP_CONFIG" });
  });

  it("a file that changed after it was looked at", async () => {
    const file = save(sampleParquet({ rows: 5, rowGroupRows: 5 }), "changing.parquet");
    const source = await open(file);
    save(sampleParquet({ rows: 6, rowGroupRows: 5 }), "changing.parquet");
    const error = await failure(readAll(source, planOf(source.description, { feed: ["id"] })));
    expect(error).toMatchObject({ code: "BP_INPUT_CHANGED", details: { where: { file: file.path } } });
  });

  it("values that were damaged, without taking the process down", async () => {
    const bytes = sampleParquet({ rows: 200, rowGroupRows: 100 });
    let refused = 0;
    for (let at = 4; at < 2000; at += 13) {
      const bad = Buffer.from(bytes);
      bad.fill(0xee, at, at + 8);
      const file = save(bad, "damaged.parquet");
      try {
        const source = await open(file);
        const chunks = await readAll(source, planOf(source.description, { feed: ["id"], keep: ["name", "pair", "values"] }));
        expect(chunks.reduce((sum, { rowsRead }) => sum + rowsRead, 0)).toBe(200);
      } catch (error) {
        expect(error).toMatchObject({ code: "BP_INPUT_FORMAT", details: { where: { file: file.path } } });
        expect((error as Error).message).toMatch(/row group \d/);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(20);
  });
});
