import {
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Dictionary,
  Field,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int8,
  Int32,
  Int64,
  LargeUtf8,
  List,
  makeData,
  Null,
  RecordBatch,
  Schema,
  Struct,
  Uint8,
  Uint64,
  Utf8,
  Utf8View,
  vectorFromArray,
} from "apache-arrow";
import { describe, expect, it } from "vitest";
import type { BindingPlan, MissingPolicy } from "../../src/core/binding-plan.ts";
import type { DecodedChunk } from "../../src/core/chunk.ts";
import type { TensorType } from "../../src/core/tensor-types.ts";
import { bindRecordBatches } from "../../src/values/arrow-cells.ts";
import { textReader } from "../../src/values/arrow-text.ts";

const FILE = { file: "data.arrow" };
const TWO_53 = 2n ** 53n;

function column(type: DataType, values: unknown[]): Data {
  if (type instanceof Null) return makeData({ type, length: values.length });
  return vectorFromArray(values, type).data[0]!;
}

function decimals(scale: number, unscaled: bigint[]): Data {
  const words = new Uint32Array(
    unscaled.flatMap((value) => [0n, 32n, 64n, 96n].map((shift) => Number((value >> shift) & 0xffffffffn))),
  );
  return makeData({ type: new Decimal(scale, 38, 128), length: unscaled.length, data: words });
}

function batchOf(columns: Record<string, Data>): RecordBatch {
  const fields = Object.entries(columns).map(([name, { type }]) => new Field(name, type, true));
  const children = Object.values(columns);
  return new RecordBatch(
    new Schema(fields),
    makeData({ type: new Struct(fields), length: children[0]!.length, nullCount: 0, children }),
  );
}

function planFor(batch: RecordBatch, type: TensorType, missing: MissingPolicy, more: Partial<BindingPlan> = {}): BindingPlan {
  const columns = batch.schema.fields.map(({ name }, index) => ({ name: String(name), index, missing }));
  const rowSize = columns.length;
  const inputs = [{ input: "x", type, rowShape: [rowSize], rowSize, from: { kind: "columns" as const, columns } }];
  return { inputs, constants: [], keep: [], onError: "reject", ...more };
}

function bind(data: Data, type: TensorType, missing: MissingPolicy = "reject"): DecodedChunk {
  const batch = batchOf({ age: data });
  return bindRecordBatches([batch], 0, batch.numRows, planFor(batch, type, missing), FILE);
}

function values(chunk: DecodedChunk): unknown[] {
  return [...chunk.tensors[0]!.data];
}

describe("casts that change no value", () => {
  const cases: [string, Data, TensorType, unknown[]][] = [
    ["float64 -> float64", column(new Float64(), [0.1, Number.NaN, -0]), "float64", [0.1, Number.NaN, -0]],
    ["float64 -> float32 rounds to nearest", column(new Float64(), [0.1, 16777217]), "float32", [Math.fround(0.1), 16777216]],
    ["float32 -> float64", column(new Float32(), [0.5, 1e-45]), "float64", [0.5, 1.401298464324817e-45]],
    [
      "float16 -> float32",
      column(new Float16(), [1.5, -65504, 2 ** -24, Number.POSITIVE_INFINITY]),
      "float32",
      [1.5, -65504, 2 ** -24, Number.POSITIVE_INFINITY],
    ],
    ["float64 -> float16", column(new Float64(), [1, -2, 65504, Number.NaN]), "float16", [0x3c00, 0xc000, 0x7bff, 0x7e00]],
    [
      "int64 -> int64 exact",
      column(new Int64(), [2n ** 63n - 1n, -(2n ** 63n), TWO_53 + 1n]),
      "int64",
      [2n ** 63n - 1n, -(2n ** 63n), TWO_53 + 1n],
    ],
    ["uint64 -> uint64 exact", column(new Uint64(), [2n ** 64n - 1n, 0n]), "uint64", [2n ** 64n - 1n, 0n]],
    ["int64 -> float64", column(new Int64(), [-1n, TWO_53, -(2n ** 40n)]), "float64", [-1, 2 ** 53, -(2 ** 40)]],
    ["int64 -> int32", column(new Int64(), [-(2n ** 31n), 2n ** 31n - 1n]), "int32", [-(2 ** 31), 2 ** 31 - 1]],
    ["int8 -> int64", column(new Int8(), [-128, 127]), "int64", [-128n, 127n]],
    ["uint8 -> int8", column(new Uint8(), [0, 127]), "int8", [0, 127]],
    ["whole float64 -> int64", column(new Float64(), [-0, 2 ** 62, -3]), "int64", [0n, 2n ** 62n, -3n]],
    ["whole float32 -> uint8", column(new Float32(), [255, 0]), "uint8", [255, 0]],
    ["0 and 1 -> bool", column(new Int32(), [0, 1]), "bool", [0, 1]],
    ["bool -> bool", column(new Bool(), [true, false, true]), "bool", [1, 0, 1]],
    ["bool -> float32", column(new Bool(), [true, false]), "float32", [1, 0]],
    ["bool -> int64", column(new Bool(), [true, false]), "int64", [1n, 0n]],
    [
      "decimal -> float64, scaled",
      decimals(2, [1230n, -5n, 12345678901234567890n]),
      "float64",
      [12.3, -0.05, 123456789012345680],
    ],
    ["whole decimal -> int64", decimals(2, [1200n, -(10n ** 20n)]), "int64", [12n, -(10n ** 18n)]],
    ["text -> float32", column(new Utf8(), ["1.5", " -2 ", "1e3"]), "float32", [1.5, -2, 1000]],
    ["text -> int64", column(new LargeUtf8(), ["9223372036854775807"]), "int64", [2n ** 63n - 1n]],
    [
      "text view -> string",
      column(new Utf8View(), ["", "ü", "long enough to leave its view"]),
      "string",
      ["", "ü", "long enough to leave its view"],
    ],
    ["dictionary of text -> string", column(new Dictionary(new Utf8(), new Int32()), ["b", "a", "b"]), "string", ["b", "a", "b"]],
    ["dictionary of numbers -> float32", column(new Dictionary(new Int64(), new Int32()), [7n, 8n, 7n]), "float32", [7, 8, 7]],
  ];
  it.each(cases)("%s", (_, data, type, expected) => {
    const chunk = bind(data, type);
    expect(chunk.rejects).toEqual([]);
    expect(values(chunk)).toEqual(expected);
    expect(chunk.counts).toEqual([]);
  });

  it("reads slices, whose bits start inside of a byte", () => {
    const bits = Array.from({ length: 50 }, (_, i) => i % 3 === 0);
    const nulls = Array.from({ length: 50 }, (_, i) => (i % 5 === 0 ? null : i));
    expect(values(bind(column(new Bool(), bits).slice(13, 20), "bool"))).toEqual(bits.slice(13, 33).map(Number));
    expect(values(bind(column(new Int32(), nulls).slice(3, 30), "float32", "nan"))).toEqual(
      nulls.slice(3, 33).map((value) => value ?? Number.NaN),
    );
  });
});

describe("casts that would change a value", () => {
  it.each<[string, Data, TensorType, string, number, unknown[]]>([
    [
      "finite float64 beyond float32",
      column(new Float64(), [1e39, -1e39, Number.POSITIVE_INFINITY, 1]),
      "float32",
      "overflow",
      2,
      [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 1],
    ],
    [
      "the smallest double that rounds to infinity",
      column(new Float64(), [2 ** 128 - 2 ** 103, 2 ** 128 - 2 ** 104]),
      "float32",
      "overflow",
      1,
      [Number.POSITIVE_INFINITY, 3.4028234663852886e38],
    ],
    ["float64 beyond float16", column(new Float64(), [65520, 65519]), "float16", "overflow", 1, [0x7c00, 0x7bff]],
    [
      "int32 beyond 2^24 in float32",
      column(new Int32(), [16777217, 16777218, 16777216]),
      "float32",
      "inexact",
      1,
      [16777216, 16777218, 16777216],
    ],
    [
      "int64 beyond 2^53 in float64",
      column(new Int64(), [TWO_53 + 1n, TWO_53 + 2n, -TWO_53 - 1n]),
      "float64",
      "inexact",
      2,
      [2 ** 53, 2 ** 53 + 2, -(2 ** 53)],
    ],
    [
      "int64 beyond 2^53 in float32",
      column(new Int64(), [2n ** 60n + 1n, 2n ** 60n, TWO_53 - 1n]),
      "float32",
      "inexact",
      2,
      [2 ** 60, 2 ** 60, 2 ** 53],
    ],
    ["uint64 in float32", column(new Uint64(), [2n ** 64n - 1n]), "float32", "inexact", 1, [2 ** 64]],
    [
      "int32 beyond 2048 in float16",
      column(new Int32(), [2049, 2048, 4094, 4095]),
      "float16",
      "inexact",
      2,
      [0x6800, 0x6800, 0x6bff, 0x6c00],
    ],
  ])("is counted: %s", (_, data, type, kind, count, expected) => {
    const chunk = bind(data, type);
    expect(chunk.counts).toEqual([{ column: "age", kind, count }]);
    expect(values(chunk)).toEqual(expected);
  });

  it.each<[string, Data, TensorType, string]>([
    ["fraction -> int32", column(new Float64(), [1, 1.5]), "int32", "1.5"],
    ["NaN -> int64", column(new Float64(), [1, Number.NaN]), "int64", "NaN"],
    ["int64 out of int32", column(new Int64(), [1n, 3_000_000_000n]), "int32", "3000000000"],
    ["int64 far out of int8", column(new Int64(), [1n, 2n ** 62n]), "int8", "4611686018427387904"],
    ["negative -> uint64", column(new Int64(), [1n, -1n]), "uint64", "-1"],
    ["uint64 out of int64", column(new Uint64(), [1n, 2n ** 63n]), "int64", "9223372036854775808"],
    ["float out of int64", column(new Float64(), [1, 2 ** 63]), "int64", "9223372036854776000"],
    ["2 -> bool", column(new Int32(), [1, 2]), "bool", "2"],
    ["decimal with a fraction -> int64", decimals(2, [100n, 150n]), "int64", "1.50"],
    ["text that is no number", column(new Utf8(), ["1", "n/a"]), "float32", "n/a"],
  ])("is a rejected row: %s", (_, data, type, shown) => {
    const chunk = bind(data, type);
    expect(chunk.rows).toBe(1);
    expect([...chunk.sourceRows!]).toEqual([0]);
    expect(values(chunk)).toHaveLength(1);
    expect(chunk.rejects).toMatchObject([
      { rowInChunk: 1, column: "age", columnIndex: 1, code: "BP_SOURCE_CELL", actual: shown },
    ]);
    expect(chunk.rejects[0]!.message).toBe(`cannot read "${shown}" as ${type} for model input "x"`);
    expect(chunk.rejects[0]!.hints?.join()).toContain("--on-error reject");
  });

  it.each<[string, Data, TensorType]>([
    ["date -> float32", column(new DateDay(), [new Date(0)]), "float32"],
    ["number -> string", column(new Int32(), [1]), "string"],
  ])("is refused for the whole column: %s", (_, data, type) => {
    expect(() => bind(data, type)).toThrowError(
      expect.objectContaining({ code: "BP_SOURCE_TYPE", message: 'column "age" cannot feed model input "x"' }),
    );
  });
});

describe("missing values", () => {
  it.each<[string, Data, TensorType, MissingPolicy, unknown[]]>([
    ["NaN in floats", column(new Float32(), [1, null, 3]), "float32", "nan", [1, Number.NaN, 3]],
    ["NaN bits in float16", column(new Float64(), [1, null]), "float16", "nan", [0x3c00, 0x7e00]],
    ["NaN for an integer column", column(new Int64(), [1n, null]), "float64", "nan", [1, Number.NaN]],
    ["a value", column(new Int32(), [1, null]), "int32", { value: "-7" }, [1, -7]],
    ["a value in int64", column(new Int64(), [1n, null]), "int64", { value: "9007199254740993" }, [1n, TWO_53 + 1n]],
    ["a value in bool", column(new Bool(), [false, null]), "bool", { value: "yes" }, [0, 1]],
    ["a text", column(new Utf8(), ["a", null]), "string", { value: "?" }, ["a", "?"]],
    ["a text for a code", column(new Dictionary(new Utf8(), new Int32()), ["a", null]), "string", { value: "" }, ["a", ""]],
    ["NaN for an empty text", column(new Utf8(), ["1", ""]), "float32", "nan", [1, Number.NaN]],
    ["NaN for a column of nulls", column(new Null(), [null, null]), "float32", "nan", [Number.NaN, Number.NaN]],
  ])("become %s", (_, data, type, missing, expected) => {
    const chunk = bind(data, type, missing);
    expect(values(chunk)).toEqual(expected);
    // An empty text counts too.
    expect(chunk.counts).toEqual([{ column: "age", kind: "missing", count: Math.max(1, data.nullCount) }]);
  });

  it("reject the row, saying how to mend it", () => {
    const chunk = bind(column(new Int32(), [null, 5]), "int32", "reject");
    expect(values(chunk)).toEqual([5]);
    expect(chunk.rejects).toMatchObject([{ rowInChunk: 0, column: "age", actual: "null" }]);
    expect(chunk.rejects[0]!.message).toBe('column "age" is empty, and model input "x" (int32) takes no missing values');
    expect(chunk.rejects[0]!.hints?.join()).toContain("--missing");
  });

  it("cannot become a value that is none of the type", () => {
    expect(() => bind(column(new Int32(), [1]), "int32", { value: "x" })).toThrowError(
      expect.objectContaining({ code: "BP_CONFIG" }),
    );
  });

  it("are not NaN that was there already", () => {
    expect(bind(column(new Float64(), [Number.NaN]), "float32", "nan").counts).toEqual([]);
  });
});

describe("lists", () => {
  const item = new Field("item", new Float32(), true);
  function bindList(data: Data, rowSize: number, missing: MissingPolicy = "nan", type: TensorType = "float32"): DecodedChunk {
    const batch = batchOf({ embedding: data });
    const from = { kind: "list" as const, column: { name: "embedding", index: 0, missing } };
    const inputs = [{ input: "x", type, rowShape: [rowSize], rowSize, from }];
    return bindRecordBatches([batch], 0, batch.numRows, { inputs, constants: [], keep: [], onError: "reject" }, FILE);
  }

  it("of fixed size become rows", () => {
    const data = column(new FixedSizeList(2, item), [
      [1, 2],
      [3, 4],
      [5, 6],
    ]).slice(1, 2);
    expect(values(bindList(data, 2))).toEqual([3, 4, 5, 6]);
  });

  it("nested are flattened", () => {
    const data = column(new List(new Field("item", new FixedSizeList(2, item), true)), [
      [
        [1, 2],
        [3, 4],
      ],
      [
        [5, 6],
        [7, 8],
      ],
    ]);
    expect(values(bindList(data, 4))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("of the wrong length are rejected, with row, column and both lengths", () => {
    const chunk = bindList(column(new List(item), [[1, 2], [3], [], [4, 5], [6, 7, 8], [9, 10]]), 2);
    expect(values(chunk)).toEqual([1, 2, 4, 5, 9, 10]);
    expect([...chunk.sourceRows!]).toEqual([0, 3, 5]);
    expect(chunk.rejects.map(({ rowInChunk, column: name, expected, actual }) => [rowInChunk, name, expected, actual])).toEqual([
      [1, "embedding", "2 elements", "1 elements"],
      [2, "embedding", "2 elements", "0 elements"],
      [4, "embedding", "2 elements", "3 elements"],
    ]);
    expect(chunk.rejects[0]!.message).toBe(
      'the list in column "embedding" has 1 elements, but model input "x" takes 2 per row (shape [2])',
    );
  });

  it("that are missing, or miss elements, follow the policy", () => {
    const data = column(new List(item), [[1, null], null, [3, 4]]);
    const nan = bindList(data, 2);
    expect(values(nan)).toEqual([1, Number.NaN, Number.NaN, Number.NaN, 3, 4]);
    expect(nan.counts).toEqual([{ column: "embedding", kind: "missing", count: 2 }]);
    const reject = bindList(data, 2, "reject");
    expect(values(reject)).toEqual([3, 4]);
    expect(reject.rejects.map(({ rowInChunk }) => rowInChunk)).toEqual([0, 1]);
  });
});

describe("bindRecordBatches", () => {
  const ids = column(new Int64(), [10n, 11n, 12n, 13n]);
  const a = column(new Float64(), [0, 1, 2, 3]);
  const b = column(new Int32(), [0, -1, -2, -3]);

  it("puts columns side by side, across batches and over more rows than one block", () => {
    const count = 5000;
    const from = Array.from({ length: count }, (_, i) => i);
    const batches = [0, 1].map((k) =>
      batchOf({
        a: column(
          new Float64(),
          from.map((i) => i + k * count),
        ),
        b: column(
          new Int32(),
          from.map((i) => -i),
        ),
      }),
    );
    const chunk = bindRecordBatches(batches, 1, 2 * count - 1, planFor(batches[0]!, "float32", "reject"), FILE);
    expect(chunk.rows).toBe(2 * count - 2);
    const tensor = chunk.tensors[0]!.data as Float32Array;
    for (let row = 1; row < 2 * count - 1; row++) {
      if (tensor[2 * (row - 1)] !== row || tensor[2 * row - 1] !== -(row % count)) expect.fail(`row ${row}`);
    }
  });

  it("keeps columns of the good rows only, as they were", () => {
    const batch = batchOf({
      a: column(new Float64(), [0, 1.5, 2, 3]),
      b,
      id: ids,
      tag: column(new Dictionary(new Utf8(), new Int32()), ["x", "y", "x", null]),
    });
    const plan = planFor(batchOf({ a, b }), "int32", "reject", {
      keep: [2, 3].map((index) => ({ name: `k${index}`, column: "", index, type: "source" as const })),
    });
    const chunk = bindRecordBatches([batch], 0, 4, plan, FILE);
    expect(values(chunk)).toEqual([0, 0, 2, -2, 3, -3]);
    expect(chunk.kept.map((data) => String(data.type))).toEqual(["Int64", "Utf8"]);
    expect(chunk.kept.map((data) => Array.from({ length: data.length }, (_, row) => textReader(data)(row)))).toEqual([
      ["10", "12", "13"],
      ["x", "x", null],
    ]);
  });

  it("names the leftmost bad column of a row once", () => {
    const batch = batchOf({ a: column(new Float64(), [0.5]), b: column(new Float64(), [0.25]) });
    const plan = planFor(batch, "int32", "reject");
    plan.inputs[0]!.from = {
      kind: "columns",
      columns: [
        { name: "b", index: 1, missing: "reject" },
        { name: "a", index: 0, missing: "reject" },
      ],
    };
    expect(bindRecordBatches([batch], 0, 1, plan, FILE).rejects).toMatchObject([{ column: "a", actual: "0.5" }]);
  });

  it("always has the first bad row when the run fails there", () => {
    const batch = batchOf({ a: column(new Float64(), [1, 2, 3, 0.5]), b: column(new Float64(), [1, 0.5, 0.5, 1]) });
    const { rejects } = bindRecordBatches([batch], 0, 4, planFor(batch, "int32", "reject", { onError: "fail" }), FILE);
    expect(rejects[0]).toMatchObject({ rowInChunk: 1, column: "b" });
  });

  it("gives empty tensors and typed columns for no rows", () => {
    const batch = batchOf({ a, id: ids });
    const keep = [{ name: "id", column: "id", index: 1, type: "source" as const }];
    const chunk = bindRecordBatches([batch], 2, 2, planFor(batchOf({ a }), "float32", "nan", { keep }), FILE);
    expect([chunk.rows, chunk.tensors[0]!.data.length, chunk.kept[0]!.length, String(chunk.kept[0]!.type)]).toEqual([
      0,
      0,
      0,
      "Int64",
    ]);
  });
});
