import fs from "node:fs";
import path from "node:path";
import {
  Bool,
  type Data,
  DataType,
  Dictionary,
  Field,
  FixedSizeList,
  Float64,
  Int16,
  Int32,
  Int64,
  LargeUtf8,
  List,
  type RecordBatch,
  RecordBatchReader,
  Struct,
  tableFromIPC,
  Utf8,
  Utf8View,
  vectorFromArray,
} from "apache-arrow";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toIpcStream } from "../../src/sinks/prepare-batch.ts";
import { NULL_ROW, plainType, takePieces, takeRows } from "../../src/values/arrow-take.ts";
import { textReader } from "../../src/values/arrow-text.ts";
import { WireDecoder } from "../../src/values/wire-batch.ts";
import { posted, recordBatchOf } from "../wire.ts";

const material = path.resolve(import.meta.dirname, "../../../shared/material/arrow");

function texts(data: Data): (string | null)[] {
  const read = textReader(data);
  // The library writes an empty field name as no name at all.
  return Array.from({ length: data.length }, (_, row) => read(row)?.replaceAll("null:", '"":') ?? null);
}

/** What a reader of the output would get, when a sink got it from a worker. */
function written(data: Data): Data {
  const batch = new WireDecoder().decode(posted(recordBatchOf([new Field("c", data.type, true)], [data])));
  return tableFromIPC(toIpcStream([batch])).batches[0]!.data.children[0]!;
}

/** Views are made plain before anything travels. */
function isView(type: DataType): boolean {
  if (type instanceof Dictionary) return isView(type.dictionary);
  const fields = (type.children ?? []) as Field[];
  return DataType.isUtf8View(type) || DataType.isBinaryView(type) || fields.some((field) => isView(field.type));
}

/** Takes rows of a slice, joins them with the whole, and compares with reading value by value. */
function checkTake(data: Data, picks: readonly number[], from: number, to: number): void {
  const slice = data.slice(from, to - from);
  const rows = Uint32Array.from(picks, (pick) => (slice.length === 0 || pick === 0 ? NULL_ROW : pick % slice.length));
  const before = texts(slice);
  // Slices travel as well: kept columns may be parts of larger ones.
  if (slice.length > 0 && !isView(slice.type)) expect(texts(written(slice))).toEqual(before);
  const want = [...rows].map((row) => (row === NULL_ROW ? null : before[row]));
  const taken = takeRows(slice, rows);
  expect(String(taken.type)).toBe(String(plainType(data.type)));
  expect(texts(taken)).toEqual(want);
  if (taken.length > 0) expect(texts(written(taken))).toEqual(want);
  const all = Uint32Array.from({ length: data.length }, (_, row) => row);
  const joined = takePieces(data.type, [
    { data: slice, rows },
    { data, rows: all },
  ]);
  expect(texts(joined)).toEqual([...want, ...texts(data)]);
}

const item = (type: DataType): Field => new Field("item", type, true);
const COLUMNS: [string, Data][] = (
  [
    [new Int16(), [1, null, -3, 4, 5]],
    [new Int64(), [1n, -(2n ** 63n), null, 2n ** 63n - 1n]],
    [new Float64(), [0.5, null, Number.NaN, -1]],
    [new Bool(), [true, false, null, true, true, false, true, null, false, true]],
    [new Utf8(), ["", "x", null, "a longer text than thirty-two bytes, so that it is set", "ü"]],
    [new LargeUtf8(), ["", "x", null, "long".repeat(20)]],
    [new Utf8View(), ["short", null, "a text that does not fit into its view", ""]],
    [new Dictionary(new Utf8(), new Int32()), ["a", "b", null, "a", "c"]],
    [new Dictionary(new Int64(), new Int32()), [5n, 6n, null, 5n]],
    [new List(item(new Int32())), [[1, 2], [], null, [3, null, 5]]],
    [new FixedSizeList(2, item(new Float64())), [[1, 2], null, [3, 4]]],
    [new List(item(new List(item(new Utf8())))), [[["a"], []], null, [["b", null]], []]],
    [
      new Struct<{ a: Int32; b: Utf8 }>([new Field("a", new Int32(), true), new Field("b", new Utf8(), true)]),
      [{ a: 1, b: "x" }, null, { a: null, b: null }],
    ],
  ] as [DataType, unknown[]][]
).map(([type, values]) => [String(type), vectorFromArray(values, type).data[0]!]);

describe("takeRows", () => {
  it.each(COLUMNS)("gives the rows it was asked for: %s", (_, data) => {
    fc.assert(
      fc.property(fc.array(fc.nat(100)), fc.nat(data.length), fc.nat(data.length), (picks, a, b) => {
        checkTake(data, picks, Math.min(a, b), Math.max(a, b));
      }),
      { numRuns: 100, seed: 7 },
    );
  });

  it("makes empty columns of any type out of nothing", () => {
    for (const [, data] of COLUMNS) expect(takePieces(data.type, []).length).toBe(0);
  });

  it("takes and slices every column of the collected Arrow files", () => {
    if (!fs.existsSync(material)) {
      console.warn("SKIPPED: ../shared/material/arrow is not here");
      return;
    }
    let columns = 0;
    const types = new Set<string>();
    for (const file of ["golden/1.0.0-littleendian", "golden/cpp-21.0.0", "flechette", "made"].flatMap(arrowFiles)) {
      for (const batch of readable(file)) {
        for (const [at, column] of batch.data.children.entries()) {
          const data = column.slice(0, Math.min(200, column.length));
          if (data.length === 0) continue;
          types.add(String(batch.schema.fields[at]!.type.constructor.name));
          checkTake(data, [0, 7, 3, 3, 1, 12, 999], Math.floor(data.length / 3), data.length);
          const slice = data.slice(Math.floor(data.length / 3), Math.ceil(data.length / 2));
          if (plainType(data.type) === data.type)
            expect(texts(written(slice)), `${file} ${batch.schema.fields[at]}`).toEqual(texts(slice));
          columns++;
        }
      }
    }
    expect(columns).toBeGreaterThan(500);
    expect(types.size).toBeGreaterThan(20);
  });
});

function arrowFiles(folder: string): string[] {
  const full = path.join(material, folder);
  return fs
    .readdirSync(full)
    .filter((name) => /\.(arrow|arrows|arrow_file|stream)$/.test(name))
    .map((name) => path.join(full, name));
}

/** Files that the library reads; the others are the source's business. */
function readable(file: string): RecordBatch[] {
  try {
    return [...RecordBatchReader.from(fs.readFileSync(file))];
  } catch {
    return [];
  }
}
