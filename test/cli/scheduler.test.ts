/** Slots done for real: by hand, by backfill, by the scheduler, with the real binary and a ledger on disk. */
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BINARY, batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { prepareJobs, writeJob } from "./job-files.ts";

let dir: Workdir;
beforeEach(() => {
  dir = workdir();
  prepareJobs(dir);
});
afterEach(() => dir.remove());

const bp = (args: string[], env: Record<string, string> = {}) => batchpredict(args, { cwd: dir.path, env });
const history = async (job: string) =>
  (await bp(["jobs", "history", job, "--json"])).json<
    { run_id: string; run_key: string; state: string; trigger: string; reason: string | null }[]
  >();
const DAILY = ['schedule: {daily: "02:30"}'];

/** Polls real state; the bound is generous, because the machine may be busy. */
async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = Date.now() + 50_000;
  while (!(await holds())) {
    if (Date.now() > end) expect.fail("did not come to hold in time");
    await sleep(100);
  }
}

describe("jobs run", () => {
  it("does a slot once under --if-needed, and again without", async () => {
    writeJob(dir, "daily", DAILY);
    const args = ["jobs", "run", "daily", "--date", "2026-10-01"];
    expect((await bp([...args, "--if-needed", "--json"])).json()).toMatchObject({
      status: "succeeded",
      rows: { predicted: 1000 },
    });
    expect(readdirSync(dir.file("out"))).toEqual(["daily-2026-10-01.csv"]);
    const second = await bp([...args, "--if-needed", "--json"]);
    expect(second.code).toBe(0);
    expect(second.json()).toMatchObject({ nothing_to_do: true, run_key: "2026-10-01" });
    expect(await history("daily")).toHaveLength(1);
    expect((await bp(args)).code).toBe(0);
    expect(await history("daily")).toHaveLength(2);
  });

  it("fails with exit code 3, and publishes nothing, when the job expects more rows", async () => {
    writeJob(dir, "daily", [...DAILY, "expect: {minRows: 5000}"]);
    const { code, stderr } = await bp(["jobs", "run", "daily", "--date", "2026-10-01"]);
    expect(code).toBe(3);
    expect(stderr).toContain("BP_EXPECTATION: fewer predictions than the job expects");
    expect(stderr).toMatch(/daily.yaml line \d+/);
    expect(readdirSync(dir.file("out"))).toEqual([]);
    expect(await history("daily")).toMatchObject([{ state: "failed", reason: "error" }]);
  });

  it("refuses dates that have no slot, and names the next one", async () => {
    writeJob(dir, "weekly", ['schedule: {weekly: {on: mon, at: "06:00"}}']);
    const { code, stderr } = await bp(["jobs", "run", "weekly", "--date", "2026-10-01"]);
    expect(code).toBe(2);
    expect(stderr).toContain("the next one is 2026-10-05");
  });
});

describe("jobs backfill", () => {
  it("goes on after failures, skips what has succeeded, and leaves no gap", async () => {
    const days = ["2026-10-01", "2026-10-02", "2026-10-03", "2026-10-04"];
    for (const day of days) copyFileSync(dir.file("data/flowers.csv"), dir.file(`data/${day}.csv`));
    renameSync(dir.file("data/2026-10-02.csv"), dir.file("data/late"));
    writeFileSync(dir.file("data/2026-10-03.csv"), "broken\n");
    writeJob(dir, "daily", DAILY, { input: '{path: "../data/{{ date }}.csv"}' });
    const args = ["jobs", "backfill", "daily", "--from", days[0]!, "--to", days[3]!];
    const first = await bp(args);
    expect(first.code).toBe(1);
    expect(first.stderr).toContain("2 of 4 slots have no output: 2026-10-02, 2026-10-03");
    renameSync(dir.file("data/late"), dir.file("data/2026-10-02.csv"));
    copyFileSync(dir.file("data/flowers.csv"), dir.file("data/2026-10-03.csv"));
    const second = await bp([...args, "--json"]);
    expect(second.code).toBe(0);
    expect(second.stderr).toContain("2 to run, 2 done already");
    expect(readdirSync(dir.file("out"))).toEqual(days.map((day) => `daily-${day}.csv`));
    expect((await history("daily")).filter(({ state }) => state === "succeeded").map(({ run_key }) => run_key)).toEqual(
      [...days].reverse(),
    );
    const gaps = (await bp(["jobs", "gaps", "daily", "--since", "2026-10-01", "--json"])).json<{ gaps: { run_key: string }[] }>();
    expect(gaps.gaps.filter(({ run_key }) => days.includes(run_key))).toEqual([]);
  });
});

describe("the scheduler", () => {
  it("is one on a state folder: the second names the holder and exits 75; SIGTERM ends the first with 0", async () => {
    writeJob(dir, "daily", DAILY);
    const first = spawn(process.execPath, [BINARY, "scheduler", "start"], { cwd: dir.path, stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => first.once("exit", resolve));
    await until(async () => existsSync(dir.file(".batchpredict/ledger.db")) && (await bp(["scheduler", "status"])).code === 0);
    const second = await bp(["scheduler", "start"]);
    expect(second.code).toBe(75);
    expect(second.stderr).toContain(`process ${first.pid} on`);
    first.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect((await bp(["scheduler", "status"])).code).toBe(1);
  });

  it("that was killed is replaced by a standby", async () => {
    writeJob(dir, "daily", DAILY);
    const start = (...more: string[]) =>
      spawn(process.execPath, [BINARY, "scheduler", "start", ...more], { cwd: dir.path, stdio: "ignore" });
    const first = start();
    const status = async () =>
      (await bp(["scheduler", "status", "--json"])).json<{ running: boolean; holder: { pid: number } | null }>();
    await until(async () => existsSync(dir.file(".batchpredict/ledger.db")) && (await status()).running);
    const standby = start("--standby");
    try {
      first.kill("SIGKILL");
      await until(async () => (await status()).holder?.pid === standby.pid);
    } finally {
      standby.kill("SIGTERM");
      await new Promise((resolve) => standby.once("exit", resolve));
    }
  });
});

describe("messages", () => {
  it("reach a receiver that fails at first, under one key, and never change the run", async () => {
    const seen: { key: string; event: string; body: string }[] = [];
    const server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      request.on("end", () => {
        seen.push({ key: String(request.headers["idempotency-key"]), event: JSON.parse(body).event, body });
        response.writeHead(seen.length === 1 ? 500 : 200).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/s3cret-path`;
      writeJob(dir, "daily", [...DAILY, "notify: [{on: [succeeded], webhook: {url: {secret: HOOK_URL}}}]"]);
      const run = await bp(["jobs", "run", "daily", "--date", "2026-10-01"], { HOOK_URL: url });
      expect(run.code).toBe(0);
      expect(run.stderr).toContain("was not delivered: the receiver answered 500");
      expect(run.stderr).not.toContain("s3cret");
      await until(async () => {
        await bp(["scheduler", "--once"], { HOOK_URL: url });
        return seen.length >= 2;
      });
      expect(new Set(seen.map(({ key }) => key)).size).toBe(1);
      expect(seen[1]).toMatchObject({ event: "succeeded" });
      expect(await history("daily")).toMatchObject([{ state: "succeeded" }]);
    } finally {
      server.close();
    }
  });
});
