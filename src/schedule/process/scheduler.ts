/**
 * One scheduler: reads jobs and ledger, asks the planner what is to be done, does it. It holds nothing that the ledger does not
 * hold, so it may die at any instruction, and be replaced by another.
 */
import type { WireError } from "../../core/errors.ts";
import { type JobDefinition, jobDefinition } from "../definition.ts";
import type { Ledger, SchedulerHolder } from "../ledger.ts";
import { nextWakeMs, plan } from "../planner.ts";
import type { Fence, RunRow } from "../run-row.ts";
import type { Alarm } from "./alarm.ts";
import { type Child, startChild } from "./child-run.ts";
import type { JobFolder, JobFolderReader, LoadedJob } from "./job-folder.ts";
import type { LaunchRun } from "./launch-run.ts";
import type { Outbox } from "./outbox.ts";
import type { ProcessTable } from "./process-table.ts";

/** A standby looks every few seconds, so it takes over within 30 s of our last word. */
export const SCHEDULER_LEASE_MS = 25_000;
export const RENEW_EVERY_MS = 8_000;
/** For what runs do at a stop of the scheduler: up to their next commit. */
export const SHUTDOWN_MS = 25_000;

export type SchedulerNews =
  | { type: "started" | "ended"; run: RunRow }
  | { type: "recorded"; job: string; runKey: string; state: "skipped" | "missed"; reason: string; slots: number }
  | { type: "stopping"; run: RunRow; reason: string }
  | { type: "recovered"; run: RunRow; state: string }
  | { type: "jobs"; jobs: JobDefinition[]; problems: WireError[] }
  | { type: "trouble"; doing: string; error: unknown };

export interface SchedulerOptions {
  ledger: Ledger;
  folder: JobFolderReader;
  table: ProcessTable;
  launch: LaunchRun;
  /** Made by the caller, who knows the environment; told about jobs through `jobOf`. */
  outbox: Outbox;
  alarm: Alarm;
  /** Unique per process. */
  owner: string;
  /** Wall clock. */
  nowMs(): number;
  random(): number;
  /** Runs active at once, over all jobs. */
  maxActive: number;
  stateDir: string;
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  onNews(news: SchedulerNews): void;
  /** After each look that went well. */
  onTick?(): void;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  /** By path. */
  #jobs = new Map<string, { loaded: LoadedJob; definition: JobDefinition }>();
  #definitions: JobDefinition[] = [];
  #unreadable: ReadonlySet<string> = new Set();
  #loaded = false;
  #stopping = false;
  #wakeAsked = false;
  /** Runs this process has started and that have not ended, by id. */
  readonly #children = new Map<string, { child: Child; exited: Promise<unknown> }>();

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  get children(): number {
    return this.#children.size;
  }

  jobFile(name: string): LoadedJob["file"] | null {
    return [...this.#jobs.values()].find(({ definition }) => definition.name === name)?.loaded.file ?? null;
  }

  definitions(): readonly JobDefinition[] {
    return this.#definitions;
  }

  /** @returns who holds it, or null: it is ours */
  take(): SchedulerHolder | null {
    const { ledger, owner, table, nowMs } = this.#options;
    const now = nowMs();
    return ledger.takeScheduler(owner, table.self(), (identity) => table.look(identity), now, now + SCHEDULER_LEASE_MS);
  }

  /** @returns false: another scheduler has taken over */
  renew(): boolean {
    const { ledger, owner, nowMs } = this.#options;
    return ledger.renewScheduler(owner, nowMs() + SCHEDULER_LEASE_MS);
  }

  /** Something may have happened; several wakes before the next turn of the event loop are one tick. */
  wake(): void {
    if (this.#wakeAsked) return;
    this.#wakeAsked = true;
    setImmediate(() => {
      this.#wakeAsked = false;
      this.tick();
    });
  }

  /** Looks at everything once. Never throws; trouble is news, and the next tick tries again. */
  tick(): void {
    const { onNews, outbox } = this.#options;
    if (this.#stopping) return;
    try {
      // Asked first: a process that slept for minutes must not act on a right that has passed to another.
      if (!this.renew()) return;
      this.#reload();
      this.#planAndDo();
      this.#options.onTick?.();
    } catch (error) {
      onNews({ type: "trouble", doing: "looking at the ledger", error });
    }
    void outbox.drain();
  }

  /** Stops claiming; asks the runs of this process to stop and waits for them. @returns runs that go on without us */
  async stop(graceMs: number = SHUTDOWN_MS): Promise<number> {
    const { ledger, owner, alarm, table } = this.#options;
    this.#stopping = true;
    alarm.stop();
    for (const { child } of this.#children.values()) table.signal(child.pid, "SIGTERM");
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.all([...this.#children.values()].map(({ exited }) => exited)), grace]);
    clearTimeout(timer);
    for (const { child } of this.#children.values()) child.release();
    ledger.releaseScheduler(owner);
    return this.#children.size;
  }

  /** Resolves when one of our runs has ended; at once when there is none. */
  async anyExit(): Promise<void> {
    await Promise.race([...this.#children.values()].map(({ exited }) => exited));
  }

  #reload(): void {
    const { folder, nowMs, onNews } = this.#options;
    const now = new Date(nowMs());
    const found: JobFolder | null = this.#loaded ? folder.readIfChanged(now) : folder.read(now);
    if (found === null) return;
    this.#loaded = true;
    const before = this.#jobs;
    this.#jobs = new Map();
    for (const loaded of found.jobs) {
      const { file } = loaded;
      const known = before.get(file.path);
      const definition =
        known?.loaded.sha256 === loaded.sha256 ? known.definition : jobDefinition(file.name, file.timeZone, file.job);
      this.#jobs.set(file.path, { loaded, definition });
    }
    this.#definitions = [...this.#jobs.values()].map(({ definition }) => definition);
    this.#unreadable = new Set(found.unreadable);
    // Its runs still want their file: a child that finds it unreadable says why.
    for (const [file, known] of before) {
      if (this.#unreadable.has(known.definition.name) && !this.#jobs.has(file)) this.#jobs.set(file, known);
    }
    onNews({ type: "jobs", jobs: this.#definitions, problems: found.problems });
  }

  #planAndDo(): void {
    const { ledger, table, random, maxActive, owner, onNews, nowMs, alarm } = this.#options;
    const look = (identity: Parameters<ProcessTable["look"]>[0]) => table.look(identity);
    const now = nowMs();
    const state = ledger.state(look, now);
    const actions = plan(this.#definitions, state, now, { random, maxActive, unreadable: this.#unreadable });
    if (actions.length > 0) {
      const applied = ledger.apply(actions, { owner, nowMs: now });
      for (const action of actions) {
        if (action.kind === "record") {
          const { job, slot, state, reason, slots } = action;
          onNews({ type: "recorded", job, runKey: slot.runKey, state, reason, slots });
        } else if (action.kind === "drop") {
          const { job, runKey, reason, state } = action;
          if (state !== "cancelled") onNews({ type: "recorded", job, runKey, state, reason, slots: 1 });
        } else if (action.kind === "recover") onNews({ type: "recovered", run: action.run, state: action.next.state });
      }
      for (const { run, fence } of applied.claimed) this.#start(run, fence);
      for (const run of applied.stop) this.#signal(run, "SIGTERM");
      for (const run of applied.kill) this.#signal(run, "SIGKILL");
    }
    const open = actions.length > 0 ? ledger.timed(now) : state.open;
    alarm.set(nextWakeMs(this.#definitions, { jobs: state.jobs, open }, nowMs()));
  }

  #signal(run: RunRow, signal: "SIGTERM" | "SIGKILL"): void {
    const { table, onNews } = this.#options;
    if (run.process === null || table.look(run.process) !== "alive") return;
    if (signal === "SIGTERM") {
      onNews({ type: "stopping", run, reason: run.stop?.reason ?? "by-user" });
      table.signal(run.process.pid, signal);
    } else table.signalGroup(run.process.pid, signal);
  }

  #start(run: RunRow, fence: Fence): void {
    const { onNews } = this.#options;
    try {
      const file = this.jobFile(run.job);
      if (file === null) {
        const error: WireError = { code: "BP_JOB_FILE", message: `the file of job ${run.job} is gone` };
        this.#options.ledger.settle(fence, { kind: "failed", error }, this.#options.nowMs(), this.#options.random);
        return;
      }
      const child = startChild(this.#options, fence, file.path);
      this.#children.set(run.id, { child, exited: child.ended.then((row) => this.#ended(run.id, row)) });
      onNews({ type: "started", run });
    } catch (error) {
      onNews({ type: "trouble", doing: `starting ${run.job} ${run.runKey}`, error });
    }
  }

  #ended(runId: string, run: RunRow | null): void {
    this.#children.delete(runId);
    if (run) this.#options.onNews({ type: "ended", run });
    this.wake();
  }
}
