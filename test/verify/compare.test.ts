/** When values count as equal, which rows belong together, which are shown. */
import { describe, expect, it } from "vitest";
import type { Cell } from "../../src/verify/cell-values.ts";
import { elements, floatDifference, isSame } from "../../src/verify/compare-cells.ts";
import { type Alignment, compareTables } from "../../src/verify/compare-tables.ts";
import { matchColumns } from "../../src/verify/match-columns.ts";
import type { Table } from "../../src/verify/read-table.ts";

const TOLERANCES = { absolute: 0, relative: 1e-4 };

describe("floats", () => {
  it("may differ by absolute + relative * max(1, |expected|), and no more", () => {
    const near = (got: Cell, wanted: Cell, tolerances = TOLERANCES): boolean =>
      floatDifference(got, wanted, tolerances).excess <= 1;
    expect(near(0.00009, 0)).toBe(true);
    expect(near(0.00011, 0)).toBe(false);
    expect(near(10_000.9, 10_000)).toBe(true);
    expect(near(10_001.1, 10_000)).toBe(false);
    expect(near(1.5, 1, { absolute: 0.5, relative: 0 })).toBe(true);
    expect(near(1.6, 1, { absolute: 0.5, relative: 0 })).toBe(false);
    expect(near(0.1, 0.1, { absolute: 0, relative: 0 })).toBe(true);
    expect(near(0.1, 0.2, { absolute: 0, relative: 0 })).toBe(false);
  });

  it("NaN, missing and an empty text are one; infinities are only equal to themselves", () => {
    const off = (got: Cell, wanted: Cell): number => floatDifference(got, wanted, TOLERANCES).difference;
    expect(off(Number.NaN, null)).toBe(0);
    expect(off(null, "")).toBe(0);
    expect(off(1, null)).toBe(Number.POSITIVE_INFINITY);
    expect(off(Number.POSITIVE_INFINITY, "inf")).toBe(0);
    expect(off(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
    expect(off(1, "versicolor")).toBe(Number.POSITIVE_INFINITY);
  });
});

it("labels are the same whatever type a file gives them, and nothing else is", () => {
  for (const [got, wanted] of [
    [2n, 2],
    [2n, "2"],
    ["setosa", "setosa"],
    [true, 1],
    [false, "False"],
    [null, null],
  ] as [Cell, Cell][]) {
    expect(isSame(got, wanted)).toBe(true);
  }
  for (const [got, wanted] of [
    [2n, 3],
    ["a", "A"],
    [null, 0],
    ["", null],
    [9007199254740993n, 9007199254740992],
  ] as [Cell, Cell][]) {
    expect(isSame(got, wanted)).toBe(false);
  }
});

it("a list written as JSON is the list", () => {
  expect(elements("[1, [2, 3]]")).toEqual([1, 2, 3]);
  expect(elements("[not json]")).toEqual(["[not json]"]);
  expect(elements([1, [2]])).toEqual([1, 2]);
});

describe("columns", () => {
  const plan = {
    columns: [
      { name: "label", output: "label", type: "int64", element: 0, listSize: 1 },
      { name: "prob_a", output: "prob", type: "float32", element: 0, listSize: 2 },
      { name: "prob_b", output: "prob", type: "float32", element: 1, listSize: 2 },
    ] as const,
  };
  const match = (expected: string[], aside: string[] = []) =>
    matchColumns(expected, ["row", "label", "prob_a", "prob_b"], { columns: [...plan.columns] }, {}, new Set(aside), "e.csv");

  it("are found by their own name or by that of the model output", () => {
    expect(match(["label", "prob"]).compared).toEqual([
      { name: "label", expected: 0, predicted: [1], float: false },
      { name: "prob", expected: 1, predicted: [2, 3], float: true },
    ]);
    expect(match(["prob_b", "note"])).toMatchObject({
      compared: [{ predicted: [3] }],
      unknown: ["note"],
      unchecked: ["label", "prob_a"],
    });
  });

  it("nothing in common is refused with the near misses", () => {
    expect(() => match(["id", "labels"], ["id"])).toThrow(
      expect.objectContaining({
        code: "BP_BINDING",
        details: expect.objectContaining({ hints: expect.arrayContaining(['rename "labels" to "label"?']) }),
      }),
    );
  });
});

describe("rows", () => {
  const table = (rows: Cell[][]): Table => ({
    path: "t",
    columns: [],
    rows: rows.length,
    cell: (column, row) => rows[row]![column]!,
  });
  const columns = [
    { name: "label", expected: 1, predicted: [1], float: false },
    { name: "p", expected: 2, predicted: [2], float: true },
  ];
  const byKey: Alignment = {
    key: { names: ["id"], expected: [0], predicted: [0] },
    rowColumn: 0,
    range: { start: 0, end: Number.POSITIVE_INFINITY },
    partial: false,
  };
  const byPlace: Alignment = { ...byKey, key: null };

  it("belong together by key, in any order and type", () => {
    const expected = table([
      ["1", "a", 0.5],
      ["2", "b", 0.25],
      ["3", "c", 0],
    ]);
    const predicted = table([
      [3n, "c", 0],
      [1n, "a", 0.5],
      [2n, "b", 0.75],
    ]);
    const result = compareTables(expected, predicted, columns, byKey, TOLERANCES);
    expect(result.rows).toEqual({ expected: 3, compared: 3, missing: 0, extra: 0 });
    expect(result.worst).toEqual([{ row: 1, key: { id: "2" }, column: "p", expected: "0.25", actual: "0.75", difference: 0.5 }]);
    expect(result.columns[1]).toMatchObject({ mismatches: 1, max_abs_difference: 0.5 });
  });

  it("missing and extra ones are counted, a prediction twice is extra", () => {
    const expected = table([
      [1, "a", 0],
      [2, "a", 0],
      [3, "a", 0],
    ]);
    const predicted = table([
      [1, "a", 0],
      [1, "a", 0],
      [9, "a", 0],
    ]);
    expect(compareTables(expected, predicted, columns, byKey, TOLERANCES).rows).toEqual({
      expected: 3,
      compared: 1,
      missing: 2,
      extra: 2,
    });
    expect(compareTables(expected, predicted, columns, { ...byKey, partial: true }, TOLERANCES).rows.missing).toBe(0);
  });

  it("by place go by the number of the input row, so a rejected row shifts nothing", () => {
    const expected = table([
      [null, "a", 0],
      [null, "b", 1],
      [null, "c", 2],
    ]);
    const predicted = table([
      [0n, "a", 0],
      [2n, "c", 2],
    ]);
    const result = compareTables(expected, predicted, columns, byPlace, TOLERANCES);
    expect(result.rows).toEqual({ expected: 3, compared: 2, missing: 1, extra: 0 });
    expect(result.worst).toEqual([]);
    const part = compareTables(expected, predicted, columns, { ...byPlace, range: { start: 0, end: 1 } }, TOLERANCES);
    expect(part.rows.expected).toBe(1);
  });

  it("with another label count once, whatever else differs", () => {
    const expected = table([
      [1, "a", 0],
      [2, "a", 0],
    ]);
    const predicted = table([
      [1, "b", 5],
      [2, "b", 0],
    ]);
    const result = compareTables(expected, predicted, columns, byKey, TOLERANCES);
    expect(result.label_mismatches).toBe(2);
    expect(result.worst.map(({ column }) => column)).toEqual(["p", "label", "label"]);
  });

  it("a key that stands twice is refused with both rows", () => {
    const twice = table([
      [1, "a", 0],
      [1, "b", 0],
    ]);
    expect(() => compareTables(twice, twice, columns, byKey, TOLERANCES)).toThrow(
      expect.objectContaining({ code: "BP_CONFIG", details: expect.objectContaining({ actual: "rows 0 and 1" }) }),
    );
  });

  it("the ten worst are shown, worst first", () => {
    const expected = table(Array.from({ length: 50 }, (_, row) => [row, "a", 0]));
    const predicted = table(Array.from({ length: 50 }, (_, row) => [row, "a", (row * 7) % 50]));
    const { worst } = compareTables(expected, predicted, columns, byKey, TOLERANCES);
    expect(worst.map(({ difference }) => difference)).toEqual([49, 48, 47, 46, 45, 44, 43, 42, 41, 40]);
  });
});
