/** The scheduler with a clock that the test turns: what it starts, stops, adopts, reloads and tells. */

import { unlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SchedulerHolder } from "../../../src/schedule/ledger.ts";
import { RENEW_EVERY_MS } from "../../../src/schedule/process/scheduler.ts";
import { serve } from "../../../src/schedule/process/serve.ts";
import { Machine, type MachineScheduler, SUCCESS } from "./machine.ts";

let machine: Machine;
beforeEach(() => {
  machine = new Machine("2026-11-21T00:00:00Z");
});
afterEach(() => machine.remove());

const DAILY = 'schedule: {daily: "02:30"}';

/** A scheduler that holds the seat and has seen the jobs. */
async function begin(): Promise<MachineScheduler> {
  const one = machine.scheduler();
  expect(one.scheduler.take()).toBeNull();
  await one.tick();
  return one;
}

describe("a scheduler", () => {
  it("wakes for the next slot, starts one process for it, and goes on to the next day", async () => {
    const file = machine.job("daily", DAILY);
    const one = await begin();
    expect(one.wakeMs).toBe(Date.parse("2026-11-21T02:30:00Z"));
    await one.until("2026-11-21T02:30:00Z");
    expect(machine.launches).toMatchObject([{ jobFile: file }]);
    expect(machine.run()).toMatchObject({ state: "running", runKey: "2026-11-21", process: { pid: machine.last.pid } });
    await one.until("2026-11-21T02:40:00Z");
    expect(machine.launches).toHaveLength(1);
    await machine.end(SUCCESS);
    await one.until("2026-11-22T02:30:00Z");
    await machine.end(SUCCESS);
    expect(machine.story("daily")).toEqual(["2026-11-21 succeeded", "2026-11-22 succeeded"]);
  });

  it("reads a changed, a broken and a removed job file without a restart", async () => {
    const file = machine.job("daily", DAILY);
    const one = await begin();
    machine.job("daily", 'schedule: {daily: "05:00"}');
    await one.tick();
    await one.until("2026-11-21T02:30:00Z");
    expect(machine.launches).toEqual([]);
    expect(one.wakeMs).toBe(Date.parse("2026-11-21T05:00:00Z"));
    writeFileSync(file, "version: 1\nnonsense: [");
    await one.tick();
    await one.until("2026-11-21T05:00:00Z");
    // It goes on as it was last known; the run says what is wrong with the file.
    expect(machine.launches).toHaveLength(1);
    expect(one.news.filter(({ type }) => type === "jobs").at(-1)).toMatchObject({ problems: [{ code: "BP_JOB_FILE" }] });
    await machine.end(SUCCESS);
    unlinkSync(file);
    await one.until("2026-11-22T06:00:00Z");
    expect(machine.launches).toHaveLength(1);
    expect(machine.ledger.job("daily")?.removedMs).not.toBeNull();
    machine.job("daily", DAILY);
    await one.tick();
    await one.until("2026-11-23T02:30:00Z");
    expect(machine.launches).toHaveLength(2);
  });

  it("skips the slots of a pause, with a row each, and replays none of them", async () => {
    machine.job("daily", DAILY);
    const one = await begin();
    machine.ledger.pause("daily", machine.nowMs);
    await one.until("2026-11-22T12:00:00Z");
    expect(machine.launches).toEqual([]);
    machine.ledger.resume("daily", machine.nowMs);
    await one.until("2026-11-23T02:30:00Z");
    await machine.end(SUCCESS);
    expect(machine.story("daily")).toEqual(["2026-11-21 skipped paused", "2026-11-22 skipped paused", "2026-11-23 succeeded"]);
  });
});

describe("a timeout", () => {
  it("asks with SIGTERM, waits 10 s, then kills the whole group, again and again until it is gone", async () => {
    machine.job("daily", DAILY, "timeout: 1h");
    const one = await begin();
    await one.until("2026-11-21T02:30:00Z");
    const { pid } = machine.last;
    await one.until("2026-11-21T03:29:59Z");
    expect(machine.signals).toEqual([]);
    await one.until("2026-11-21T03:30:00Z");
    expect(machine.signals).toEqual([`SIGTERM ${pid}`]);
    await one.until("2026-11-21T03:30:09Z");
    expect(machine.signals).toHaveLength(1);
    await one.until("2026-11-21T03:30:10Z");
    expect(machine.signals.slice(1)).toEqual([`SIGKILL group ${pid}`]);
    await machine.last.exit(null, "SIGKILL");
    expect(machine.story("daily")).toEqual(["2026-11-21 failed timeout"]);
  });

  it("gives what is being published the same time again", async () => {
    machine.job("daily", DAILY, "timeout: 1h");
    const one = await begin();
    await one.until("2026-11-21T02:30:00Z");
    machine.ledger.committing({ ...machine.last.fence, state: "running" }, machine.nowMs);
    await one.until("2026-11-21T04:29:59Z");
    expect(machine.signals).toEqual([]);
    await one.until("2026-11-21T04:30:00Z");
    expect(machine.signals).toHaveLength(1);
  });
});

describe("attempts", () => {
  const failure = { kind: "failed" as const, error: { code: "BP_OUTPUT_BUSY" as const, message: "busy" } };

  it("follow a failure that can pass after a pause that doubles and is drawn by lot, up to retries.max", async () => {
    machine.job("daily", DAILY, "retries: {max: 2, initial: 1m, longest: 1h}");
    const one = await begin();
    await one.until("2026-11-21T02:30:00Z");
    await machine.end(failure);
    expect(machine.run()).toMatchObject({ state: "scheduled", reason: "retry", failures: 1 });
    await one.until("2026-11-21T02:30:29Z");
    expect(machine.launches).toHaveLength(1);
    await one.until("2026-11-21T02:30:30Z");
    expect(machine.launches).toHaveLength(2);
    machine.dice = 0;
    await machine.end(failure);
    await one.tick();
    expect(machine.launches).toHaveLength(3);
    await machine.end(failure);
    expect(machine.story("daily")).toEqual(["2026-11-21 failed retries-used-up"]);
  });

  it("do not follow a failure that stays", async () => {
    machine.job("daily", DAILY, "retries: {max: 9}");
    const one = await begin();
    await one.until("2026-11-21T02:30:00Z");
    await machine.end({ kind: "failed", error: { code: "BP_BINDING", message: "no such column" } });
    await one.until("2026-11-21T06:00:00Z");
    expect(machine.launches).toHaveLength(1);
    expect(machine.story("daily")).toEqual(["2026-11-21 failed error"]);
  });

  it("cost nothing when they were interrupted, and three deaths in a row are the end", async () => {
    machine.job("daily", DAILY);
    const one = await begin();
    await one.until("2026-11-21T02:30:00Z");
    for (let times = 0; times < 5; times++) {
      await machine.end({ kind: "interrupted" });
      await one.tick();
    }
    expect(machine.launches).toHaveLength(6);
    expect(machine.run()).toMatchObject({ state: "running", failures: 0, crashes: 0 });
    for (const at of ["02:31", "02:32", "02:33"]) {
      await machine.last.exit(null, "SIGKILL");
      await one.until(`2026-11-21T${at}:00Z`);
    }
    expect(machine.launches).toHaveLength(8);
    expect(machine.story("daily")).toEqual(["2026-11-21 failed crashed"]);
  });
});

describe("another scheduler", () => {
  /** serve() as a standby, on the machine's clock. @returns when it had the seat, in ms from now */
  async function takeover(before: (elapsedMs: number) => void): Promise<number> {
    const standby = machine.scheduler();
    const begunMs = machine.nowMs;
    const over = new AbortController();
    const holders: SchedulerHolder[] = [];
    let tookMs = Number.NaN;
    await serve({
      scheduler: standby.scheduler,
      jobsDir: machine.jobsDir,
      standby: true,
      stop: over.signal,
      pause: async (pauseMs) => {
        machine.nowMs += pauseMs;
        before(machine.nowMs - begunMs);
        return machine.nowMs - begunMs < 600_000;
      },
      onHolder: (holder) => holders.push(holder),
      onActive: () => {
        tookMs = machine.nowMs - begunMs;
        over.abort();
      },
    });
    expect(holders).toHaveLength(1);
    return tookMs;
  }

  it("takes over within 30 s of the last word of one that was stopped, and at the next look from one that was killed", async () => {
    const first = await begin();
    expect(await takeover(() => {})).toBeLessThanOrEqual(30_000);
    expect(first.scheduler.renew(), "the one that was stopped wakes up fenced").toBe(false);
    machine.nowMs += 60_000;
    const second = await begin();
    let renewedMs = machine.nowMs;
    const tookMs = await takeover((elapsedMs) => {
      if (elapsedMs > 60_000) machine.alive.delete(second.pid);
      else if (machine.nowMs - renewedMs >= RENEW_EVERY_MS) {
        renewedMs = machine.nowMs;
        second.scheduler.renew();
      }
    });
    expect(tookMs, "never from one that lives").toBeGreaterThan(60_000);
    expect(tookMs).toBeLessThanOrEqual(65_000);
  });

  it("adopts a run that goes on: it neither starts it again nor loses its end", async () => {
    machine.job("daily", DAILY, "timeout: 1h");
    const first = await begin();
    await first.until("2026-11-21T02:30:00Z");
    const going = machine.last;
    machine.alive.delete(first.pid);
    const second = machine.scheduler();
    machine.nowMs += 5_000;
    expect(second.scheduler.take()).toBeNull();
    await second.tick();
    expect(machine.launches).toHaveLength(1);
    expect(machine.run(going)).toMatchObject({ state: "running", attempt: 1 });
    await second.until("2026-11-21T03:30:00Z");
    expect(machine.signals, "its timeout is kept by the new one").toEqual([`SIGTERM ${going.pid}`]);
    machine.ledger.settle({ ...going.fence, state: "running" }, { kind: "interrupted" }, machine.nowMs, () => 0);
    machine.alive.delete(going.pid);
    await second.tick();
    expect(machine.story("daily")).toEqual(["2026-11-21 failed timeout"]);
  });

  it("starts a run again whose process is gone, by one tick", async () => {
    machine.job("daily", DAILY);
    const first = await begin();
    await first.until("2026-11-21T02:30:00Z");
    machine.alive.delete(first.pid);
    machine.alive.delete(machine.last.pid);
    const second = await begin();
    expect(machine.launches).toHaveLength(2);
    expect(machine.run()).toMatchObject({ state: "running", attempt: 2, crashes: 1 });
    expect(second.news).toContainEqual(expect.objectContaining({ type: "recovered", state: "scheduled" }));
  });
});

describe("listeners", () => {
  let server: Server;
  const seen: string[] = [];
  beforeEach(async () => {
    seen.length = 0;
    server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      request.on("end", () => {
        seen.push(`${request.url} ${body}`);
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = (place: string): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}${place}`;

  it("hear once that an output is overdue by expect.by, and not when it is in time", async () => {
    machine.job("daily", DAILY, 'expect: {by: "03:00"}', `notify: [{on: [overdue], webhook: {url: "${url("/hook")}"}}]`);
    const one = await begin();
    await one.until("2026-11-21T02:30:00Z");
    await one.until("2026-11-21T02:59:59Z");
    expect(seen).toEqual([]);
    await one.until("2026-11-21T03:00:00Z");
    await one.until("2026-11-21T03:20:00Z");
    expect(seen).toHaveLength(1);
    expect(JSON.parse(seen[0]!.slice("/hook ".length))).toMatchObject({
      event: "overdue",
      job: "daily",
      run_key: "2026-11-21",
      text: "daily 2026-11-21 is overdue: no output yet (running)",
    });
    await machine.end(SUCCESS);
    await one.until("2026-11-22T02:30:00Z");
    await machine.end(SUCCESS);
    await one.until("2026-11-22T12:00:00Z");
    expect(seen).toHaveLength(1);
  });

  it("are pinged as healthchecks are: start, success, fail", async () => {
    machine.job("daily", DAILY, `notify: [{on: [started, succeeded, failed, missed], healthcheck: {url: "${url("/uuid")}"}}]`);
    const one = await begin();
    await one.until("2026-11-21T02:30:00Z");
    await machine.end(SUCCESS);
    await one.until("2026-11-22T02:30:00Z");
    await machine.end({ kind: "failed", error: { code: "BP_BINDING", message: "no such column" } });
    await one.tick();
    expect(seen).toEqual([
      "/uuid/start daily 2026-11-21 started",
      "/uuid daily 2026-11-21 succeeded: 10 predictions",
      "/uuid/start daily 2026-11-22 started",
      "/uuid/fail daily 2026-11-22 failed (error): BP_BINDING no such column",
    ]);
  });
});
