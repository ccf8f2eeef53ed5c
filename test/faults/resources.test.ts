/** What a run holds of the machine while it works: threads and file handles as the plan says, whatever the number of files and chunks. */
import fs from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { run, writeFlowers } from "../cli/iris.ts";
import { CAN_FREEZE, freeze } from "./frozen.ts";

const FILES = 12;
const ROWS = 600;

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
  fs.mkdirSync(dir.file("in"));
  for (let file = 0; file < FILES; file++) writeFlowers(dir, `in/part-${file}.csv`, ROWS, (_, record) => record);
});
afterAll(() => dir.remove());

interface Held {
  threads: number;
  handles: number;
  inputs: number;
  outputs: number;
}

const args = (output: string, workers: number, threads: number): string[] => [
  ...run("in/*.csv", output, "--chunk-bytes", "8KiB", "--quiet"),
  ...["--workers", String(workers), "--threads", String(threads), "--on-error", "reject"],
];

/** At the n-th chunk that was taken from the workers, with everything at a standstill. */
async function heldAt(chunk: number, workers: number, threads: number): Promise<Held> {
  const output = `out-${chunk}-${workers}-${threads}.csv`;
  const frozen = await freeze(dir.path, args(output, workers, threads), `chunk-accounted:${chunk}`);
  const proc = `/proc/${frozen.pid}`;
  const links = fs.readdirSync(`${proc}/fd`).map((fd) => fs.readlinkSync(`${proc}/fd/${fd}`));
  const held = {
    threads: fs.readdirSync(`${proc}/task`).length,
    handles: links.length,
    inputs: links.filter((link) => link.startsWith(dir.file("in"))).length,
    outputs: links.filter((link) => link.startsWith(dir.path) && link.includes(output)).length,
  };
  const done = await frozen.thaw();
  expect(done.code, done.stderr).toBe(0);
  return held;
}

async function planned(workers: number, threads: number): Promise<{ workers: number; threads: number }> {
  const { stdout } = await batchpredict(["plan", ...args("never.csv", workers, threads).slice(1), "--json"], { cwd: dir.path });
  return JSON.parse(stdout) as { workers: number; threads: number };
}

describe.skipIf(!CAN_FREEZE)("a run at work", () => {
  it("has the threads and file handles of its plan, early and late", async () => {
    const early = await heldAt(2, 1, 1);
    // Node's own, the same whatever is planned: main, garbage, file system, signals.
    const own = early.threads - 2;
    expect(own).toBeLessThanOrEqual(16);
    for (const [workers, threads] of [
      [3, 1],
      [2, 2],
    ] as const) {
      const plan = await planned(workers, threads);
      const late = await heldAt(20, workers, threads);
      // Those of each worker's session, and the sink's.
      expect(late.threads - own).toBe(plan.workers * plan.threads + 1);
      // Each worker has the file it reads, the main thread the one it cuts; predictions, rejects, journal.
      expect(late.inputs).toBeLessThanOrEqual(plan.workers + 1);
      expect(late.outputs).toBeLessThanOrEqual(3);
      const perWorker = (late.handles - late.inputs - (early.handles - early.inputs)) / (workers - 1);
      // What Node needs to wake a thread.
      expect(perWorker).toBeLessThanOrEqual(6);
    }
    const late = await heldAt(20, 1, 1);
    expect(late.threads).toBe(early.threads);
    expect(late.handles - late.inputs).toBe(early.handles - early.inputs);
  }, 120_000);
});
