/** Two and ten million rows: all there, in order, and memory that does not grow with them. */
import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunSummary } from "../../src/core/events.ts";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { linearModel } from "../onnx-builder.ts";
import { expectEveryRow, expectRow } from "./every-row.ts";
import { BIAS, WEIGHTS, writeRows } from "./made-rows.ts";

const ROWS = Number(process.env.BATCHPREDICT_LONG_ROWS ?? 2_000_000);
/** Of the memory test's second run. */
const TIMES = 5;
const MAX_PEAK_BYTES = 450e6;
/**
 * Garbage of three threads comes and goes by ten megabytes each, and over five times as long their peaks meet more often. It is a bound: 50 million rows
 * took 259 MB where 10 million took 243 and 2 million 219.
 */
const MAX_GROWTH = 1.15;

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
  writeFileSync(dir.file("linear.onnx"), linearModel({ weights: WEIGHTS, bias: BIAS }));
});
afterAll(() => dir.remove());

async function score(input: string, output: string): Promise<RunSummary> {
  const args = ["run", "-m", "linear.onnx", "-i", input, "--features", "f00..f19", "-o", output, "--json", "--quiet"];
  const finished = await batchpredict(args, { cwd: dir.path });
  expect(finished.stderr).not.toContain("error BP_");
  expect(finished.code).toBe(0);
  const summary = finished.json<RunSummary>();
  const { seconds, rows_per_second, peak_memory_bytes, workers } = summary;
  console.log(
    `${output}: ${seconds.toFixed(1)} s, ${rows_per_second} rows/s, peak ${(peak_memory_bytes / 1e6).toFixed(0)} MB, ${workers} workers`,
  );
  return summary;
}

/** Without an `expect` per row, which would take longer than the run. */
describe(`${ROWS} rows of 20 columns`, () => {
  beforeAll(() => writeRows(dir.file("rows.csv"), ROWS));

  it("to Parquet: every row, in order, within the memory promised", async () => {
    const summary = await score("rows.csv", "scores.parquet");
    expect(summary.rows).toEqual({ read: ROWS, predicted: ROWS, rejected: 0 });
    await expectEveryRow(dir.file("scores.parquet"), ROWS);
    expect(summary.peak_memory_bytes).toBeLessThan(MAX_PEAK_BYTES);
  });

  it("to SQLite: every row, in order, within the memory promised", async () => {
    const summary = await score("rows.csv", "scores.db");
    expect(summary.rows).toEqual({ read: ROWS, predicted: ROWS, rejected: 0 });
    const db = new Database(dir.file("scores.db"), { readonly: true });
    try {
      let row = 0;
      for (const read of db.prepare("SELECT id, y FROM predictions ORDER BY rowid").iterate()) {
        const { id, y } = read as { id: number; y: number };
        expectRow(id, y, row++);
      }
      expect(row).toBe(ROWS);
      expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
    } finally {
      db.close();
    }
    expect(summary.peak_memory_bytes).toBeLessThan(MAX_PEAK_BYTES);
  });

  // Below a million rows the buffers are still filling up, and growth says nothing.
  it.skipIf(ROWS < 1_000_000)(`needs no more memory for ${TIMES} times the rows`, async () => {
    const small = await score("rows.csv", "small.parquet");
    await rm(dir.file("rows.csv"));
    await writeRows(dir.file("more.csv"), ROWS * TIMES);
    const large = await score("more.csv", "large.parquet");
    expect(large.rows).toEqual({ read: ROWS * TIMES, predicted: ROWS * TIMES, rejected: 0 });
    expect(large.peak_memory_bytes).toBeLessThan(small.peak_memory_bytes * MAX_GROWTH);
    expect(large.peak_memory_bytes).toBeLessThan(MAX_PEAK_BYTES);
  });
});
