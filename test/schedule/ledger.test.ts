import { mkdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { WireError } from "../../src/core/errors.ts";
import { handSlot, openLedger, type RunRequest } from "../../src/schedule/ledger.ts";
import { networkFileSystem } from "../../src/schedule/ledger-file.ts";
import type { Slot } from "../../src/schedule/slots.ts";
import { REASONS, RUN_STATES, type RunState, TRANSITIONS } from "../../src/schedule/states.ts";
import { at, Bench, definition, ROWS } from "./bench.ts";

const NOW = "2026-11-21T12:00Z";
let bench: Bench;
beforeEach(() => {
  bench = new Bench(NOW);
  bench.ledger.register(definition("j", { schedule: { daily: "02:30" } }), bench.nowMs);
});
afterEach(() => bench.remove());

const slotOf = (date: string): Slot => ({
  runKey: date,
  logicalDate: date,
  localTime: `${date}T02:30`,
  utcMs: at(`${date}T02:30Z`),
  note: null,
});
const request = (date: string, more: Partial<RunRequest> = {}): RunRequest => ({
  job: "j",
  slot: slotOf(date),
  trigger: "manual",
  timeoutMs: null,
  again: false,
  ...more,
});
const failed = (code: string, more: Partial<WireError> = {}) => ({
  kind: "failed" as const,
  error: { code, message: "m", stack: "secret stack", ...more } as WireError,
});

/** A run that is going on, started by hand. */
function started(date = "2026-11-20") {
  const process = bench.newProcess();
  const start = bench.ledger.start(request(date), "me", process, bench.nowMs, bench.nowMs + 30_000);
  if (start.kind !== "claimed") throw new Error(start.kind);
  return {
    process,
    claimed: start.fence,
    running: bench.ledger.running(start.fence, process, bench.nowMs, bench.nowMs + 30_000)!,
  };
}

describe("the file", () => {
  it("is private, durable and strict", () => {
    expect(statSync(bench.stateDir).mode & 0o777).toBe(0o700);
    const db = new Database(bench.ledger.path, { readonly: true });
    expect(db.pragma("journal_mode", { simple: true })).toBe("wal");
    expect(
      db.prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%'").all(),
    ).toEqual([]);
    db.close();
  });

  it("is refused when it is something else, or from the future", () => {
    const other = path.join(bench.dir, "other");
    mkdirSync(other);
    writeFileSync(path.join(other, "ledger.db"), "this is no database, but a text of some length\n".repeat(50));
    expect(() => openLedger({ stateDir: other, newId: () => "x" })).toThrow(
      expect.objectContaining({ code: "BP_STATE", details: expect.objectContaining({ exitCode: 2 }) }),
    );
    const newer = path.join(bench.dir, "newer");
    openLedger({ stateDir: newer, newId: () => "x" }).close();
    const db = new Database(path.join(newer, "ledger.db"));
    db.pragma("user_version = 99");
    db.close();
    expect(() => openLedger({ stateDir: newer, newId: () => "x" })).toThrow(/made by a newer version/);
  });

  it("is refused where a file stands in the way of its folder", () => {
    const file = path.join(bench.dir, "file");
    writeFileSync(file, "");
    expect(() => openLedger({ stateDir: path.join(file, "state"), newId: () => "x" })).toThrow(/cannot make the state folder/);
  });

  it("knows network file systems by their numbers", () => {
    expect(networkFileSystem(0x6969)).toBe("NFS");
    // statfs gives it as a negative 32-bit number on some systems.
    expect(networkFileSystem(0xff534d42 | 0)).toBe("CIFS");
    expect(networkFileSystem(0xef53)).toBeNull();
  });

  it("says who must do what while it is locked", () => {
    const db = new Database(bench.ledger.path);
    db.exec("BEGIN IMMEDIATE");
    const impatient = openLedger({ stateDir: bench.stateDir, newId: () => "x", busyMs: 0 });
    expect(() => impatient.pause("j", bench.nowMs)).toThrow(
      expect.objectContaining({ code: "BP_BUSY", details: expect.objectContaining({ exitCode: 75 }) }),
    );
    expect(impatient.jobs()).toHaveLength(1);
    impatient.close();
    db.exec("ROLLBACK");
    db.close();
  });

  it("keeps what it knows when it is opened again", () => {
    bench.succeed(started().running);
    bench.ledger.close();
    bench.ledger = bench.open();
    expect(bench.story("j")).toEqual(["2026-11-20 succeeded manual"]);
  });
});

describe("fences", () => {
  it("hold through a whole run", () => {
    const { claimed, running } = started();
    expect(claimed).toMatchObject({ state: "claimed", owner: "me", attempt: 1 });
    expect(bench.ledger.renew(running, bench.nowMs + 60_000)).toMatchObject({ leaseUntilMs: bench.nowMs + 60_000 });
    expect(bench.succeed(running)).toMatchObject({ state: "succeeded", rows: ROWS, output: "o.parquet", endedMs: bench.nowMs });
  });

  it("stop whoever lost the run: nothing it does changes anything", () => {
    const { claimed, running, process } = started();
    expect(bench.ledger.running(claimed, process, bench.nowMs, 0)).toBeNull();
    for (const wrong of [{ owner: "zombie" }, { attempt: 2 }, { state: "committing" as const }, { id: "run-999999" }]) {
      const fence = { ...running, ...wrong };
      expect(bench.ledger.renew(fence, 1)).toBeNull();
      expect(bench.ledger.committing(fence, bench.nowMs)).toBeNull();
      expect(bench.ledger.settle(fence, { kind: "interrupted" }, bench.nowMs, () => 0)).toBeNull();
    }
    expect(bench.ledger.active()).toHaveLength(1);
    expect(bench.ledger.settle(running, { kind: "succeeded", rows: ROWS, output: null }, bench.nowMs, () => 0)).toBeNull();
  });

  it("let a recovered run go on under its new owner only", () => {
    const first = started();
    bench.alive.delete(first.process.pid);
    bench.definitions = [definition("j", { schedule: { daily: "02:30" } })];
    const { claimed } = bench.tick();
    expect(claimed).toHaveLength(1);
    expect(claimed[0]!.fence).toMatchObject({ id: first.running.id, owner: "scheduler-1", attempt: 2 });
    expect(bench.ledger.committing(first.running, bench.nowMs)).toBeNull();
    const second = bench.ledger.running(claimed[0]!.fence, bench.newProcess(), bench.nowMs, bench.nowMs + 30_000)!;
    expect(bench.succeed(second)).toMatchObject({ state: "succeeded", attempt: 2, crashes: 0 });
  });
});

describe("one run", () => {
  it("per job at a time, by hand and by clock alike", () => {
    started("2026-11-20");
    expect(bench.ledger.start(request("2026-11-19"), "other", bench.newProcess(), bench.nowMs, bench.nowMs + 1)).toMatchObject({
      kind: "busy",
      run: { runKey: "2026-11-20", state: "running" },
    });
  });

  it("per key: succeeded is done, unless it is asked for again", () => {
    bench.succeed(started().running);
    const start = (again: boolean) =>
      bench.ledger.start(request("2026-11-20", { again }), "me", bench.newProcess(), bench.nowMs, bench.nowMs + 1);
    expect(start(false)).toMatchObject({ kind: "done" });
    expect(bench.ledger.request(request("2026-11-20"), bench.nowMs)).toMatchObject({ kind: "done" });
    expect(start(true)).toMatchObject({ kind: "claimed" });
    expect(bench.story("j")).toEqual(["2026-11-20 succeeded manual (taken over)", "2026-11-20 claimed manual"]);
  });

  it("by hand has a key of its own when it has no date", () => {
    const slot = handSlot("run-x", "2026-11-21", "2026-11-21T12:00", bench.nowMs);
    expect(bench.ledger.request(request("", { slot }), bench.nowMs)).toMatchObject({
      kind: "queued",
      run: { runKey: "hand~run-x" },
    });
  });

  it("is queued once, and taken over by whoever starts it by hand", () => {
    expect(bench.ledger.request(request("2026-11-20"), bench.nowMs)).toMatchObject({ kind: "queued" });
    expect(bench.ledger.request(request("2026-11-20"), bench.nowMs)).toMatchObject({ kind: "open" });
    started("2026-11-20");
    expect(bench.story("j")).toEqual(["2026-11-20 running manual"]);
  });

  it("stays as it ended, even for somebody with an SQL shell", () => {
    bench.succeed(started().running);
    const db = new Database(bench.ledger.path);
    expect(() => db.exec("UPDATE runs SET state = 'failed'")).toThrow(/stays as it ended/);
    db.close();
  });
});

describe("an attempt that fails", () => {
  const job = (max: number) =>
    definition("r", { schedule: { daily: "02:30" }, retries: { max, initial: "10s", longest: "25s" } });
  const run = (max: number) => {
    bench.ledger.register(job(max), bench.nowMs);
    bench.definitions = [job(max)];
    bench.ledger.request(request("2026-11-20", { job: "r" }), bench.nowMs);
  };
  const fail = (outcome: Parameters<typeof bench.ledger.settle>[1]) => {
    const { fence } = bench.begin(bench.tick());
    return bench.ledger.settle(fence, outcome, bench.nowMs, () => 0.5);
  };

  it("is tried again after growing pauses when it can pass, then given up", () => {
    run(3);
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      const after = fail(failed("BP_OUTPUT_BUSY"))!;
      expect(after).toMatchObject({ state: "scheduled", reason: "retry", owner: null });
      pauses.push(after.notBeforeMs - bench.nowMs);
      expect(bench.tick().claimed).toEqual([]);
      bench.nowMs = after.notBeforeMs;
    }
    expect(pauses).toEqual([5_000, 10_000, 12_500]);
    expect(fail(failed("BP_OUTPUT_BUSY"))).toMatchObject({ state: "failed", reason: "retries-used-up", attempt: 4, failures: 4 });
  });

  it("is not tried again when no retry mends it; its stack is not kept", () => {
    run(3);
    const after = fail(failed("BP_BINDING", { exitCode: 2 }));
    expect(after).toMatchObject({ state: "failed", reason: "error", error: { code: "BP_BINDING", exitCode: 2 } });
    expect(JSON.stringify(after)).not.toContain("secret stack");
  });

  it("costs nothing when it was interrupted", () => {
    run(0);
    for (let time = 0; time < 5; time++) {
      expect(fail({ kind: "interrupted" })).toMatchObject({ state: "scheduled", reason: "interrupted", failures: 0 });
    }
  });

  it("fails at the third death in a row, whatever its retries", () => {
    run(0);
    expect(fail({ kind: "crashed", detail: "SIGSEGV" })).toMatchObject({ state: "scheduled", reason: "owner-dead", crashes: 1 });
    expect(fail({ kind: "interrupted" })).toMatchObject({ crashes: 0 });
    expect(fail({ kind: "crashed", detail: "SIGSEGV" })).toMatchObject({ crashes: 1 });
    bench.nowMs = fail({ kind: "crashed", detail: "SIGSEGV" })!.notBeforeMs;
    expect(fail({ kind: "crashed", detail: "SIGSEGV" })).toMatchObject({
      state: "failed",
      reason: "crashed",
      error: { message: "the run's process ended without a word: SIGSEGV" },
    });
  });

  it("is cancelled when somebody asked for that, in the queue or while running; not while committing", () => {
    run(3);
    const { fence, run: begun } = bench.begin(bench.tick());
    expect(bench.ledger.cancel(begun.id, bench.nowMs)).toMatchObject({ state: "running", stop: { reason: "by-user" } });
    expect(bench.ledger.renew(fence, bench.nowMs)).toMatchObject({ stop: { reason: "by-user" } });
    expect(bench.ledger.settle(fence, { kind: "interrupted" }, bench.nowMs, () => 0)).toMatchObject({
      state: "cancelled",
      reason: "by-user",
    });
    const queued = bench.ledger.request(request("2026-11-19", { job: "r" }), bench.nowMs).run;
    expect(bench.ledger.cancel(queued.id, bench.nowMs)).toMatchObject({ state: "cancelled", reason: "by-user" });
    const { running } = started("2026-11-18");
    bench.ledger.committing(running, bench.nowMs);
    expect(bench.ledger.cancel(running.id, bench.nowMs)).toMatchObject({ state: "committing", stop: null });
  });
});

describe("the outbox", () => {
  const notify = [
    { on: ["succeeded" as const, "failed" as const], webhook: { url: "https://example.org" } },
    { on: ["started" as const, "failed" as const, "missed" as const], webhook: { url: { secret: "S" } } },
  ];

  it("holds what each target wants, with one key per event, until it is delivered", () => {
    bench.ledger.register(definition("n", { notify }), bench.nowMs);
    const start = bench.ledger.start(request("2026-11-20", { job: "n" }), "me", bench.newProcess(), bench.nowMs, bench.nowMs + 1);
    if (start.kind !== "claimed") throw new Error(start.kind);
    const running = bench.ledger.running(start.fence, bench.newProcess(), bench.nowMs, bench.nowMs + 1)!;
    bench.ledger.settle(running, failed("BP_BINDING"), bench.nowMs, () => 0);
    const due = bench.ledger.dueOutbox(bench.nowMs, 10);
    expect(due.map(({ event, target, idempotencyKey }) => `${event} ${target} ${idempotencyKey}`)).toEqual([
      `started 1 ${running.id}/started/1`,
      `failed 0 ${running.id}/failed/0`,
      `failed 1 ${running.id}/failed/1`,
    ]);
    expect(due[1]!.run).toMatchObject({ state: "failed", error: { code: "BP_BINDING" } });
    bench.ledger.delivered(due[0]!.id, bench.nowMs);
    bench.ledger.postpone(due[1]!.id, bench.nowMs + 5_000, "500");
    bench.ledger.postpone(due[2]!.id, null, "gone");
    expect(bench.ledger.dueOutbox(bench.nowMs, 10)).toEqual([]);
    expect(bench.ledger.outboxDepth()).toEqual({ due: 1, givenUp: 1 });
    expect(bench.ledger.dueOutbox(bench.nowMs + 5_000, 10)).toMatchObject([{ attempts: 1, lastError: "500" }]);
  });
});

describe("the scheduler's seat", () => {
  const take = (owner: string, process = bench.newProcess()) =>
    bench.ledger.takeScheduler(owner, process, bench.look, bench.nowMs, bench.nowMs + 20_000);

  it("has one holder, who is named to the next", () => {
    expect(take("a")).toBeNull();
    expect(take("b")).toMatchObject({ owner: "a", sinceMs: bench.nowMs });
    bench.ledger.releaseScheduler("b");
    expect(bench.ledger.scheduler()).toMatchObject({ owner: "a" });
    bench.ledger.releaseScheduler("a");
    expect(take("b")).toBeNull();
  });

  it("passes on when the holder's process is gone, or its lease is over; the old holder hears of it", () => {
    const first = bench.newProcess();
    expect(take("a", first)).toBeNull();
    bench.alive.delete(first.pid);
    expect(take("b")).toBeNull();
    expect(bench.ledger.renewScheduler("a", bench.nowMs + 1)).toBe(false);
    bench.nowMs += 20_000;
    expect(take("c")).toBeNull();
  });
});

describe("the table of states", () => {
  it("leads every state to an end, and out of none", () => {
    const ends = RUN_STATES.filter((state) => TRANSITIONS[state].length === 0);
    expect(ends).toEqual(["succeeded", "failed", "skipped", "missed", "cancelled"]);
    const reaches = (state: RunState, seen = new Set<RunState>()): Set<RunState> => {
      for (const next of TRANSITIONS[state]) {
        if (!seen.has(next)) reaches(next, seen.add(next));
      }
      return seen;
    };
    for (const state of ["scheduled", "claimed", "running", "committing"] as const) {
      expect([...reaches(state)]).toEqual(expect.arrayContaining(["succeeded", "failed"]));
    }
    expect(TRANSITIONS.committing).not.toContain("cancelled");
    expect(new Set(REASONS).size).toBe(REASONS.length);
  });
});
