/**
 * What a death costs: rows that had been taken from the workers and are in no committed unit. Counted at every moment of runs over chunks of
 * any length that planning gives, with a sink so slow that everything waits for it: never a tenth of two million.
 */
import { expect, it } from "vitest";
import type { BindingPlan } from "../../src/core/binding-plan.ts";
import { ChunkSequence } from "../../src/run/chunk-sequence.ts";
import { execute } from "../../src/run/executor.ts";
import { sizeRun } from "../../src/run/machine.ts";
import { COMMIT_ROWS } from "../../src/run/memory-plan.ts";
import { accountingOf, chunk, result } from "./made-results.ts";

const TENTH = 200_000;
const AUTO = { batchSize: "auto", workers: "auto", threads: "auto", chunkBytes: "auto", shard: null } as const;

async function mostAtStake(chunkRows: number): Promise<number> {
  const chunks = Math.ceil(800_000 / chunkRows);
  let taken = 0;
  let pending = 0;
  let committed = 0;
  let most = 0;
  let queue = Promise.resolve();
  const write = (rows: number): Promise<void> => {
    taken += rows;
    most = Math.max(most, taken - committed);
    queue = queue.then(async () => {
      await new Promise(setImmediate);
      pending += rows;
      if (pending < COMMIT_ROWS) return;
      committed += pending;
      pending = 0;
    });
    return queue;
  };
  await execute({
    chunks: (async function* () {
      for (let index = 0; index < chunks; index++) yield chunk(index);
    })(),
    predict: async ({ index }) => result(index, chunkRows),
    recut: () => expect.fail("no chunk was cut wrongly"),
    count: () => expect.fail("no chunk is another shard's"),
    maxInFlight: 6,
    write: ({ rows }) => write(rows),
    accounting: accountingOf(),
    sequence: new ChunkSequence([{ path: "a.csv", sizeBytes: null }]),
    rowColumn: null,
    shard: null,
    signal: new AbortController().signal,
    host: { nowMs: () => 0 },
    onAdvance: () => {},
  });
  expect(taken).toBe(chunks * chunkRows);
  return most;
}

// 6,800: text of 20 columns. 49,151: two make a unit, just not. 65,536: a record batch of narrow rows that stays whole.
it.each([700, 6_800, 10_923, 16_385, 32_768, 49_151, 50_000, 60_000, 65_536])(
  "is less than 200,000 rows with chunks of %d",
  async (chunkRows) => {
    const most = await mostAtStake(chunkRows);
    expect(most).toBeGreaterThanOrEqual(COMMIT_ROWS);
    expect(most).toBeLessThan(TENTH);
  },
);

it.each(["csv", "jsonl", "arrow", "arrow-stream"] as const)("chunks of %s, however narrow its rows, are no longer", (format) => {
  const rows = 2_000_000;
  for (const rowBytes of [2, 4, 16, 30, 155, 1000]) {
    const source = { format, bytes: rows * rowBytes, rows: null, rowsEstimate: rows, columns: [] };
    const plan: BindingPlan = { inputs: [], constants: [], keep: [], onError: "fail" };
    const { chunkBytes } = sizeRun(AUTO, {}, { modelBytes: 1, fixedBatch: null, plan, source, cores: 2 });
    expect(chunkBytes / rowBytes).toBeLessThanOrEqual(60_000);
    // Rows as wide as usual are not touched.
    if (rowBytes === 155) expect(chunkBytes).toBe(format === "csv" || format === "jsonl" ? 6 << 20 : 8 << 20);
  }
});
