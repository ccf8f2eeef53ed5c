/** What a scheduler and its runs leave for others: figures on a port and in a file, CI files, and messages to a server that hangs at first. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openLedger } from "../../src/schedule/ledger.ts";
import { Outbox } from "../../src/schedule/process/outbox.ts";
import { BINARY, batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { prepareJobs, writeJob } from "./job-files.ts";

let dir: Workdir;
beforeEach(() => {
  dir = workdir();
  prepareJobs(dir);
});
afterEach(() => dir.remove());

const bp = (args: string[], env: Record<string, string> = {}) => batchpredict(args, { cwd: dir.path, env });
const DAILY = 'schedule: {daily: "02:30"}';

/** Polls real state; the bound is generous, because the machine may be busy. */
async function until<T>(look: () => Promise<T | null> | T | null): Promise<T> {
  const end = Date.now() + 50_000;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (Date.now() > end) expect.fail("did not come to hold in time");
    await sleep(100);
  }
}

const sampleOf = (text: string, name: string): number => {
  const line = text.split("\n").find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`));
  return Number(line?.split(" ").at(-1));
};

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("figures", () => {
  it("are served on loopback alone and written to a file, with the values of the ledger", async () => {
    writeJob(dir, "daily", [DAILY]);
    expect((await bp(["jobs", "run", "daily", "--date", "2026-10-01"])).code).toBe(0);
    const port = await freePort();
    const args = ["scheduler", "start", "--metrics-port", String(port), "--metrics-file", "figures.prom"];
    const scheduler: ChildProcess = spawn(process.execPath, [BINARY, ...args], { cwd: dir.path, stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => scheduler.once("exit", resolve));
    try {
      const get = (place: string, host = "127.0.0.1") => fetch(`http://${host}:${port}${place}`).catch(() => null);
      const healthy = await until(() => get("/healthz"));
      expect([healthy.status, await healthy.text()]).toEqual([200, "ok\n"]);
      const metrics = (await get("/metrics"))!;
      expect(metrics.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
      const text = await metrics.text();
      expect(sampleOf(text, "batchpredict_job_last_run_succeeded")).toBe(1);
      expect(sampleOf(text, "batchpredict_job_last_rows_predicted")).toBe(1000);
      expect(sampleOf(text, "batchpredict_job_paused")).toBe(0);
      const ledger = openLedger({ stateDir: dir.file(".batchpredict"), newId: () => "none" });
      expect(sampleOf(text, "batchpredict_job_last_success_timestamp_seconds")).toBe(ledger.history("daily")[0]!.endedMs! / 1000);
      ledger.close();
      expect((await get("/elsewhere"))?.status).toBe(404);
      const outside = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
      for (const { address, internal, family } of outside)
        if (!internal && family === "IPv4") expect(await get("/metrics", address)).toBeNull();
    } finally {
      scheduler.kill("SIGTERM");
      expect(await ended).toBe(0);
    }
    expect(sampleOf(readFileSync(dir.file("figures.prom"), "utf8"), "batchpredict_job_last_rows_predicted")).toBe(1000);
  });
});

describe("a run in CI", () => {
  it("leaves JUnit, a step summary behind what stands there, and annotations with the place", async () => {
    writeJob(dir, "daily", [DAILY, "expect: {minRows: 5000}"]);
    writeFileSync(dir.file("summary.md"), "before\n");
    const env = { CI: "true", GITHUB_STEP_SUMMARY: dir.file("summary.md") };
    const { code, stderr } = await bp(["jobs", "run", "daily", "--date", "2026-10-01", "--junit", "ci/junit.xml"], env);
    expect(code).toBe(3);
    expect(readFileSync(dir.file("ci/junit.xml"), "utf8")).toContain('<failure type="BP_EXPECTATION"');
    expect(readFileSync(dir.file("summary.md"), "utf8")).toMatch(/^before\n### ❌ daily: failed\n/);
    expect(stderr).toMatch(/^::error title=daily,file=jobs\/daily\.yaml,line=\d+::BP_EXPECTATION: /m);
    expect((await bp(["jobs", "history", "daily", "--json"])).json<{ trigger: string }[]>()).toMatchObject([{ trigger: "ci" }]);
  });
});

describe("a receiver that hangs, answers 500, then 200", () => {
  it("gets the message at least once under one key, and never changes the run", async () => {
    const seen: { key: string; event: string }[] = [];
    const server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      request.on("end", () => {
        seen.push({ key: String(request.headers["idempotency-key"]), event: JSON.parse(body).event });
        if (seen.length > 1) response.writeHead(seen.length === 2 ? 500 : 200).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const notify = [
      { on: ["succeeded" as const], webhook: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` } },
    ];
    try {
      writeJob(dir, "daily", [DAILY, `notify: ${JSON.stringify(notify)}`]);
      // A real run, whose scheduler-less process tries once: it waits its 10 s for the one that hangs, so it is killed at that.
      const run = spawn(process.execPath, [BINARY, "jobs", "run", "daily", "--date", "2026-10-01"], {
        cwd: dir.path,
        stdio: "ignore",
      });
      await until(() => (seen.length === 1 ? true : null));
      run.kill("SIGKILL");
      const ledger = openLedger({ stateDir: dir.file(".batchpredict"), newId: () => "none" });
      const before = ledger.history("daily");
      expect(before).toMatchObject([{ state: "succeeded", rows: { predicted: 1000 } }]);
      let nowMs = Date.now();
      const outbox = new Outbox({
        ledger,
        notifyOf: () => notify,
        env: {},
        userAgent: "test",
        nowMs: () => nowMs,
        random: () => 1,
        onFailure: () => {},
      });
      await outbox.drain();
      expect(ledger.outboxDepth()).toEqual({ due: 1, givenUp: 0 });
      await outbox.drain();
      expect(seen, "waits its turn").toHaveLength(2);
      nowMs += 60_000;
      await outbox.drain();
      expect(ledger.outboxDepth()).toEqual({ due: 0, givenUp: 0 });
      nowMs += 3_600_000;
      await outbox.drain();
      expect(seen).toHaveLength(3);
      expect(new Set(seen.map(({ key }) => key)).size).toBe(1);
      expect(ledger.history("daily")).toEqual(before);
      expect(existsSync(dir.file("out/daily-2026-10-01.csv"))).toBe(true);
      ledger.close();
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
