/**
 * A world for the scheduler to live in: jobs, runs that take their time and die, a clock that is set, a machine that sleeps. Everything
 * that happens is a command (data, so that fast-check can shrink a story), and after each tick the laws are checked.
 *
 * The model knows nothing of cursors or queues. It knows which slots the clock has passed while a schedule was in force, and counts what
 * was published by whom; the ledger must agree.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "vitest";
import type { JobDefinition } from "../../src/schedule/definition.ts";
import { type Ledger, openLedger } from "../../src/schedule/ledger.ts";
import { nextWakeMs, ON_TIME_MS, plan } from "../../src/schedule/planner.ts";
import type { Fence, LedgerJob, Look, ProcessIdentity, RunRow } from "../../src/schedule/run-row.ts";
import { slotsBetween } from "../../src/schedule/slots.ts";
import { isActive, isTerminal } from "../../src/schedule/states.ts";

export type Command =
  | { kind: "advance"; minutes: number }
  /** Ticks stop: the scheduler is down, or the machine sleeps and every run with it. */
  | { kind: "downtime"; hours: number; sleep: boolean }
  | { kind: "setClock"; minutes: number }
  | { kind: "edit"; job: number; schedule: number }
  | { kind: "pause" | "resume" | "killRun" | "backfill" | "byHand" | "cancel"; job: number }
  /** The scheduler dies between claiming and starting, and comes back. */
  | { kind: "loseClaims" }
  /** The scheduler stands still between plan and apply, while another one ticks. */
  | { kind: "stalePlan" };

export interface WorldOptions {
  startMs: number;
  jobs: JobDefinition[];
  /** Other forms of the jobs, for edits: of the same length, any number of them. */
  edited: JobDefinition[][];
  random: () => number;
  /** Share of attempts that fail in passing, for good, or die. */
  trouble: number;
}

interface Going {
  fence: Fence;
  process: ProcessIdentity;
  run: RunRow;
  endsMs: number;
}

const MINUTE_MS = 60_000;
/** Long: on its own machine the process table decides, and a year of renewals proves nothing. */
const LEASE_MS = 24 * 60 * MINUTE_MS;
/** The ledger's disk: memory where there is some, a year has a million transactions. */
const FAST = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
const ROWS = { read: 1, predicted: 1, rejected: 0 };

export class World {
  readonly ledger: Ledger;
  readonly figures = {
    ticks: 0,
    slots: 0,
    published: 0,
    recovered: 0,
    killed: 0,
    downtimes: 0,
    clockSteps: 0,
    edits: 0,
    pauses: 0,
    stale: 0,
  };
  readonly going = new Map<string, Going>();
  private readonly dir = mkdtempSync(path.join(FAST, "batchpredict-world-"));
  private readonly alive = new Set<number>();
  private readonly expected = new Map<string, Set<string>>();
  private readonly published = new Map<string, number>();
  private readonly ended = new Map<string, string>();
  private readonly passedMs = new Map<string, number>();
  /** What the wall clock shows more than the true time. */
  private skewMs = 0;
  private trueMs: number;
  private definitions: JobDefinition[];
  private inForce: JobDefinition[];
  private jobsAtTick: LedgerJob[] = [];
  private ids = 0;
  private pids = 1;

  constructor(private readonly options: WorldOptions) {
    this.trueMs = options.startMs;
    this.definitions = [...options.jobs];
    this.inForce = [...options.jobs];
    this.ledger = openLedger({ stateDir: path.join(this.dir, "state"), newId: () => `run-${++this.ids}` });
    for (const { name } of options.jobs) {
      this.expected.set(name, new Set());
      this.passedMs.set(name, this.wallMs);
    }
    this.tick();
  }

  get wallMs(): number {
    return this.trueMs + this.skewMs;
  }

  do(command: Command): void {
    const { figures } = this;
    const job = "job" in command ? this.definitions[command.job % this.definitions.length]! : this.definitions[0]!;
    const position = this.definitions.indexOf(job);
    switch (command.kind) {
      case "advance":
        this.advance(command.minutes * MINUTE_MS);
        break;
      case "downtime": {
        figures.downtimes++;
        const until = this.trueMs + command.hours * 60 * MINUTE_MS;
        // Runs own their leases and go on without a scheduler; a machine that sleeps takes them along.
        if (command.sleep) for (const going of this.going.values()) going.endsMs += until - this.trueMs;
        else this.finish(until, false);
        this.trueMs = until;
        this.tick();
        break;
      }
      case "setClock":
        figures.clockSteps++;
        this.skewMs += command.minutes * MINUTE_MS;
        this.tick();
        break;
      case "edit":
        figures.edits++;
        this.definitions[position] = this.options.edited[command.schedule % this.options.edited.length]![position]!;
        this.tick();
        break;
      case "pause":
        figures.pauses++;
        this.ledger.pause(job.name, this.wallMs);
        this.tick();
        break;
      case "resume":
        this.ledger.resume(job.name, this.wallMs);
        this.tick();
        break;
      case "killRun": {
        const going = [...this.going.values()].find(({ run }) => run.job === job.name);
        if (going) this.die(going);
        this.tick();
        break;
      }
      case "cancel": {
        const active = this.ledger.active().find((run) => run.job === job.name);
        if (active) this.ledger.cancel(active.id, this.wallMs);
        break;
      }
      case "backfill":
      case "byHand":
        this.ask(job, command.kind);
        break;
      case "loseClaims":
        this.tick({ lose: true });
        break;
      case "stalePlan": {
        // Half an hour nobody looks, so that there is something to plan, twice.
        this.trueMs += 30 * MINUTE_MS;
        this.finish(this.trueMs, true);
        const stale = plan(this.definitions, this.ledger.state(this.look, this.wallMs), this.wallMs, this.planOptions());
        const wasMs = this.wallMs;
        this.tick();
        const applied = this.ledger.apply(stale, { owner: "zombie", nowMs: wasMs });
        expect(applied.claimed).toEqual([]);
        figures.stale += applied.stale;
        break;
      }
    }
  }

  /** Time goes by with a scheduler that wakes when it said it would, when a run ends, and once an hour. */
  advance(durationMs: number): void {
    const untilMs = this.trueMs + durationMs;
    while (this.trueMs < untilMs) {
      const open = this.ledger.timed(this.wallMs);
      const wakeMs = nextWakeMs(this.definitions, { jobs: this.jobsAtTick, open }, this.wallMs);
      const ends = [...this.going.values()].map(({ endsMs }) => endsMs);
      const soonest = Math.min(
        untilMs,
        this.trueMs + 60 * MINUTE_MS,
        (wakeMs ?? Number.POSITIVE_INFINITY) - this.skewMs,
        ...ends,
      );
      this.trueMs = Math.max(soonest, this.trueMs + 1_000);
      this.finish(this.trueMs, true);
      this.tick();
    }
  }

  /** A last day without trouble for what still goes on; then the whole ledger is held against the model. */
  settle(): void {
    for (const { name } of this.definitions) this.ledger.resume(name, this.wallMs);
    this.options.trouble = 1e-9;
    this.advance(24 * 60 * MINUTE_MS);
    this.checkAll();
  }

  remove(): void {
    this.ledger.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  private readonly look: Look = ({ pid }) => (this.alive.has(pid) ? "alive" : "dead");

  private planOptions() {
    return { random: this.options.random, maxActive: 1_000 };
  }

  private tick({ lose = false } = {}): void {
    this.figures.ticks++;
    this.passSlots();
    const deadBefore = this.ledger.active().filter((run) => run.process !== null && !this.alive.has(run.process.pid));
    const state = this.ledger.state(this.look, this.wallMs);
    this.jobsAtTick = state.jobs;
    const actions = plan(this.definitions, state, this.wallMs, this.planOptions());
    const { claimed, stop, kill } = this.ledger.apply(actions, { owner: lose ? "lost" : "scheduler", nowMs: this.wallMs });
    this.inForce = [...this.definitions];
    this.figures.recovered += deadBefore.length;
    for (const { id, attempt, runKey } of deadBefore) {
      const now = this.ledger.run(id)!;
      if (isActive(now.state) && now.attempt === attempt) throw new Error(`${runKey} was not recovered by one tick`);
    }
    if (!lose) for (const { run, fence } of claimed) this.begin(run, fence);
    for (const run of stop) this.stopped(run);
    for (const run of kill) {
      const going = this.going.get(run.id);
      if (going) this.die(going);
    }
  }

  /** Slots that the wall clock went over since the last tick, under the schedule that was in force. */
  private passSlots(): void {
    for (const { name, schedule, timeZone } of this.inForce) {
      const before = this.passedMs.get(name)!;
      if (this.wallMs < before - ON_TIME_MS || this.wallMs > before) this.passedMs.set(name, this.wallMs);
      if (schedule === null || this.wallMs <= before) continue;
      for (const { runKey } of slotsBetween(schedule, timeZone, before, this.wallMs)) this.expected.get(name)!.add(runKey);
    }
  }

  private begin(run: RunRow, fence: Fence): void {
    const process = { host: "here", bootId: "b", pid: ++this.pids, startTime: "s" };
    this.alive.add(process.pid);
    const running = this.ledger.running(fence, process, this.wallMs, this.wallMs + LEASE_MS);
    if (running === null) throw new Error(`${run.runKey} was claimed and cannot begin`);
    const minutes = 10 * Math.floor(1 + this.options.random() ** 4 * 30);
    this.going.set(run.id, { fence: running, process, run, endsMs: this.trueMs + minutes * MINUTE_MS });
  }

  private finish(untilMs: number, mayFail: boolean): void {
    for (const going of [...this.going.values()].filter(({ endsMs }) => endsMs <= untilMs)) {
      const dice = mayFail ? this.options.random() / this.options.trouble : 9;
      if (dice < 0.4) this.die(going);
      else if (dice < 0.7) this.fail(going, "BP_OUTPUT_BUSY");
      else if (dice < 1) this.fail(going, "BP_BINDING");
      else this.publish(going);
    }
  }

  private publish(going: Going): void {
    this.end(going);
    const committing = this.ledger.committing(going.fence, this.wallMs);
    if (committing === null) return;
    const done = this.ledger.settle(committing, { kind: "succeeded", rows: ROWS, output: "o" }, this.wallMs, () => 0);
    if (done === null) return;
    this.figures.published++;
    const key = `${done.job}\n${done.runKey}`;
    this.published.set(key, (this.published.get(key) ?? 0) + 1);
    // A zombie that comes to the same end later must not be believed.
    if (this.ledger.settle(committing, { kind: "interrupted" }, this.wallMs, () => 0)) throw new Error(`${key} ended twice`);
  }

  private fail(going: Going, code: "BP_OUTPUT_BUSY" | "BP_BINDING"): void {
    this.end(going);
    this.ledger.settle(going.fence, { kind: "failed", error: { code, message: "m" } }, this.wallMs, this.options.random);
  }

  /** SIGKILL, now and then in the middle of the commit. */
  private die(going: Going): void {
    this.figures.killed++;
    if (this.options.random() < 0.3) this.ledger.committing(going.fence, this.wallMs);
    this.end(going);
  }

  private stopped(run: RunRow): void {
    const going = this.going.get(run.id);
    // One in three does not listen, and is killed later.
    if (!going || this.options.random() < 0.33) return;
    this.end(going);
    this.ledger.settle(going.fence, { kind: "interrupted" }, this.wallMs, this.options.random);
  }

  private end({ run, process }: Going): void {
    this.going.delete(run.id);
    this.alive.delete(process.pid);
  }

  private ask(job: JobDefinition, kind: "backfill" | "byHand"): void {
    if (job.schedule === null) return;
    const slots = [...slotsBetween(job.schedule, job.timeZone, this.wallMs - 9 * 86_400_000, this.wallMs)];
    const slot = slots[Math.floor(this.options.random() * slots.length)];
    if (!slot) return;
    const trigger = kind === "backfill" ? ("backfill" as const) : ("manual" as const);
    const request = { job: job.name, slot, trigger, timeoutMs: null, again: false };
    if (kind === "backfill") {
      this.ledger.request(request, this.wallMs);
      this.tick();
      return;
    }
    const process = { host: "here", bootId: "b", pid: ++this.pids, startTime: "s" };
    const start = this.ledger.start(request, `hand-${process.pid}`, process, this.wallMs, this.wallMs + LEASE_MS);
    if (start.kind !== "claimed") return;
    this.alive.add(process.pid);
    const fence = this.ledger.running(start.fence, process, this.wallMs, this.wallMs + LEASE_MS)!;
    this.going.set(start.run.id, { fence, process, run: start.run, endsMs: this.trueMs + 20 * MINUTE_MS });
  }

  /** The laws that hold at any time; called often in small worlds. */
  checkNow(): void {
    const active = this.ledger.active();
    expect(new Set(active.map(({ job }) => job)).size, "one active run per job").toBe(active.length);
    for (const run of this.ledger.history(null, { limit: 1_000_000 })) {
      const before = this.ended.get(run.id);
      if (before !== undefined) expect(`${run.runKey} ${run.state}`, "terminal is terminal").toBe(before);
      if (isTerminal(run.state)) this.ended.set(run.id, `${run.runKey} ${run.state}`);
    }
  }

  private checkAll(): void {
    this.checkNow();
    const runs = this.ledger.history(null, { limit: 10_000_000 });
    const recorded = new Set(runs.map((run) => `${run.job}\n${run.runKey}`));
    const unrecorded = [...this.expected].flatMap(([job, keys]) =>
      [...keys].map((key) => `${job}\n${key}`).filter((key) => !recorded.has(key)),
    );
    expect(unrecorded.slice(0, 5), "every slot that passed has a row").toEqual([]);
    const successes = runs.filter((run) => run.state === "succeeded").map((run) => `${run.job}\n${run.runKey}`);
    expect(new Set(successes).size, "one success per key").toBe(successes.length);
    expect(
      [...this.published.values()].filter((times) => times !== 1),
      "published once",
    ).toEqual([]);
    expect([...this.published.keys()].sort()).toEqual(successes.sort());
    this.figures.slots = [...this.expected.values()].reduce((sum, keys) => sum + keys.size, 0);
  }
}
