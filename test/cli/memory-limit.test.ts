/** A limit of memory: planned for, told, kept; or refused with one that can be kept. */
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { run, writeFlowers } from "./iris.ts";

interface Failed {
  error: { code: string; message: string; expected: string; actual: string; hints: string[] };
}

interface Summary {
  status: string;
  workers: number;
  peak_memory_bytes: number;
  memory: { limit_bytes: number; limit_origin: string; planned_bytes: number };
  warnings: string[];
}

let dir: Workdir;
let input: string;
beforeAll(() => {
  dir = workdir();
  input = writeFlowers(dir, "flowers.csv", 200_000, (_, record) => record);
});
afterAll(() => dir.remove());

describe.runIf(process.platform === "linux")("--memory-limit", () => {
  it("that cannot be kept is refused before the run with the smallest that can, which is then kept and told", async () => {
    const output = dir.file("smallest.parquet");
    const tooSmall = await batchpredict([...run(input, output), "--memory-limit", "50MB", "--json"]);
    expect(tooSmall.code).toBe(2);
    const { error } = tooSmall.json<Failed>();
    expect(error).toMatchObject({
      code: "BP_MEMORY_LIMIT",
      message: "this run cannot be kept under the memory limit of 50 MB",
      actual: "50 MB (flag --memory-limit)",
    });
    const smallest = Number(/^a limit of at least (\d+) MB$/.exec(error.expected)?.[1]);
    expect(error.hints[0]).toBe(`raise the limit: --memory-limit ${smallest}MB (job file: memoryLimit)`);

    // Whoever starts a run may hold more than its limit: that is not the run's.
    const held = Buffer.alloc(3 * smallest * 1e6, 1);
    const kept = await batchpredict([...run(input, output), "--memory-limit", `${smallest}MB`, "--json"]);
    expect(held[smallest]).toBe(1);
    const summary = kept.json<Summary>();
    expect(summary).toMatchObject({
      status: "succeeded",
      rows: { predicted: 200_000 },
      workers: 1,
      memory: { limit_bytes: smallest * 1e6, limit_origin: "flag --memory-limit" },
      warnings: [],
    });
    expect(summary.memory.planned_bytes).toBeLessThanOrEqual(smallest * 1e6);
    expect(summary.peak_memory_bytes).toBeLessThanOrEqual(smallest * 1e6);
  });

  it("stands in the plan with its origin, and in the summary with what was planned and taken", async () => {
    const output = dir.file("told.parquet");
    const env = { BATCHPREDICT_MEMORY_LIMIT: "350MB" };
    const plan = await batchpredict(["plan", ...run(input, output).slice(1), "--json"], { env });
    expect(plan.json()).toMatchObject({
      memory_limit_bytes: 350e6,
      origin: { memoryLimitBytes: "environment BATCHPREDICT_MEMORY_LIMIT" },
    });
    expect(plan.json<{ memory_estimate_bytes: number }>().memory_estimate_bytes).toBeLessThanOrEqual(350e6);
    const { code, stderr } = await batchpredict(run(input, output), { env });
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /\n {2}memory {2}\d+ MB at the peak, \d+ MB planned, limit 350 MB \(environment BATCHPREDICT_MEMORY_LIMIT\)\n/,
    );
  });

  it("may stand in a job file, and a text that is no size is refused with its line", async () => {
    const job = (limit: string): string =>
      `version: 1\nmodel: {path: m.onnx}\ninput: {path: a.csv}\noutput: {path: o.parquet}\nmemoryLimit: ${limit}\n`;
    writeFileSync(dir.file("bad.yaml"), job("much"));
    const { code, stderr } = await batchpredict(["run", dir.file("bad.yaml")]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/BP_JOB_FILE: memoryLimit: "much" is no size/);
    expect(stderr).toContain("bad.yaml line 5\n");
  });
});
