/** `timeout` of a job without a scheduler: asked to stop, exit code 124. That one that hangs is killed is in test/long. */
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { prepareJobs, writeJob } from "./job-files.ts";

let dir: Workdir;
beforeEach(() => {
  dir = workdir();
  prepareJobs(dir);
});
afterEach(() => dir.remove());

const bp = (...args: string[]) => batchpredict(args, { cwd: dir.path });
describe("a timeout without a scheduler", () => {
  it("lets a run that listens commit first", async () => {
    const slow = "export default async (batch) => { await new Promise((over) => setTimeout(over, 1500)); return batch; };\n";
    writeFileSync(dir.file("jobs/slow.mjs"), slow);
    writeJob(dir, "plain", ["timeout: 4s", "transform: ./slow.mjs", "chunkBytes: 2000", "workers: 1"]);
    const { code, stderr } = await bp("run", "plain");
    expect(code).toBe(124);
    expect(stderr).toContain("it was asked to stop");
    expect(stderr).not.toContain("was killed");
  });
});
