import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { RejectedRow } from "../../src/core/sink.ts";
import { accountingOf, chunk, reject, result } from "./made-results.ts";

function refused(act: () => unknown): BatchPredictError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(BatchPredictError);
    return error as BatchPredictError;
  }
  return expect.fail("nothing was thrown");
}

describe("positions", () => {
  it("run on over chunks; lines begin anew in each file, rows do not", () => {
    const accounting = accountingOf();
    // The first chunk of a file counts the line of its header, and its rows stand one line lower.
    const first = result(0, 10, [3], { lines: 11, rejects: [reject(3, { lineInChunk: 4 })] });
    expect(accounting.accept(chunk(0), first).rejects).toMatchObject([{ row: 3, line: 5, byte: 30 }]);
    expect(accounting.accept(chunk(1), result(1, 10, [0])).rejects).toMatchObject([{ row: 10, line: 12 }]);
    const nextFile = result(2, 5, [2], { lines: 6, rejects: [reject(2, { lineInChunk: 3 })] });
    expect(accounting.accept(chunk(2, 1), nextFile).rejects).toMatchObject([{ row: 22, line: 4 }]);
    expect(accounting.totals).toEqual({ read: 25, predicted: 22, rejected: 3, bytes: 300 });
  });

  it("move on over chunks of other shards without counting them", () => {
    const accounting = accountingOf();
    accounting.skip(chunk(0), 7, 9);
    const accepted = accounting.accept(chunk(1), result(1, 5, [1]));
    expect(accepted).toMatchObject({ rowBase: 7, rejects: [{ row: 8, line: 11 }] });
    expect(accounting.totals).toMatchObject({ read: 5, predicted: 4, rejected: 1 });
  });

  it("have no line where the format has none", () => {
    const accounting = accountingOf();
    const parquet = result(0, 3, [1], { lines: 0, rejects: [reject(1, { lineInChunk: null, byte: null })] });
    expect(accounting.accept({ kind: "rows", index: 0, file: 0, unit: 0, rowStart: 0, rowEnd: 3 }, parquet).rejects).toEqual<
      RejectedRow[]
    >([
      {
        row: 1,
        line: null,
        byte: null,
        column: "age",
        code: "BP_SOURCE_CELL",
        message: 'cannot read "x" as float32 for model input "age"',
        raw: "raw 1",
      },
    ]);
  });

  it("carry the actual value into the reject's message", () => {
    const failing = result(0, 1, [0], {
      rejects: [reject(0, { message: "the model cannot predict this row", actual: "Concat" })],
    });
    expect(accountingOf().accept(chunk(0), failing).rejects[0]!.message).toBe("the model cannot predict this row (Concat)");
  });
});

const made = fc.record({
  chunks: fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.array(fc.nat(11), { maxLength: 5 }), fc.boolean()), {
    minLength: 1,
    maxLength: 8,
  }),
  start: fc.option(fc.nat(40)),
  length: fc.integer({ min: 1, max: 40 }),
  limit: fc.option(fc.nat(40)),
});

describe("--limit and --where-rows", () => {
  it("cut any chunks to exactly the wanted rows, predicted and rejected", () => {
    fc.assert(
      fc.property(made, ({ chunks, start, length, limit }) => {
        const whereRows = start === null ? null : { start, end: start + length };
        const accounting = accountingOf({ limit, whereRows });
        const predicted: number[] = [];
        const rejected: number[] = [];
        let base = 0;
        let complete = false;
        const all: { row: number; bad: boolean }[] = [];
        for (const [index, [rows, marks, skipped]] of chunks.entries()) {
          const bad = [...new Set(marks.filter((mark) => mark < rows))].sort((a, b) => a - b);
          if (skipped) accounting.skip(chunk(index), rows, rows);
          else {
            for (let row = 0; row < rows; row++) all.push({ row: base + row, bad: bad.includes(row) });
            const its = result(index, rows, bad);
            const accepted = accounting.accept(chunk(index), its);
            expect(accepted.rowBase).toBe(base);
            for (let at = accepted.rowStart; at < accepted.rowEnd; at++) predicted.push(base + (its.sourceRows?.[at] ?? at));
            rejected.push(...accepted.rejects.map((one) => one.row));
            complete = accepted.complete;
          }
          base += rows;
        }
        const from = start ?? 0;
        const to = Math.min(whereRows?.end ?? Number.POSITIVE_INFINITY, from + (limit ?? Number.POSITIVE_INFINITY));
        const wanted = all.filter(({ row }) => row >= from && row < to);
        expect(predicted).toEqual(wanted.filter(({ bad }) => !bad).map(({ row }) => row));
        expect(rejected).toEqual(wanted.filter(({ bad }) => bad).map(({ row }) => row));
        expect(accounting.totals).toMatchObject({
          read: wanted.length,
          predicted: predicted.length,
          rejected: rejected.length,
        });
        if (complete) expect(base).toBeGreaterThanOrEqual(to);
      }),
      { numRuns: 300 },
    );
  });

  it("say when no later chunk can hold wanted rows", () => {
    const accounting = accountingOf({ limit: 10 });
    expect(accounting.accept(chunk(0), result(0, 6)).complete).toBe(false);
    expect(accounting.accept(chunk(1), result(1, 4)).complete).toBe(true);
    expect(accountingOf({ limit: 0 }).accept(chunk(0), result(0, 6))).toMatchObject({ rowStart: 0, rowEnd: 0, complete: true });
  });

  it("do not let a bad row outside of them fail the run", () => {
    const accounting = accountingOf({ onError: "fail", whereRows: { start: 4, end: 8 } });
    expect(accounting.accept(chunk(0), result(0, 10, [2, 9]))).toMatchObject({ rowStart: 3, rowEnd: 7, rejects: [] });
    expect(accounting.totals).toMatchObject({ read: 4, predicted: 4, rejected: 0 });
  });
});

describe("--on-error fail", () => {
  it("throws the chunk's first bad row with its place, and exit code 1", () => {
    const accounting = accountingOf({ onError: "fail" });
    accounting.accept(chunk(0), result(0, 10));
    const error = refused(() => accounting.accept(chunk(1), result(1, 10, [4, 7])));
    expect(error.code).toBe("BP_SOURCE_CELL");
    expect(error.message).toBe('cannot read "x" as float32 for model input "age"');
    expect(error.details).toEqual({
      where: { file: "/data/a.csv", row: 14, line: 15, byte: 40, column: "age", columnIndex: 3 },
      hints: ["put bad rows aside with --on-error reject"],
      exitCode: 1,
    });
  });

  it("passes on what the row's own error knows better", () => {
    const own = { expected: "a number", actual: '"x"', hints: ['add "x" to --null-values'] };
    const error = refused(() =>
      accountingOf({ onError: "fail" }).accept(chunk(0), result(0, 1, [0], { rejects: [reject(0, own)] })),
    );
    expect(error.details).toMatchObject(own);
  });
});

describe("a budget of rejects", () => {
  it("of rows ends the run with the first reject over it", () => {
    const accounting = accountingOf({ maxRejects: { rows: 2 } });
    accounting.accept(chunk(0), result(0, 10, [1, 2]));
    const error = refused(() => accounting.accept(chunk(1), result(1, 10, [5])));
    expect(error.code).toBe("BP_TOO_MANY_REJECTS");
    expect(error.message).toBe("3 of 20 rows were rejected, more than --max-rejects 2 allows");
    expect(error.details).toMatchObject({ expected: "at most 2 rows", exitCode: 3 });
    expect(error.details.hints?.join(" ")).toContain("raise --max-rejects");
  });

  it("tells what was rejected most, the first rows with their places, and knows both over a death of the process", () => {
    const wide = (row: number) => reject(row, { column: "age" });
    const short = (row: number) => reject(row, { column: null, code: "BP_SOURCE_RECORD" });
    const before = accountingOf({ maxRejects: { rows: 3 } });
    before.accept(chunk(0), result(0, 10, [1, 2], { rejects: [short(1), wide(2)] }));
    const accounting = accountingOf({ maxRejects: { rows: 3 } });
    accounting.restore(before.checkpoint(chunk(0), 0));
    const { details } = refused(() =>
      accounting.accept(chunk(1), result(1, 10, [3, 4, 5, 6], { rejects: [3, 4, 5, 6].map(wide) })),
    );
    expect(details.actual).toBe('6 rows (30.0%), most often BP_SOURCE_CELL in "age" (5 rows), BP_SOURCE_RECORD (1 row)');
    expect(details.problems?.map(({ where }) => where?.row)).toEqual([13, 14, 15]);
    expect(refused(() => accountingOf({ maxRejects: { rows: 1 } }).accept(chunk(0), result(0, 9, [1, 2]))).details.expected).toBe(
      "at most 1 row",
    );
  });

  it("of no row at all holds", () => {
    expect(refused(() => accountingOf({ maxRejects: { rows: 0 } }).accept(chunk(0), result(0, 10, [1]))).code).toBe(
      "BP_TOO_MANY_REJECTS",
    );
  });

  it("in percent is judged on the first thousand rows, not on the first three", () => {
    const accounting = accountingOf({ maxRejects: { percent: 10 } });
    accounting.accept(chunk(0), result(0, 3, [0, 1]));
    const bad = Array.from({ length: 110 }, (_, row) => row);
    const error = refused(() => accounting.accept(chunk(1), result(1, 1000, bad)));
    expect(error.message).toBe("112 of 1003 rows were rejected, more than --max-rejects 10% allows");
    expect(error.details.expected).toBe("at most 10%");
  });

  it("in percent is judged once more at the end, whatever the number of rows", () => {
    const accounting = accountingOf({ maxRejects: { percent: 50 } });
    accounting.accept(chunk(0), result(0, 3, [0, 1]));
    expect(refused(() => accounting.finish()).code).toBe("BP_TOO_MANY_REJECTS");
    const exact = accountingOf({ maxRejects: { percent: 50 } });
    exact.accept(chunk(0), result(0, 4, [0, 1]));
    exact.finish();
  });

  it("is not there by default", () => {
    const accounting = accountingOf();
    accounting.accept(
      chunk(0),
      result(
        0,
        2000,
        Array.from({ length: 2000 }, (_, row) => row),
      ),
    );
    accounting.finish();
    expect(accounting.totals).toMatchObject({ read: 2000, predicted: 0, rejected: 2000 });
  });
});

describe("rows that are lost", () => {
  it.each([
    ["a row neither predicted nor rejected", result(0, 10, [], { rows: 9 }), "9 predicted and 0 rejected"],
    ["a reject too few", result(0, 10, [2, 3], { rejects: [reject(2)] }), "8 predicted and 1 rejected"],
    ["a row both predicted and rejected", result(0, 10, [], { rejects: [reject(2)] }), "10 predicted and 1 rejected"],
  ])("are a failed run, whoever lost them: %s", (_what, lossy, actual) => {
    const error = refused(() => accountingOf().accept(chunk(0), lossy));
    expect(error.code).toBe("BP_ACCOUNTING");
    expect(error.details).toMatchObject({ where: { file: "/data/a.csv", row: 0 }, expected: "10 rows of chunk 0", actual });
  });
});

describe("warnings", () => {
  it("add up over chunks, per column and kind", () => {
    const accounting = accountingOf();
    const count = (column: string, kind: "missing" | "overflow" | "inexact", count: number) => ({ column, kind, count });
    accounting.accept(chunk(0), result(0, 1, [], { counts: [count("a", "missing", 1), count("b", "overflow", 1)] }));
    accounting.accept(chunk(1), result(1, 1, [], { counts: [count("a", "missing", 2), count("a", "inexact", 5)] }));
    expect(accounting.warnings()).toEqual([
      'column "a": 3 missing values filled as --missing says',
      'column "b": 1 number beyond the model\'s type became infinite',
      'column "a": 5 integers too large to be exact in the model\'s float type',
    ]);
  });
});
