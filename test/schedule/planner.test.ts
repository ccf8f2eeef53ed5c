import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Job } from "../../src/config/job-schema.ts";
import { planBackfill } from "../../src/schedule/gaps.ts";
import { nextWakeMs, plan } from "../../src/schedule/planner.ts";
import { at, Bench, definition } from "./bench.ts";

let bench: Bench;
beforeEach(() => {
  bench = new Bench("2026-11-20T12:00Z");
});
afterEach(() => bench.remove());

/** The bench knows the job since 2026-11-20 noon. */
function know(fields: Partial<Job>): void {
  bench.definitions = [definition("j", { schedule: { daily: "02:30" }, ...fields })];
  bench.tick();
}
/** Runs whatever is claimable until nothing is, one tick after the other. */
function runAll(): void {
  for (let applied = bench.tick(); applied.claimed.length > 0; applied = bench.tick()) bench.succeed(bench.begin(applied).fence);
}

describe("a slot", () => {
  it("is scheduled and claimed by the tick in which it comes due, and by no other", () => {
    know({});
    expect(bench.tick("2026-11-21T02:29:59Z").claimed).toEqual([]);
    const applied = bench.tick("2026-11-21T02:30Z");
    expect(applied.claimed).toMatchObject([{ run: { runKey: "2026-11-21", trigger: "schedule", state: "claimed", attempt: 1 } }]);
    expect(bench.tick().claimed).toEqual([]);
    bench.succeed(bench.begin(applied).fence);
    expect(bench.tick("2026-11-21T02:31Z").claimed).toEqual([]);
    expect(bench.story("j")).toEqual(["2026-11-21 succeeded schedule"]);
  });

  it("is never one from before the job was known, edited or back", () => {
    know({});
    expect(bench.story("j")).toEqual([]);
    bench.tick("2026-11-21T02:00Z");
    bench.definitions = [definition("j", { schedule: { daily: "01:00" } })];
    runAll();
    bench.tick("2026-11-21T12:00Z");
    expect(bench.story("j")).toEqual([]);
    bench.definitions = [];
    bench.tick("2026-11-22T00:30Z");
    expect(bench.ledger.job("j")).toMatchObject({ removedMs: bench.nowMs });
    bench.definitions = [definition("j", { schedule: { daily: "01:00" } })];
    bench.tick("2026-11-22T02:00Z");
    expect(bench.story("j")).toEqual([]);
    expect(bench.tick("2026-11-23T01:00Z").claimed).toHaveLength(1);
  });

  it("is decided once, whatever the plan is applied to", () => {
    know({});
    bench.nowMs = at("2026-11-21T02:30Z");
    const options = { random: () => 0.5, maxActive: 10 };
    const actions = plan(bench.definitions, bench.ledger.state(bench.look, bench.nowMs), bench.nowMs, options);
    expect(bench.ledger.apply(actions, { owner: "one", nowMs: bench.nowMs })).toMatchObject({ stale: 0, claimed: [{}] });
    expect(bench.ledger.apply(actions, { owner: "two", nowMs: bench.nowMs })).toMatchObject({
      stale: actions.length,
      claimed: [],
    });
  });
});

describe("slots that came while nothing looked", () => {
  const caughtUp = (catchup: Job["catchup"], now: string): string[] => {
    know(catchup ? { catchup } : {});
    bench.nowMs = at(now);
    runAll();
    return bench.story("j");
  };

  it("latest: the newest runs, the others are missed", () => {
    expect(caughtUp("latest", "2026-11-23T12:00Z")).toEqual([
      "2026-11-21 missed newer-due schedule",
      "2026-11-22 missed newer-due schedule",
      "2026-11-23 succeeded catchup",
    ]);
  });

  it("all: the newest ten of seven days run, in their order", () => {
    const story = caughtUp("all", "2026-12-01T12:00Z");
    expect(story.slice(0, 4)).toEqual([
      "2026-11-21 missed catchup-limit schedule",
      "2026-11-22 missed catchup-limit schedule",
      "2026-11-23 missed catchup-limit schedule",
      "2026-11-24 missed catchup-limit schedule",
    ]);
    expect(story.slice(4)).toEqual(
      ["25", "26", "27", "28", "29", "30"]
        .map((day) => `2026-11-${day} succeeded catchup`)
        .concat("2026-12-01 succeeded catchup"),
    );
  });

  it("none: all are missed, the next on time runs", () => {
    expect(caughtUp("none", "2026-11-22T02:30:30Z")).toEqual([
      "2026-11-21 missed no-catchup schedule",
      "2026-11-22 succeeded schedule",
    ]);
  });

  it("a year of minutes is one tick; a thousand misses have rows of their own, the rest share one", () => {
    know({ schedule: { cron: "* * * * *" }, notify: [{ on: ["missed"], webhook: { url: "https://example.org" } }] });
    bench.tick("2027-11-20T12:00:30Z");
    const runs = bench.ledger.history("j", { limit: 5_000 });
    expect(runs.filter((run) => run.slots === 1)).toHaveLength(1_000 + 1);
    // 365 days of minutes: one is on time, none is lost.
    expect(runs.reduce((sum, run) => sum + run.slots, 0)).toBe(365 * 1_440);
    const told = bench.ledger.dueOutbox(bench.nowMs, 100);
    expect(told).toHaveLength(1);
    expect(told[0]!.run.slots).toBe(365 * 1_440 - 1);
  });
});

describe("a slot that comes while the run before goes on", () => {
  const every = { schedule: { cron: "*/10 * * * *" } };
  const slots = (fields: Partial<Job>) => {
    know({ ...every, ...fields });
    const first = bench.begin(bench.tick("2026-11-20T12:10Z"));
    bench.tick("2026-11-20T12:20Z");
    const applied = bench.tick("2026-11-20T12:30Z");
    return { first, applied };
  };

  it("queue: one waits, the newest", () => {
    const { first } = slots({ overlap: "queue" });
    bench.succeed(first.fence);
    runAll();
    expect(bench.story("j")).toEqual([
      "2026-11-20T12:10 succeeded schedule",
      "2026-11-20T12:20 skipped newer-slot schedule",
      "2026-11-20T12:30 succeeded schedule",
    ]);
  });

  it("skip: none waits", () => {
    const { first } = slots({ overlap: "skip" });
    bench.succeed(first.fence);
    runAll();
    expect(bench.story("j")).toEqual([
      "2026-11-20T12:10 succeeded schedule",
      "2026-11-20T12:20 skipped overlap schedule",
      "2026-11-20T12:30 skipped overlap schedule",
    ]);
  });

  it("replace: the run is asked to stop, once, then killed, then the newest goes", () => {
    know({ ...every, overlap: "replace" });
    const first = bench.begin(bench.tick("2026-11-20T12:10Z"));
    expect(bench.tick("2026-11-20T12:20Z")).toMatchObject({ stop: [{ runKey: "2026-11-20T12:10" }], kill: [], claimed: [] });
    expect(bench.tick("2026-11-20T12:20:09Z")).toMatchObject({ stop: [], kill: [] });
    expect(bench.tick("2026-11-20T12:20:10Z")).toMatchObject({ kill: [{ runKey: "2026-11-20T12:10" }] });
    bench.alive.delete(first.process.pid);
    expect(bench.tick("2026-11-20T12:20:11Z").claimed).toMatchObject([{ run: { runKey: "2026-11-20T12:20" } }]);
    expect(bench.story("j")).toEqual(["2026-11-20T12:10 cancelled replaced schedule", "2026-11-20T12:20 claimed schedule"]);
  });

  it("replace: never while committing", () => {
    know({ ...every, overlap: "replace" });
    const { fence } = bench.begin(bench.tick("2026-11-20T12:10Z"));
    bench.ledger.committing(fence, bench.nowMs);
    expect(bench.tick("2026-11-20T12:20Z")).toMatchObject({ stop: [], claimed: [] });
    expect(bench.story("j")).toEqual(["2026-11-20T12:10 committing schedule", "2026-11-20T12:20 scheduled schedule"]);
  });

  it("never costs a late slot its run, nor one that waits for its retry", () => {
    know({ catchup: "all", overlap: "skip", retries: { max: 5, initial: "15m", longest: "15m" } });
    const { fence } = bench.begin(bench.tick("2026-11-23T02:30Z"));
    const error = { code: "BP_OUTPUT_BUSY" as const, message: "busy" };
    bench.ledger.settle(fence, { kind: "failed", error }, bench.nowMs, () => 0.99);
    expect(bench.tick().claimed).toEqual([]);
    bench.tick("2026-11-23T02:50Z");
    bench.ledger.close();
    bench.ledger = bench.open();
    expect(bench.story("j")).toEqual([
      "2026-11-21 claimed catchup",
      "2026-11-22 scheduled catchup",
      "2026-11-23 scheduled schedule",
    ]);
  });
});

describe("a paused job", () => {
  it("skips its slots, tells so, and replays nothing when it goes on", () => {
    know({});
    bench.ledger.pause("j", at("2026-11-21T00:00Z"));
    expect(bench.ledger.pause("j", at("2026-11-21T01:00Z"))).toBe(false);
    bench.tick("2026-11-21T02:30Z");
    // The scheduler is off on the 22nd, and the pause ends meanwhile.
    bench.ledger.resume("j", at("2026-11-22T12:00Z"));
    bench.nowMs = at("2026-11-23T02:30Z");
    runAll();
    expect(bench.story("j")).toEqual([
      "2026-11-21 skipped paused schedule",
      "2026-11-22 skipped paused schedule",
      "2026-11-23 succeeded schedule",
    ]);
    expect(bench.ledger.job("j")).toMatchObject({ pausedMs: null, resumedMs: null });
  });

  it("does not lose slots from before the pause", () => {
    know({});
    bench.ledger.pause("j", at("2026-11-21T12:00Z"));
    bench.ledger.resume("j", at("2026-11-22T12:00Z"));
    bench.nowMs = at("2026-11-22T13:00Z");
    runAll();
    expect(bench.story("j")).toEqual(["2026-11-21 succeeded catchup", "2026-11-22 skipped paused schedule"]);
  });

  it("still runs what somebody asks for", () => {
    know({});
    bench.ledger.pause("j", bench.nowMs);
    const [step] = planBackfill(bench.definitions[0]!, new Map(), "2026-11-18", "2026-11-18", bench.nowMs);
    bench.ledger.request({ job: "j", slot: step!.slot, trigger: "backfill", timeoutMs: null, again: false }, bench.nowMs);
    expect(bench.tick().claimed).toMatchObject([{ run: { runKey: "2026-11-18", trigger: "backfill" } }]);
  });
});

describe("an edited job", () => {
  it("records what came due under the old schedule while nothing looked", () => {
    know({});
    bench.definitions = [definition("j", { schedule: { daily: "04:00" } })];
    bench.nowMs = at("2026-11-22T12:00Z");
    runAll();
    bench.nowMs = at("2026-11-23T04:00Z");
    runAll();
    expect(bench.story("j")).toEqual([
      "2026-11-21 missed schedule-changed schedule",
      "2026-11-22 missed schedule-changed schedule",
      "2026-11-23 succeeded schedule",
    ]);
  });

  it("runs a date once: not again in the afternoon when the morning succeeded, again when it failed", () => {
    for (const [index, succeeds] of [true, false].entries()) {
      const name = `job-${index}`;
      bench.nowMs = at("2026-11-20T12:00Z");
      bench.definitions = [definition(name, { schedule: { daily: "02:30" } })];
      bench.tick();
      const { fence } = bench.begin(bench.tick("2026-11-21T02:30Z"));
      if (succeeds) bench.succeed(fence);
      else bench.ledger.settle(fence, { kind: "failed", error: { code: "BP_BINDING", message: "m" } }, bench.nowMs, () => 0);
      bench.definitions = [definition(name, { schedule: { daily: "14:00" } })];
      bench.tick("2026-11-21T10:00Z");
      bench.tick("2026-11-21T14:00Z");
    }
    expect(bench.story("job-0")).toEqual(["2026-11-21 succeeded schedule"]);
    expect(bench.story("job-1")).toEqual(["2026-11-21 failed error schedule (taken over)", "2026-11-21 claimed schedule"]);
  });

  it("keeps its cursor when only its retries change, and goes on unread while its file is broken", () => {
    know({});
    bench.definitions = [definition("j", { schedule: { daily: "02:30" }, retries: { max: 4 } })];
    bench.tick("2026-11-20T13:00Z");
    expect(bench.ledger.job("j")).toMatchObject({ cursorMs: at("2026-11-20T12:00Z"), definition: { retries: { max: 4 } } });
    bench.definitions = [];
    expect(bench.tick("2026-11-21T02:30Z", { unreadable: new Set(["j"]) }).claimed).toHaveLength(1);
  });

  it("is recorded as missed up to its removal, and its queue is cancelled", () => {
    know({});
    const { fence } = bench.begin(bench.tick("2026-11-21T02:30Z"));
    bench.tick("2026-11-22T02:30Z");
    bench.definitions = [];
    bench.tick("2026-11-23T12:00Z");
    expect(bench.story("j")).toEqual([
      "2026-11-21 running schedule",
      "2026-11-22 cancelled job-removed schedule",
      "2026-11-23 missed job-removed schedule",
    ]);
    expect(bench.succeed(fence)).toMatchObject({ state: "succeeded" });
  });
});

describe("the clock", () => {
  it("going back never runs a key twice, nor lets it disturb the run that goes on", () => {
    know({ schedule: { cron: "*/10 * * * *" }, overlap: "replace" });
    for (const time of ["12:10", "12:20"]) bench.succeed(bench.begin(bench.tick(`2026-11-20T${time}:00Z`)).fence);
    bench.begin(bench.tick("2026-11-20T12:30Z"));
    for (const time of ["12:05", "12:10", "12:20", "12:30"]) {
      expect(bench.tick(`2026-11-20T${time}:05Z`)).toMatchObject({ claimed: [], stop: [] });
    }
    expect(bench.story("j")).toEqual([
      "2026-11-20T12:10 succeeded schedule",
      "2026-11-20T12:20 succeeded schedule",
      "2026-11-20T12:30 running schedule",
    ]);
  });

  it("that was ten years ahead for a moment costs nothing once it is right again", () => {
    know({});
    bench.nowMs = at("2036-11-20T12:00Z");
    runAll();
    bench.tick("2026-11-20T12:05Z");
    expect(bench.tick("2026-11-21T02:30Z").claimed).toMatchObject([{ run: { runKey: "2026-11-21", trigger: "schedule" } }]);
  });

  it("that stood still for a night (suspend) is settled by one tick", () => {
    know({ schedule: { cron: "0 * * * *" } });
    bench.tick("2026-11-21T06:30Z");
    expect(bench.story("j")).toHaveLength(18);
    expect(bench.story("j").at(-1)).toBe("2026-11-21T06:00 claimed catchup");
  });
});

describe("a run", () => {
  it("over its time is asked to stop, then killed, then tried again or given up", () => {
    know({ timeout: "2h", retries: { max: 1, initial: "10s" } });
    for (const attempt of [1, 2]) {
      const begun = bench.begin(bench.tick(attempt === 1 ? "2026-11-21T02:30Z" : bench.nowMs + 60_000));
      const startMs = bench.nowMs;
      expect(bench.tick(startMs + 7_199_999).stop).toEqual([]);
      expect(bench.tick(startMs + 7_200_000).stop).toHaveLength(1);
      expect(bench.tick(startMs + 7_210_000).kill).toHaveLength(1);
      expect(bench.tick(startMs + 7_215_000).kill).toEqual([]);
      bench.alive.delete(begun.process.pid);
      bench.tick(startMs + 7_216_000);
    }
    expect(bench.story("j")).toEqual(["2026-11-21 failed timeout schedule"]);
  });

  it("whose process died is recovered by the next tick; one elsewhere when its lease is over", () => {
    know({});
    const { process, run } = bench.begin(bench.tick("2026-11-21T02:30Z"));
    bench.alive.delete(process.pid);
    const { claimed } = bench.tick("2026-11-21T02:30:01Z");
    expect(claimed).toMatchObject([{ run: { id: run.id, attempt: 2, crashes: 1 } }]);
    const elsewhere = { ...process, host: "there" };
    bench.ledger.running(claimed[0]!.fence, elsewhere, bench.nowMs, bench.nowMs + 30_000);
    expect(bench.tick("2026-11-21T02:30:30Z").claimed).toEqual([]);
    bench.tick("2026-11-21T02:30:31Z");
    expect(bench.ledger.run(run.id)).toMatchObject({ state: "scheduled", reason: "owner-dead", crashes: 2 });
  });

  it("that lives keeps its place though its lease is over", () => {
    know({});
    bench.begin(bench.tick("2026-11-21T02:30Z"));
    bench.tick("2026-11-21T05:00Z");
    expect(bench.story("j")).toEqual(["2026-11-21 running schedule"]);
  });

  it("that died while committing is tried again, to find out whether it was done", () => {
    know({});
    const { fence, process, run } = bench.begin(bench.tick("2026-11-21T02:30Z"));
    bench.ledger.committing(fence, bench.nowMs);
    bench.alive.delete(process.pid);
    expect(bench.tick().claimed).toMatchObject([{ run: { id: run.id, attempt: 2 } }]);
  });

  it("claimed by a scheduler that died is claimed again, at no cost", () => {
    know({});
    const { run } = bench.tick("2026-11-21T02:30Z").claimed[0]!;
    bench.owner = "scheduler-2";
    expect(bench.tick("2026-11-21T02:30:59Z").claimed).toEqual([]);
    expect(bench.tick("2026-11-21T02:31:00Z").claimed).toMatchObject([{ run: { id: run.id, owner: "scheduler-2", crashes: 0 } }]);
  });
});

describe("many jobs", () => {
  it("start as many as there is room for, oldest slot first, by hand before all", () => {
    bench.definitions = ["a", "b", "c"].map((name, index) => definition(name, { schedule: { daily: `02:3${2 - index}` } }));
    bench.tick();
    const slot = planBackfill(bench.definitions[0]!, new Map(), "2026-11-01", "2026-11-01", bench.nowMs)[0]!.slot;
    bench.nowMs = at("2026-11-21T02:32Z");
    bench.ledger.request({ job: "a", slot, trigger: "manual", timeoutMs: null, again: false }, bench.nowMs);
    const names = (maxActive: number): string[] =>
      bench.tick(undefined, { maxActive }).claimed.map(({ run }) => `${run.job} ${run.trigger}`);
    expect(names(2)).toEqual(["a manual", "c catchup"]);
    expect(names(2)).toEqual([]);
    expect(names(9)).toEqual(["b schedule"]);
  });
});

describe("a deadline", () => {
  it("that passes without success is told once", () => {
    know({ expect: { by: "06:00" }, notify: [{ on: ["overdue"], webhook: { url: "https://example.org" } }] });
    const { fence } = bench.begin(bench.tick("2026-11-21T02:30Z"));
    bench.tick("2026-11-21T05:59Z");
    expect(bench.ledger.dueOutbox(bench.nowMs, 9)).toEqual([]);
    bench.tick("2026-11-21T06:00Z");
    bench.tick("2026-11-21T06:01Z");
    expect(bench.ledger.dueOutbox(bench.nowMs, 9)).toMatchObject([{ event: "overdue", run: { state: "running" } }]);
    bench.succeed(fence);
    bench.succeed(bench.begin(bench.tick("2026-11-22T02:30Z")).fence);
    bench.tick("2026-11-22T07:00Z");
    expect(bench.ledger.dueOutbox(bench.nowMs, 9)).toHaveLength(1);
  });
});

describe("gaps and backfill", () => {
  it("name what has no success, and a backfill leaves none, though two of its days fail first", () => {
    know({ catchup: "none" });
    const job = bench.definitions[0]!;
    const gaps = (): string[] =>
      bench.ledger
        .gaps("j", at("2026-10-21T12:00Z"), bench.nowMs)
        .map(({ slot, run }) => `${slot.runKey} ${run?.state ?? "nothing"}`);
    bench.tick("2026-11-22T12:00Z");
    expect(gaps()).toHaveLength(32);
    expect(gaps().at(-1)).toBe("2026-11-22 missed");

    const bad = new Set(["2026-11-05", "2026-11-21"]);
    const backfill = (): string[] => {
      const steps = planBackfill(job, bench.ledger.keys("j"), "2026-10-24", "2026-11-23", bench.nowMs);
      for (const { slot, what } of steps) {
        if (what === "run")
          bench.ledger.request({ job: "j", slot, trigger: "backfill", timeoutMs: null, again: false }, bench.nowMs);
      }
      return steps.map(({ what }) => what);
    };
    const count = (steps: string[], what: string): number => steps.filter((step) => step === what).length;
    const first = backfill();
    expect([count(first, "run"), count(first, "future")]).toEqual([30, 1]);
    expect(count(backfill(), "open")).toBe(30);
    for (let applied = bench.tick(); applied.claimed.length > 0; applied = bench.tick()) {
      const { fence, run } = bench.begin(applied);
      const error = { code: "BP_BINDING" as const, message: "m" };
      if (bad.has(run.runKey)) bench.ledger.settle(fence, { kind: "failed", error }, bench.nowMs, () => 0);
      else bench.succeed(fence);
    }
    expect(gaps()).toEqual(["2026-10-22 nothing", "2026-10-23 nothing", "2026-11-05 failed", "2026-11-21 failed"]);

    expect([count(backfill(), "run"), count(backfill(), "done")]).toEqual([2, 28]);
    runAll();
    expect(gaps()).toEqual(["2026-10-22 nothing", "2026-10-23 nothing"]);
    expect(bench.ledger.previousSuccess("j", "2026-11-22")).toMatchObject({ runKey: "2026-11-21" });
  });
});

describe("the next wake", () => {
  it("is the next slot, the end of a pause between attempts, or a lease", () => {
    know({ schedule: { daily: "02:30" }, retries: { max: 1, initial: "10m" } });
    const wake = (): string => {
      const ms = nextWakeMs(bench.definitions, bench.ledger.state(bench.look, bench.nowMs), bench.nowMs);
      return ms === null ? "never" : new Date(ms).toISOString().slice(11, 19);
    };
    expect(wake()).toBe("02:30:00");
    const { fence } = bench.begin(bench.tick("2026-11-21T02:30Z"));
    expect(wake()).toBe("02:30:30");
    const error = { code: "BP_OUTPUT_BUSY" as const, message: "busy" };
    bench.ledger.settle(fence, { kind: "failed", error }, bench.nowMs, () => 0.5);
    expect(wake()).toBe("02:35:00");
    bench.definitions = [];
    expect(nextWakeMs([], { ...bench.ledger.state(bench.look, bench.nowMs), open: [] }, bench.nowMs)).toBeNull();
  });
});
