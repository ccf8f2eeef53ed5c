/** What workers send to the sink, read back by apache-arrow from the bytes. */
import {
  type DataType,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  makeData,
  type Table,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BindingPlan } from "../../src/core/binding-plan.ts";
import type { OutputPlan, PredictionColumn } from "../../src/core/output-plan.ts";
import type { TensorArray, TensorType } from "../../src/core/tensor-types.ts";
import { resultBatch } from "../../src/predict/result-batch.ts";
import { anyText } from "../report/any-text.ts";
import { posted, tableOf } from "../wire.ts";

const NO_KEEP: BindingPlan = { inputs: [], constants: [], keep: [], onError: "fail" };

function planOf(type: TensorType, rowSize: number, element: number | null, rowColumn: string | null = null): OutputPlan {
  const column: PredictionColumn = { name: "y", output: "y", type, element, listSize: rowSize };
  return { outputs: [{ output: "y", type, rowSize }], columns: [column], rowColumn };
}

function roundTrip(plan: OutputPlan, values: TensorArray, rows: number, sourceRows: Uint32Array | null = null): Table {
  return tableOf(posted(resultBatch(NO_KEEP, plan, [], [values], rows, sourceRows)));
}

function values(table: Table, name = "y"): unknown[] {
  return [...table.getChild(name)!].map((value) => (value !== null && typeof value === "object" ? [...value] : value));
}

describe("prediction columns", () => {
  it.each<[TensorType, DataType, TensorArray]>([
    ["float32", new Float32(), Float32Array.of(0.1, -0, Number.NaN, Number.POSITIVE_INFINITY)],
    ["float64", new Float64(), Float64Array.of(0.1, -0, Number.NaN, 5e-324)],
    ["int8", new Int8(), Int8Array.of(-128, 127)],
    ["int16", new Int16(), Int16Array.of(-32768, 32767)],
    ["int32", new Int32(), Int32Array.of(-(2 ** 31), 2 ** 31 - 1)],
    ["int64", new Int64(), BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)],
    ["uint8", new Uint8(), Uint8Array.of(0, 255)],
    ["uint16", new Uint16(), Uint16Array.of(0, 65535)],
    ["uint32", new Uint32(), Uint32Array.of(0, 2 ** 32 - 1)],
    ["uint64", new Uint64(), BigUint64Array.of(0n, 2n ** 64n - 1n)],
    ["string", new Utf8(), ["", "größer, 漢字 🎉", '\n"quoted"', ""]],
  ])("of %s keep type and value", (type, arrowType, data) => {
    const table = roundTrip(planOf(type, 1, 0), data, data.length);
    expect(String(table.schema.fields[0]!.type)).toBe(String(arrowType));
    expect(values(table)).toEqual([...data]);
  });

  it("of bool come out as bits, across bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (flags) => {
        const table = roundTrip(planOf("bool", 1, 0), Uint8Array.from(flags, Number), flags.length);
        expect(String(table.schema.fields[0]!.type)).toBe("Bool");
        expect(values(table)).toEqual(flags);
      }),
    );
  });

  it("of text survive any text", () => {
    fc.assert(
      fc.property(fc.array(anyText(6), { maxLength: 30 }), (texts) => {
        expect(values(roundTrip(planOf("string", 1, 0), texts, texts.length))).toEqual(texts);
      }),
    );
  });

  it("of float16 come out as the float32 of the same value, for all 65,536 bit patterns", () => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
    const table = roundTrip(planOf("float16", 1, 0), halves, halves.length);
    expect(String(table.schema.fields[0]!.type)).toBe("Float32");
    const read = table.getChild("y")!.toArray() as Float32Array;
    const wrong: number[] = [];
    for (let bits = 0; bits < 65_536; bits++) if (!Object.is(read[bits], Math.fround(halfByDefinition(bits)))) wrong.push(bits);
    expect(wrong).toEqual([]);
  });

  it("take one element of each row", () => {
    const data = Float32Array.of(1, 2, 3, 4, 5, 6);
    expect(values(roundTrip(planOf("float32", 3, 1), data, 2))).toEqual([2, 5]);
    expect(values(roundTrip(planOf("string", 2, 1), ["a", "b", "c", "d"], 2))).toEqual(["b", "d"]);
    expect(values(roundTrip(planOf("bool", 2, 0), Uint8Array.of(1, 0, 0, 1), 2))).toEqual([true, false]);
    expect(values(roundTrip(planOf("int64", 2, 1), BigInt64Array.of(1n, 2n, 3n, 4n), 2))).toEqual([2n, 4n]);
    expect(values(roundTrip(planOf("float16", 2, 1), Uint16Array.of(0, 0x3c00, 0, 0xc000), 2))).toEqual([1, -2]);
  });

  it("take the whole row as a list", () => {
    expect(values(roundTrip(planOf("float32", 3, null), Float32Array.of(1, 2, 3, 4, 5, 6), 2))).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(values(roundTrip(planOf("string", 2, null), ["a", "", "ü", "d"], 2))).toEqual([
      ["a", ""],
      ["ü", "d"],
    ]);
    expect(values(roundTrip(planOf("bool", 3, null), Uint8Array.of(1, 0, 1, 0, 0, 1), 2))).toEqual([
      [true, false, true],
      [false, false, true],
    ]);
    expect(values(roundTrip(planOf("float32", 0, null), new Float32Array(0), 2))).toEqual([[], []]);
  });
});

describe("the row column", () => {
  it("counts the rows of the chunk, or says where each came from", () => {
    const data = Float32Array.of(1, 2, 3);
    const plain = roundTrip(planOf("float32", 1, 0, "row"), data, 3);
    expect(plain.schema.names).toEqual(["row", "y"]);
    expect(String(plain.schema.fields[0]!.type)).toBe("Int64");
    expect(values(plain, "row")).toEqual([0n, 1n, 2n]);
    const gaps = roundTrip(planOf("float32", 1, 0, "row"), data, 3, Uint32Array.of(1, 5, 4_294_967_295));
    expect(values(gaps, "row")).toEqual([1n, 5n, 4_294_967_295n]);
  });
});

describe("a batch", () => {
  it("has the kept columns first, under their output names and as they are", () => {
    const keep: BindingPlan["keep"] = [
      { name: "id", column: "id", index: 0, type: "utf8" },
      { name: "when", column: "Wann", index: 3, type: "source" },
    ];
    const kept = [vectorFromArray(["a", null, "c"], new Utf8()).data[0]!, vectorFromArray([1, null, 3], new Int32()).data[0]!];
    const batch = resultBatch({ ...NO_KEEP, keep }, planOf("float32", 1, 0), kept, [Float32Array.of(1, 2, 3)], 3, null);
    const table = tableOf(posted(batch));
    expect(table.schema.names).toEqual(["id", "when", "y"]);
    expect(values(table, "id")).toEqual(["a", null, "c"]);
    expect(values(table, "when")).toEqual([1, null, 3]);
  });

  it("reads each output from its own tensor, whatever the order of the columns", () => {
    const plan: OutputPlan = {
      outputs: [
        { output: "label", type: "string", rowSize: 1 },
        { output: "p", type: "float32", rowSize: 2 },
      ],
      columns: [
        { name: "p_b", output: "p", type: "float32", element: 1, listSize: 2 },
        { name: "label", output: "label", type: "string", element: 0, listSize: 1 },
        { name: "p_a", output: "p", type: "float32", element: 0, listSize: 2 },
      ],
      rowColumn: null,
    };
    const batch = resultBatch(NO_KEEP, plan, [], [["x", "y"], Float32Array.of(1, 2, 3, 4)], 2, null);
    const table = tableOf(posted(batch));
    expect([values(table, "p_b"), values(table, "label"), values(table, "p_a")]).toEqual([
      [2, 4],
      ["x", "y"],
      [1, 3],
    ]);
  });

  it("without rows still tells its schema, and is one batch", () => {
    const table = tableOf(posted(resultBatch(NO_KEEP, planOf("string", 1, 0, "row"), [], [[]], 0, null)));
    expect(table.numRows).toBe(0);
    expect(table.schema.names).toEqual(["row", "y"]);
    expect(String(table.schema.fields[1]!.type)).toBe("Utf8");
  });

  it("takes kept columns that are slices of larger ones", () => {
    const whole = makeData({ type: new Float64(), data: Float64Array.of(1, 2, 3, 4, 5), nullCount: 0 });
    const keep: BindingPlan["keep"] = [{ name: "k", column: "k", index: 0, type: "source" }];
    const batch = resultBatch({ ...NO_KEEP, keep }, planOf("float32", 1, 0), [whole.slice(1, 3)], [new Float32Array(3)], 3, null);
    expect(values(tableOf(posted(batch)), "k")).toEqual([2, 3, 4]);
  });
});

/** IEEE 754-2019 section 3.4, with p = 11 and emax = 15, by the book. */
function halfByDefinition(bits: number): number {
  const sign = (-1) ** (bits >> 15);
  const biased = Math.floor(bits / 1024) % 32;
  const trailing = bits % 1024;
  if (biased === 31) return trailing === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (biased === 0) return sign * 2 ** -14 * (trailing / 2 ** 10);
  return sign * 2 ** (biased - 15) * (1 + trailing / 2 ** 10);
}
