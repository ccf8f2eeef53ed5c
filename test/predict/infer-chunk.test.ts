/** Batching and bisecting against the obvious: row r is predicted as 3r unless it is poisoned. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import { type InferOptions, type Inferred, inferChunk, type Runner } from "../../src/predict/infer-chunk.ts";
import { countedRows, feedBuilder, SumRunner } from "./made-chunk.ts";

const OUTPUTS: InferOptions["outputs"] = [
  { output: "sum", type: "float64", rowSize: 1 },
  { output: "pair", type: "float64", rowSize: 2 },
];

function infer(runner: Runner, rows: number, given: Partial<InferOptions>): Promise<Inferred> {
  return inferChunk(runner, feedBuilder(), countedRows(rows), {
    outputs: OUTPUTS,
    batchSize: 8,
    fixedBatch: null,
    onError: "reject",
    maxExtraRuns: 100_000,
    ...given,
  });
}

const failure = (promise: Promise<unknown>): Promise<BatchPredictError> =>
  promise.then(
    () => expect.fail("nothing was thrown"),
    (error: unknown) => {
      expect(error).toBeInstanceOf(BatchPredictError);
      return error as BatchPredictError;
    },
  );

const work = fc.integer({ min: 0, max: 200 }).chain((rows) =>
  fc.record({
    rows: fc.constant(rows),
    batchSize: fc.integer({ min: 1, max: 64 }),
    fixedBatch: fc.option(fc.integer({ min: 1, max: 16 })),
    poisoned: rows === 0 ? fc.constant([]) : fc.uniqueArray(fc.nat(rows - 1), { maxLength: 12 }),
  }),
);

describe("a chunk", () => {
  it("loses exactly its poisoned rows, in order, whatever the batches; the others have their own predictions", async () => {
    await fc.assert(
      fc.asyncProperty(work, async ({ rows, batchSize, fixedBatch, poisoned }) => {
        const runner = new SumRunner(poisoned);
        const { outputs, failed } = await infer(runner, rows, { batchSize, fixedBatch });
        expect(failed.map(({ row }) => row)).toEqual([...poisoned].sort((a, b) => a - b));
        const bad = new Set(poisoned);
        expect(outputs[0]).toHaveLength(rows);
        expect(outputs[1]).toHaveLength(2 * rows);
        for (let row = 0; row < rows; row++) {
          expect(outputs[0]![row]).toBe(bad.has(row) ? 0 : 3 * row);
          expect([outputs[1]![2 * row], outputs[1]![2 * row + 1]]).toEqual(bad.has(row) ? [0, 0] : [3 * row, row]);
        }
        const batch = fixedBatch ?? batchSize;
        const batches = Math.ceil(rows / batch);
        expect(runner.calls.length).toBeLessThanOrEqual(batches + 2 * poisoned.length * Math.ceil(Math.log2(batch)));
        for (const call of runner.calls) {
          if (fixedBatch === null) expect(call.length).toBeLessThanOrEqual(batchSize);
          else expect(call.length).toBe(fixedBatch);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("without bad rows costs one call per batch, and none without rows", async () => {
    const runner = new SumRunner();
    await infer(runner, 100, { batchSize: 32 });
    expect(runner.calls.map((call) => call.length)).toEqual([32, 32, 32, 4]);
    const idle = new SumRunner();
    expect(await infer(idle, 0, {})).toMatchObject({ failed: [] });
    expect(idle.calls).toEqual([]);
  });

  it("under --on-error fail ends at its first bad row, with every row before it predicted", async () => {
    await fc.assert(
      fc.asyncProperty(work, async ({ rows, batchSize, fixedBatch, poisoned }) => {
        fc.pre(poisoned.length > 0);
        const first = Math.min(...poisoned);
        const { outputs, failed } = await infer(new SumRunner(poisoned), rows, { batchSize, fixedBatch, onError: "fail" });
        expect(failed.map(({ row }) => row)).toEqual([first]);
        for (let row = 0; row < first; row++) expect(outputs[0]![row]).toBe(3 * row);
      }),
      { numRuns: 100 },
    );
  });

  it("says why a row failed in the runtime's words", async () => {
    const { failed } = await infer(new SumRunner([5]), 10, {});
    expect(failed[0]!.reject).toEqual({
      code: "BP_INFERENCE",
      message: "the model cannot predict this row",
      actual: "row 5 is poisoned",
      hints: ["put bad rows aside with --on-error reject, or mend the row"],
    });
  });

  it("whose batch fails as a whole but not in halves is predicted: nobody's row is to blame", async () => {
    const inner = new SumRunner();
    const tooLarge: Runner = {
      run: (feeds, outputs) => (feeds.x!.dims[0]! > 4 ? Promise.reject(new Error("out of memory")) : inner.run(feeds, outputs)),
    };
    const { outputs, failed } = await infer(tooLarge, 8, {});
    expect(failed).toEqual([]);
    expect([...outputs[0]!]).toEqual([0, 3, 6, 9, 12, 15, 18, 21]);
  });

  describe("whose poisoned rows fail only in company, and give a meaningless number alone", () => {
    const inCompany = (bad: number, rows: number): boolean => bad > 0 && bad < rows;
    const neighbourless = fc.array(fc.boolean(), { maxLength: 80 }).map((flags) => {
      const poisoned = flags.flatMap((flag, row) => (flag ? [2 * row] : []));
      return { poisoned, rows: 2 * flags.length };
    });

    it("loses exactly these rows, too", async () => {
      await fc.assert(
        fc.asyncProperty(
          neighbourless,
          fc.integer({ min: 2, max: 32 }),
          fc.boolean(),
          async ({ poisoned, rows }, batch, fixed) => {
            // Behind them stands a batch without a poisoned row: it shows that company as such is no reason to fail.
            const all = Math.ceil(rows / batch) * batch + batch;
            const given = { batchSize: batch, fixedBatch: fixed ? batch : null };
            const { outputs, failed } = await infer(new SumRunner(poisoned, inCompany), all, given);
            expect(failed.map(({ row }) => row)).toEqual(poisoned);
            for (const { reject } of failed) expect(reject.actual).toMatch(/^row \d+ is poisoned$/);
            for (let row = 0; row < all; row++) if (!poisoned.includes(row)) expect(outputs[0]![row]).toBe(3 * row);
            const [first] = poisoned;
            if (first === undefined) return;
            const failing = await infer(new SumRunner(poisoned, inCompany), all, { ...given, onError: "fail" });
            expect(failing.failed.map(({ row }) => row)).toEqual([first]);
          },
        ),
        { numRuns: 100 },
      );
    });

    it("blames nobody where every run of more than one row fails", async () => {
      const { failed, outputs } = await infer(new SumRunner([], (_bad, rows) => rows > 1), 8, {});
      expect(failed).toEqual([]);
      expect([...outputs[0]!]).toEqual([0, 3, 6, 9, 12, 15, 18, 21]);
    });
  });

  it("that fails everywhere is given up after a bounded number of calls", async () => {
    const runner = new SumRunner(Array.from({ length: 200 }, (_, row) => row));
    const error = await failure(infer(runner, 200, { batchSize: 64, maxExtraRuns: 50 }));
    expect(error.code).toBe("BP_INFERENCE");
    expect(error.message).toBe("inference fails on too many rows to tell them apart");
    expect(error.details.actual).toMatch(/^\d+ failing rows after 50 extra calls in one chunk; the last: row \d+ is poisoned$/);
    expect(runner.calls.length).toBeLessThanOrEqual(52);
  });
});

describe("a model whose answer changes its shape", () => {
  const answering = (dims: number[], length: number): Runner => ({
    run: async () => ({ sum: { type: "float64", dims, data: new Float64Array(length) } }),
  });
  const sumOnly = { outputs: [OUTPUTS[0]!] };

  it.each([
    ["fewer rows", [7], 7],
    ["more rows", [9], 9],
    ["wider rows", [8, 2], 16],
    ["no row axis", [], 1],
    ["another rank with as many values", [4, 2], 8],
  ])("is stopped: %s", async (_what, dims, length) => {
    const error = await failure(infer(answering(dims, length), 8, sumOnly));
    expect(error.code).toBe("BP_MODEL_ROWS");
    expect(error.message).toBe('model output "sum" changed its shape from one batch to another');
    expect(error.details).toMatchObject({ expected: "8 rows of 1 values", actual: `shape [${dims.join(", ")}]` });
    expect(error.details.hints).toHaveLength(1);
  });

  it("is stopped when an output is missing", async () => {
    const error = await failure(infer({ run: async () => ({}) }, 8, sumOnly));
    expect(error.details.actual).toBe("no such output");
  });

  it("may add axes of one", async () => {
    const { outputs } = await infer(answering([8, 1], 8), 8, sumOnly);
    expect(outputs[0]).toHaveLength(8);
  });
});
