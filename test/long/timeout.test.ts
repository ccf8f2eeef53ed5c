/** A run that does not even hear that its time is up is ended from outside. Ten seconds of grace, so not in CI. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { batchpredict, type Finished, type Workdir, workdir } from "../cli/batchpredict.ts";
import { prepareJobs, writeJob } from "../cli/job-files.ts";

let dir: Workdir;
beforeEach(() => {
  dir = workdir();
  prepareJobs(dir);
});
afterEach(() => dir.remove());

/** Runs a command and stops the process that scores as soon as that has taken its output: it hangs, whatever it hangs in. */
async function hang(args: string[], output: string): Promise<Finished> {
  let parent = 0;
  const finished = batchpredict(args, {
    cwd: dir.path,
    onStart: (child) => {
      parent = child.pid!;
    },
  });
  while (!readdirSync(dir.file("out")).some((name) => name.includes(output) && name.endsWith(".journal"))) await sleep(50);
  const [child] = readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8").trim().split(" ");
  process.kill(Number(child), "SIGSTOP");
  return finished;
}

describe("a timeout without a scheduler", () => {
  it("ends a run that hangs, with exit code 124, and the history knows", async () => {
    const slow = "export default async (batch) => { await new Promise((over) => setTimeout(over, 3000)); return batch; };\n";
    writeFileSync(dir.file("jobs/slow.mjs"), slow);
    const lines = ["timeout: 20s", "transform: ./slow.mjs", "chunkBytes: 2000", "workers: 1"];
    writeJob(dir, "plain", lines);
    writeJob(dir, "daily", [...lines, 'schedule: {daily: "02:30"}']);
    const [plain, recorded] = await Promise.all([
      hang(["run", "plain"], "plain"),
      hang(["jobs", "run", "daily", "--date", "2026-10-01", "--json"], "daily"),
    ]);
    expect(plain).toMatchObject({ code: 124, signal: null });
    expect(plain.stderr).toContain("the run took longer than its timeout of 20 s");
    expect(plain.stderr).toContain("was killed");
    expect(recorded.code).toBe(124);
    expect(recorded.json()).toMatchObject({ status: "failed", error: { code: "BP_INTERRUPTED" } });
    const history = await batchpredict(["jobs", "history", "daily", "--json"], { cwd: dir.path });
    expect(history.json()).toMatchObject([{ run_key: "2026-10-01", state: "failed", reason: "timeout" }]);
  });
});
