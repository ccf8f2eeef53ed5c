/**
 * Ten million rows of twenty columns under `--memory-limit 350MB`, from every kind of file: resident memory, as the kernel counts it, stays
 * below the limit, the run says so, and every row is predicted. A limit that cannot be met is refused with the smallest one that can,
 * and that one is then kept over all ten million rows.
 */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunSummary } from "../../src/core/events.ts";
import { batchpredict, type Finished, type Workdir, workdir } from "../cli/batchpredict.ts";
import { linearModel } from "../onnx-builder.ts";
import { expectEveryRow } from "./every-row.ts";
import { writeArrowFile, writeParquetFile } from "./made-files.ts";
import { BIAS, WEIGHTS, writeRows } from "./made-rows.ts";

const ROWS = Number(process.env.BATCHPREDICT_LONG_ROWS ?? 10_000_000);
const LIMIT_MB = 350;
const TOO_LOW_MB = 100;
const LOOK_EVERY_MS = 50;

const INPUTS: [name: string, make: (file: string, rows: number) => Promise<void>][] = [
  ["rows.csv", writeRows],
  ["rows.arrow", writeArrowFile],
  ["rows.parquet", writeParquetFile],
];

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
  writeFileSync(dir.file("linear.onnx"), linearModel({ weights: WEIGHTS, bias: BIAS }));
});
afterAll(() => dir.remove());

interface Watched {
  finished: Finished;
  /** VmHWM of the process, looked at until it ended: the kernel's own high-water mark, which the run cannot talk down. */
  peakBytes: number;
}

async function score(input: string, output: string, limitMb: number): Promise<Watched> {
  let peakBytes = 0;
  let timer: NodeJS.Timeout | null = null;
  const args = ["run", "-m", "linear.onnx", "-i", input, "--features", "f00..f19", "--keep", "id", "-o", output, "--json"];
  const finished = await batchpredict([...args, "--if-exists", "replace", "--memory-limit", `${limitMb}MB`], {
    cwd: dir.path,
    onStart({ pid }) {
      timer = setInterval(() => {
        const kib = /^VmHWM:\s+(\d+) kB$/m.exec(statusOf(pid!))?.[1];
        peakBytes = Math.max(peakBytes, Number(kib ?? 0) * 1024);
      }, LOOK_EVERY_MS);
    },
  });
  clearInterval(timer!);
  return { finished, peakBytes };
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "latin1");
  } catch {
    return "";
  }
}

function expectKept({ finished, peakBytes }: Watched, limitMb: number): RunSummary {
  expect({ code: finished.code, said: finished.code === 0 ? "" : finished.stderr }).toEqual({ code: 0, said: "" });
  const summary = finished.json<RunSummary>();
  const { memory, seconds, workers, warnings, peak_memory_bytes } = summary;
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  console.log(
    `${finished.stderr
      .split("\n")
      .find((line) => line.includes("limit"))
      ?.trim()}; VmHWM ${mb(peakBytes)}, ${seconds.toFixed(1)} s, ${workers} workers`,
  );
  expect(summary.rows).toEqual({ read: ROWS, predicted: ROWS, rejected: 0 });
  expect(peakBytes).toBeGreaterThan(50e6);
  expect(peakBytes).toBeLessThan(limitMb * 1e6);
  expect(peak_memory_bytes).toBeLessThan(limitMb * 1e6);
  expect(memory).toMatchObject({ limit_bytes: limitMb * 1e6, limit_origin: "flag --memory-limit" });
  expect(memory!.planned_bytes).toBeLessThanOrEqual(limitMb * 1e6);
  expect(warnings).toEqual([]);
  return summary;
}

describe.runIf(process.platform === "linux").each(INPUTS)(`${ROWS} rows of 20 columns in %s`, (input, make) => {
  beforeAll(async () => {
    await make(dir.file(input), ROWS);
    console.log(`${input}: ${(statSync(dir.file(input)).size / 1e6).toFixed(0)} MB`);
  });
  afterAll(() => rm(dir.file(input)));

  it(`are predicted in less than ${LIMIT_MB} MB, and the summary says so`, async () => {
    expectKept(await score(input, "scores.parquet", LIMIT_MB), LIMIT_MB);
    await expectEveryRow(dir.file("scores.parquet"), ROWS);
  });

  it(`are refused ${TOO_LOW_MB} MB with the smallest limit that can be met, which is then kept`, async () => {
    const { finished } = await score(input, "never.parquet", TOO_LOW_MB);
    expect(finished.code).toBe(2);
    const { error } = finished.json<{ error: { code: string; expected: string; hints: string[] } }>();
    expect(error.code).toBe("BP_MEMORY_LIMIT");
    const smallest = Number(/^a limit of at least (\d+) MB$/.exec(error.expected)?.[1]);
    expect(error.hints[0]).toContain(`--memory-limit ${smallest}MB`);
    expect(smallest).toBeLessThan(LIMIT_MB);
    const below = await score(input, "never.parquet", smallest - 1);
    expect(below.finished.code).toBe(2);
    expectKept(await score(input, "smallest.parquet", smallest), smallest);
    await expectEveryRow(dir.file("smallest.parquet"), ROWS);
  });
});
