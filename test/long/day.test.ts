/**
 * A day, shortened: the shipped jobs every minute for three slots, then a scheduler that has nothing to do for a minute.
 * What it takes of processor and memory is printed, and held to the bounds on Linux.
 */
import { spawn } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, it } from "vitest";
import { BINARY, batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { ROOT } from "../corpora.ts";
import { readParquet } from "../parquet.ts";

let dir: Workdir;
beforeEach(() => {
  dir = workdir();
  for (const folder of ["jobs", "fixtures/scenarios"]) cpSync(path.join(ROOT, folder), dir.file(folder), { recursive: true });
});
afterEach(() => dir.remove());

const JOBS = ["co2-forecast-weekly", "income-risk-daily"];
const SLOTS = 3;
const IDLE_S = 60;

it("runs the shipped jobs by the clock, and costs next to nothing in between", async () => {
  const schedule = (text: string): void => {
    for (const job of JOBS) {
      const file = dir.file(`jobs/${job}.yaml`);
      writeFileSync(file, readFileSync(file, "utf8").replace(/^schedule: .*$/m, `schedule: ${text}`));
    }
  };
  const bp = (...args: string[]) => batchpredict(args, { cwd: dir.path });
  const outputs = async () => {
    const db = new Database(dir.file("predictions/income-risk.db"), { readonly: true });
    const risks = db.prepare("SELECT * FROM income_risk ORDER BY row_id").all();
    db.close();
    return { risks, ppm: await readParquet(dir.file("predictions/co2-forecast.parquet")) };
  };
  for (const job of JOBS) expect((await bp("run", `jobs/${job}.yaml`)).code).toBe(0);
  const expected = await outputs();
  schedule('{cron: "* * * * *"}');
  const scheduler = spawn(process.execPath, [BINARY, "scheduler", "start"], { cwd: dir.path, stdio: "ignore" });
  const ended = new Promise((resolve) => scheduler.once("exit", resolve));
  try {
    const succeeded = async (job: string): Promise<number> =>
      (await bp("jobs", "history", job, "--json"))
        .json<{ state: string; trigger: string }[]>()
        .filter((run) => run.state === "succeeded" && run.trigger === "schedule").length;
    const end = Date.now() + 20 * 60_000;
    while ((await succeeded(JOBS[0]!)) < SLOTS || (await succeeded(JOBS[1]!)) < SLOTS) {
      expect(Date.now(), "still not done").toBeLessThan(end);
      await sleep(2_000);
    }
    schedule('{daily: "00:00"}');
    await sleep(30_000);
    expect(await outputs()).toEqual(expected);
    const before = ticksOf(scheduler.pid!);
    await sleep(IDLE_S * 1000);
    // A clock tick of proc(5) is 10 ms.
    const share = ((ticksOf(scheduler.pid!) - before) * 10) / (IDLE_S * 1000);
    const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${scheduler.pid}/status`, "utf8"))![1]);
    console.log(`idle: ${(100 * share).toFixed(2)} % of a core, ${(kilobytes / 1024).toFixed(1)} MB`);
    expect(share).toBeLessThan(0.01);
    expect(kilobytes * 1024).toBeLessThan(80_000_000);
  } finally {
    scheduler.kill("SIGTERM");
    await ended;
  }
});

/** User and system time, fields 14 and 15 of proc(5). */
function ticksOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
