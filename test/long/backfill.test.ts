/** Thirty days through the binary, two of them failing at first; the same command goes on, and no gap is left. */
import { copyFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { prepareJobs, writeJob } from "../cli/job-files.ts";

let dir: Workdir;
beforeEach(() => {
  dir = workdir();
  prepareJobs(dir);
});
afterEach(() => dir.remove());

it("fills thirty days", async () => {
  const now = Date.now();
  const days = Array.from({ length: 30 }, (_, index) => new Date(now - (29 - index) * 86_400_000).toISOString().slice(0, 10));
  for (const day of days) copyFileSync(dir.file("data/flowers.csv"), dir.file(`data/${day}.csv`));
  renameSync(dir.file(`data/${days[7]}.csv`), dir.file("data/late"));
  writeFileSync(dir.file(`data/${days[19]}.csv`), "broken\n");
  writeJob(dir, "daily", ['schedule: {daily: "00:00"}'], { input: '{path: "../data/{{ date }}.csv"}' });
  const bp = (...args: string[]) => batchpredict(["jobs", ...args], { cwd: dir.path });
  const gaps = async () =>
    (await bp("gaps", "daily", "--since", new Date(Date.parse(days[0]!) - 1_000).toISOString(), "--json")).json<{
      gaps: { run_key: string }[];
    }>().gaps;
  const args = ["backfill", "daily", "--from", days[0]!, "--to", days[29]!];
  const first = await bp(...args);
  expect(first.code).toBe(1);
  expect(first.stderr).toContain(`2 of 30 slots have no output: ${days[7]}, ${days[19]}`);
  expect((await gaps()).map(({ run_key }) => run_key)).toEqual([days[7], days[19]]);
  renameSync(dir.file("data/late"), dir.file(`data/${days[7]}.csv`));
  copyFileSync(dir.file("data/flowers.csv"), dir.file(`data/${days[19]}.csv`));
  const second = await bp(...args);
  expect(second.code).toBe(0);
  expect(second.stderr).toContain("2 to run, 28 done already");
  expect(await gaps()).toEqual([]);
  expect(readdirSync(dir.file("out"))).toEqual(days.map((day) => `daily-${day}.csv`));
});
