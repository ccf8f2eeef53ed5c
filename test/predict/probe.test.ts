import { describe, expect, it } from "vitest";
import type { Feed } from "../../src/predict/feeds.ts";
import type { Runner } from "../../src/predict/infer-chunk.ts";
import { type Dependence, findDependence, probe, rowShapes } from "../../src/predict/probe.ts";
import { countedRows, feedBuilder, SumRunner } from "./made-chunk.ts";

const BOTH = ["sum", "pair"];

describe("the probe", () => {
  it("asks with three rows of the data and tells the shape of one", async () => {
    const runner = new SumRunner();
    const call = await probe(runner, feedBuilder(), countedRows(100), BOTH, null);
    expect(call.rows).toBe(3);
    expect(runner.calls).toEqual([[0, 1, 2]]);
    expect(rowShapes(call)).toEqual({
      sum: { type: "float64", rowShape: [] },
      pair: { type: "float64", rowShape: [2] },
    });
  });

  it("repeats a single row, because one row cannot show whether outputs follow the rows", async () => {
    const runner = new SumRunner();
    await probe(runner, feedBuilder(), countedRows(1), BOTH, null);
    expect(runner.calls).toEqual([[0, 0, 0]]);
  });

  it("fills a fixed batch", async () => {
    const runner = new SumRunner();
    expect((await probe(runner, feedBuilder(), countedRows(2), BOTH, 5)).rows).toBe(5);
    expect(runner.calls).toEqual([[0, 1, 1, 1, 1]]);
    const one = new SumRunner();
    await probe(one, feedBuilder(), countedRows(2), BOTH, 1);
    expect(one.calls).toEqual([[0]]);
  });

  it("falls back to zeros without data", async () => {
    for (const data of [null, countedRows(0)]) {
      const runner = new SumRunner();
      expect((await probe(runner, feedBuilder(), data, BOTH, null)).rows).toBe(3);
      expect(runner.calls).toEqual([[0, 0, 0]]);
    }
  });

  it("falls back to zeros when the first rows are bad: they are rejected later, with their position", async () => {
    const runner = new SumRunner([1]);
    expect((await probe(runner, feedBuilder(), countedRows(10), BOTH, null)).rows).toBe(3);
    expect(runner.calls).toEqual([
      [0, 1, 2],
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      [0, 0, 0],
    ]);
  });

  it("tries more rows for models that fail on few", async () => {
    const inner = new SumRunner();
    const wantsTen: Runner = {
      run: (feeds, outputs) => (feeds.x!.dims[0]! < 10 ? Promise.reject(new Error("k > rows")) : inner.run(feeds, outputs)),
    };
    expect(await probe(wantsTen, feedBuilder(), countedRows(50), BOTH, null)).toMatchObject({ rows: 50, real: true });
  });

  it("throws what the runtime says when nothing works", async () => {
    const broken: Runner = { run: () => Promise.reject(new Error("no kernel for this operator")) };
    await expect(probe(broken, feedBuilder(), countedRows(3), BOTH, null)).rejects.toThrow("no kernel for this operator");
  });
});

describe("whether a row's result is its own", () => {
  const perRow = new Set(["x"]);
  /** `y` [N] computed from the first elements of the rows. */
  const model = (compute: (rows: number[]) => (number | string)[]): Runner => ({
    run: async ({ x }): Promise<Record<string, Feed>> => {
      const rows = Array.from({ length: x!.dims[0]! }, (_, row) => (x!.data as Float64Array)[2 * row]!);
      const values = compute(rows);
      const texts = values.every((value) => typeof value === "string");
      return {
        y: {
          type: texts ? "string" : "float64",
          dims: [rows.length],
          data: texts ? values : Float64Array.from(values as number[]),
        },
      };
    },
  });
  const judged = async (runner: Runner, rows = 100): Promise<Dependence> =>
    findDependence(runner, await probe(runner, feedBuilder(), countedRows(rows), ["y"], null), perRow);

  it.each<[string, Dependence, (rows: number[]) => (number | string)[]]>([
    ["computed row by row", "rows", (rows) => rows.map((row) => row * 3)],
    ["a text per row", "rows", (rows) => rows.map((row) => `class ${row}`)],
    ["the same for every row", "rows", (rows) => rows.map(() => 1)],
    ["NaN for every row", "rows", (rows) => rows.map(() => Number.NaN)],
    ["a last bit of the position", "rows", (rows) => rows.map((row, at) => row * (1 + 1e-6 * at))],
    ["the position alone", "order", (rows) => rows.map((_, at) => at)],
    ["sorted over the batch", "order", (rows) => [...rows].sort((a, b) => a - b)],
    [
      "mixed over the batch, moving with its rows",
      "neighbours",
      (rows) => rows.map((row) => row + rows.reduce((a, b) => a + b, 0)),
    ],
    ["a running sum", "neighbours", (rows) => rows.map((_, at) => rows.slice(0, at + 1).reduce((a, b) => a + b, 0))],
  ])("%s: %s", async (_what, expected, compute) => {
    expect(await judged(model(compute))).toBe(expected);
  });

  it("is not judged where it cannot be told: equal rows, no data, a failing second call", async () => {
    const byPosition = model((rows) => rows.map((_, at) => at));
    expect(await findDependence(byPosition, await probe(byPosition, feedBuilder(), null, ["y"], null), perRow)).toBe("rows");
    let calls = 0;
    const once = model((rows) => {
      if (calls++ > 0) throw new Error("only once");
      return rows;
    });
    expect(await judged(once)).toBe("rows");
  });
});
