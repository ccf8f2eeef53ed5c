/** Memory that is used again from chunk to chunk, and the kernel that turns columns into rows: the same tensors as without either. */
import { type Data, Field, Float32, Float64, makeData, RecordBatch, Schema, Struct } from "apache-arrow";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BindingPlan } from "../../src/core/binding-plan.ts";
import type { DecodedChunk } from "../../src/core/chunk.ts";
import { bindRecordBatches } from "../../src/values/arrow-cells.ts";
import { BindingMemory } from "../../src/values/binding-memory.ts";

type Values = Float64Array | Float32Array;

function batchOf(columns: readonly Values[], missing: ReadonlyMap<number, readonly number[]> = new Map()): RecordBatch {
  const types = columns.map((values) => (values instanceof Float64Array ? new Float64() : new Float32()));
  const fields = types.map((type, k) => new Field(`c${k}`, type, true));
  const children = columns.map((data, k): Data => {
    const rows = missing.get(k) ?? [];
    const nullBitmap = new Uint8Array((data.length + 7) >> 3).fill(0xff);
    for (const row of rows) nullBitmap[row >> 3]! &= ~(1 << (row & 7));
    return makeData({ type: types[k]!, length: data.length, nullCount: rows.length, nullBitmap, data } as never);
  });
  const length = columns[0]!.length;
  return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length, nullCount: 0, children }));
}

function planOf(width: number, more: Partial<BindingPlan> = {}): BindingPlan {
  const columns = Array.from({ length: width }, (_, index) => ({ name: `c${index}`, index, missing: "nan" as const }));
  const inputs = [
    { input: "x", type: "float32" as const, rowShape: [width], rowSize: width, from: { kind: "columns" as const, columns } },
  ];
  return { inputs, constants: [], keep: [], onError: "reject", ...more };
}

/** -0 is told apart, payloads of NaN are not. */
const seen = ({ tensors, counts, rows, rejects }: DecodedChunk): unknown => ({
  rows,
  counts,
  rejects: rejects.map(({ rowInChunk, column }) => [rowInChunk, column]),
  tensors: tensors.map(({ data }) => Array.from(data as Float32Array, (value) => (Object.is(value, -0) ? "-0" : value))),
});

const LARGEST = 3.4028234663852886e38;
const odd = fc.constantFrom(
  0,
  -0,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  LARGEST,
  2 ** 128 - 2 ** 103,
  2 ** 128 - 2 ** 104,
  -1e39,
  1e308,
  2 ** -149,
  2 ** -150,
  1.5 * 2 ** -149,
  5e-324,
  1 + 2 ** -24,
  1 + 3 * 2 ** -24,
  0.1,
);
const number = fc.oneof({ weight: 9, arbitrary: fc.double() }, { weight: 1, arbitrary: odd });

describe("columns into rows", () => {
  it.each([
    ["float64", Float64Array, number],
    ["float32", Float32Array, number],
  ] as const)("of %s are those of a plain loop, whatever the sizes", (_, Kind, value) => {
    const memory = new BindingMemory();
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 23 }).chain((width) => {
          const rows = fc.integer({ min: 0, max: 70 });
          const row = fc.array(value, { minLength: width, maxLength: width, size: "max" });
          return rows.chain((count) =>
            fc.array(row, { minLength: count, maxLength: count, size: "max" }).map((all) => ({ width, all })),
          );
        }),
        fc.nat(),
        fc.nat(),
        ({ width, all }, from, to) => {
          const columns = Array.from({ length: width }, (__, k) => Kind.from(all.map((row) => row[k]!))) as Float64Array[];
          const [start, end] = [from % (all.length + 1), to % (all.length + 1)].sort((a, b) => a - b) as [number, number];
          const out = new Float32Array(all.length * width + 3).fill(7);
          const rows = Math.min(end - start, memory.blockRows(width));
          const finite = memory.rows(columns, start, start + rows, out, 3);
          const expected = new Float32Array(out.length).fill(7);
          for (let row = 0; row < rows; row++)
            for (let k = 0; k < width; k++) expected[3 + row * width + k] = columns[k]![start + row]!;
          expect([...out]).toEqual([...expected]);
          const infinite = [...expected].some((one) => Math.abs(one) === Number.POSITIVE_INFINITY);
          if (Kind === Float64Array) expect(finite).toBe(!infinite);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("takes floats of one kind, more than one column of them, and only where it may", () => {
    const [double, single] = [new Float64Array(3), new Float32Array(3)];
    const memory = new BindingMemory();
    expect(memory.canTake([double, double])).toBe(true);
    expect(memory.canTake([single, single])).toBe(true);
    expect(memory.canTake([double])).toBe(false);
    expect(memory.canTake([double, single])).toBe(false);
    expect(memory.canTake([double, null])).toBe(false);
    expect(memory.canTake([double, new Int32Array(3)])).toBe(false);
    expect(memory.canTake(new Array(5000).fill(double))).toBe(false);
    expect(new BindingMemory({ kernel: false }).canTake([double, double])).toBe(false);
  });
});

describe("a reader's memory", () => {
  const batches = fc.array(
    fc
      .record({
        rows: fc.integer({ min: 0, max: 2500 }),
        seed: fc.nat({ max: 1000 }),
        odd: fc.array(fc.tuple(fc.nat(), fc.nat({ max: 4 }), odd), { maxLength: 6 }),
        missing: fc.array(fc.tuple(fc.nat({ max: 4 }), fc.nat()), { maxLength: 3 }),
      })
      .map(({ rows, seed, odd: oddities, missing }) => {
        const columns = Array.from({ length: 5 }, (_, k) =>
          Float64Array.from({ length: rows }, (__, row) => Math.sin(seed + row * 5 + k)),
        );
        const nulls = new Map<number, number[]>();
        if (rows > 0) {
          for (const [row, k, value] of oddities) columns[k]![row % rows] = value;
          for (const [k, row] of missing) nulls.set(k, [...new Set([...(nulls.get(k) ?? []), row % rows])]);
        }
        return batchOf(columns, nulls);
      }),
    { minLength: 2, maxLength: 6 },
  );

  it.each([
    ["with the kernel", true],
    ["without it", false],
  ])("gives what memory of its own for each chunk gives, counts and rejects too, %s", (_, kernel) => {
    fc.assert(
      fc.property(batches, fc.constantFrom("nan", "reject"), (chunks, missing) => {
        const memory = new BindingMemory({ kernel });
        const plan = planOf(5);
        if (plan.inputs[0]!.from.kind === "columns")
          for (const column of plan.inputs[0]!.from.columns) column.missing = missing as "nan";
        for (const batch of chunks) {
          const place = { file: "a.arrow" };
          const fresh = bindRecordBatches([batch], 0, batch.numRows, plan, place);
          expect(seen(bindRecordBatches([batch], 0, batch.numRows, plan, { ...place, memory }))).toEqual(seen(fresh));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("counts numbers that become infinite, each with its column, and does not count infinities", () => {
    const columns = [new Float64Array(3000).fill(1), new Float64Array(3000).fill(2)];
    columns[0]![5] = 1e39;
    columns[1]![2999] = -1e300;
    columns[1]![0] = Number.POSITIVE_INFINITY;
    const chunk = bindRecordBatches([batchOf(columns)], 0, 3000, planOf(2), { file: "a", memory: new BindingMemory() });
    expect(chunk.counts).toEqual([
      { column: "c0", kind: "overflow", count: 1 },
      { column: "c1", kind: "overflow", count: 1 },
    ]);
    expect(chunk.tensors[0]!.data[10]).toBe(Number.POSITIVE_INFINITY);
    expect(chunk.tensors[0]!.data[5999]).toBe(Number.NEGATIVE_INFINITY);
  });

  it("is the same memory from chunk to chunk", () => {
    const memory = new BindingMemory();
    const batch = batchOf([new Float64Array(100), new Float64Array(100)]);
    const buffers = [100, 40, 100].map(
      (rows) => (bindRecordBatches([batch], 0, rows, planOf(2), { file: "a", memory }).tensors[0]!.data as Float32Array).buffer,
    );
    expect(new Set(buffers).size).toBe(1);
  });
});
