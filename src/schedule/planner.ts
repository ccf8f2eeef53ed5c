/**
 * The scheduler's core: a pure function of jobs, ledger and time. It never trusts why it was called and never chains; calling it
 * twice with the same state gives the same actions, and applying them twice changes nothing more.
 */
import { DEFAULT_RETRIES, type JobDefinition, type NotifyEvent } from "./definition.ts";
import { nextSlotMs } from "./next-slot.ts";
import { afterAttempt } from "./outcome.ts";
import { claimsOf, JobQueue } from "./plan-queue.ts";
import { decidesAnything, dueSlots, planSlots, recordMisses } from "./plan-slots.ts";
import type { LedgerJob, RunRow, StopReason } from "./run-row.ts";
import type { Slot } from "./slots.ts";
import { isActive, type Reason, type RunState, type Trigger } from "./states.ts";
import { STOP_GRACE_MS, timeoutStep } from "./timeouts.ts";

/** A slot this late still counts as on time: a standby takes over within 30 s and a safety tick comes every 20 s. */
export const ON_TIME_MS = 60_000;
export const CATCHUP_MS = 7 * 86_400_000;
export const CATCHUP_SLOTS = 10;
/** How long a claim lives without its run having started. */
export const CLAIM_LEASE_MS = 60_000;

/** What `Ledger.state` reads in one transaction. */
export interface LedgerState {
  jobs: LedgerJob[];
  /** scheduled, claimed, running, committing. */
  open: RunRow[];
  /** Ids of active runs whose process is gone (see liveness.ts). */
  dead: ReadonlySet<string>;
  /** Runs past their deadline without success, not yet told. */
  overdue: RunRow[];
  /** Of jobs with a slot due: keys that were decided near the cursor or ahead of it, by an edited schedule, by hand, or under a clock that was ahead. */
  decided: DecidedKey[];
}

export interface DecidedKey {
  job: string;
  runKey: string;
  state: RunState;
  endedMs: number | null;
}

export interface PlanOptions {
  /** Uniform in [0, 1): the jitter of backoffs. */
  random: () => number;
  /** Runs active at once, over all jobs. */
  maxActive: number;
  /** Jobs whose file is there but cannot be read just now: they go on as the ledger knows them. */
  unreadable?: ReadonlySet<string>;
}

/** Data; `Ledger.apply` obeys. Each is guarded by what the planner saw, so a stale plan changes nothing. */
export type Action =
  /** A job seen for the first time, edited, removed or back: the cursor is where its slots begin to count. */
  | { kind: "adopt"; definition: JobDefinition; fromMs: number | null; cursorMs: number }
  | { kind: "remove"; job: string; nowMs: number }
  | { kind: "cursor"; job: string; fromMs: number; toMs: number }
  | { kind: "schedule"; job: string; slot: Slot; trigger: Trigger; timeoutMs: number | null; dueByMs: number | null }
  /** A slot that will not run, recorded: `slots` > 1 when one row stands for several. */
  | { kind: "record"; job: string; slot: Slot; state: "skipped" | "missed"; reason: Reason; slots: number }
  /** A queued run that will not run. */
  | { kind: "drop"; job: string; runKey: string; attempt: number; state: "skipped" | "cancelled"; reason: Reason }
  /** By key, as `drop`, so that a slot can be scheduled and claimed by one plan. */
  | { kind: "claim"; job: string; runKey: string; attempt: number }
  /** Ask (SIGTERM) or make (SIGKILL of the group) a run stop; the dispatcher sends the signal once the ledger has it. */
  | { kind: "stop"; run: RunRow; reason: StopReason }
  | { kind: "kill"; run: RunRow }
  /** A dead run: another attempt, or its end. */
  | { kind: "recover"; run: RunRow; next: Recovery }
  | { kind: "alert"; run: RunRow; event: NotifyEvent };

export type Recovery =
  | { state: "scheduled"; reason: Reason; notBeforeMs: number; failures: number; crashes: number }
  | { state: "failed" | "cancelled"; reason: Reason; failures: number; crashes: number };

/** @param jobs every job with a readable file, scheduled or not; @param nowMs wall clock */
export function plan(jobs: readonly JobDefinition[], state: LedgerState, nowMs: number, options: PlanOptions): Action[] {
  const actions: Action[] = [];
  const known = new Map(state.jobs.map((job) => [job.name, job]));
  const present = new Set(jobs.map(({ name }) => name));
  const queues = new Map<string, JobQueue>();
  const queueOf = (job: string): JobQueue => {
    const queue = queues.get(job) ?? new JobQueue(job);
    queues.set(job, queue);
    return queue;
  };
  for (const run of state.open) {
    if (isActive(run.state)) planActive(run, known.get(run.job)?.definition, state.dead.has(run.id), queueOf(run.job));
    else queueOf(run.job).add(run);
  }
  const decided = new Map<string, DecidedKey>();
  for (const key of state.decided) decided.set(`${key.job}\n${key.runKey}`, key);
  const isDecided = (job: string, slot: Slot): boolean => {
    const key = decided.get(`${job}\n${slot.runKey}`);
    return key !== undefined && !mayTakeOver(key, slot);
  };

  for (const definition of jobs) planJob(definition, known.get(definition.name));
  for (const job of state.jobs) {
    if (present.has(job.name)) continue;
    if (options.unreadable?.has(job.name)) planJob(job.definition, job);
    else if (job.removedMs === null) planRemoved(job);
  }
  for (const run of state.overdue) actions.push({ kind: "alert", run, event: "overdue" });
  const active = state.open.filter((run) => isActive(run.state) && !state.dead.has(run.id)).length;
  actions.push(...claimsOf([...queues.values()], options.maxActive - active, nowMs));
  return actions;

  function planActive(run: RunRow, definition: JobDefinition | undefined, dead: boolean, queue: JobQueue): void {
    if (dead) {
      const retries = definition?.retries ?? DEFAULT_RETRIES;
      const next = afterAttempt(run, { kind: "crashed", detail: "its process is gone" }, retries, nowMs, options.random);
      actions.push({ kind: "recover", run, next });
      if (next.state === "scheduled") queue.add({ ...run, state: "scheduled", notBeforeMs: next.notBeforeMs });
      return;
    }
    queue.active = run;
    const step = timeoutStep(run, nowMs);
    if (step === "kill") actions.push({ kind: "kill", run });
    else if (step === "ask") actions.push({ kind: "stop", run, reason: "timeout" });
  }

  function planJob(definition: JobDefinition, job: LedgerJob | undefined): void {
    const { name } = definition;
    if (job === undefined || job.removedMs !== null) {
      actions.push({ kind: "adopt", definition, fromMs: job?.cursorMs ?? null, cursorMs: nowMs });
      return;
    }
    const queue = queueOf(name);
    queue.paused = job.pausedMs !== null && job.resumedMs === null;
    const edited = job.definition.scheduleHash !== definition.scheduleHash;
    // The clock went back: what was decided stays decided (`decided`), what was not is due when its time comes.
    const back = nowMs < job.cursorMs - ON_TIME_MS;
    const due = dueSlots(edited ? job.definition : definition, job, nowMs, (slot) => isDecided(name, slot));
    actions.push(...planSlots(definition, due, queue, edited ? "schedule-changed" : null));
    if (edited) {
      actions.push({ kind: "adopt", definition, fromMs: job.cursorMs, cursorMs: nowMs });
      return;
    }
    if (back || decidesAnything(due) || (job.resumedMs !== null && job.resumedMs <= nowMs)) {
      actions.push({ kind: "cursor", job: name, fromMs: job.cursorMs, toMs: nowMs });
    }
    if (textOf(job.definition) !== textOf(definition)) {
      const moved = actions.at(-1);
      const cursorMs = moved?.kind === "cursor" && moved.job === name ? moved.toMs : job.cursorMs;
      actions.push({ kind: "adopt", definition, fromMs: cursorMs, cursorMs });
    }
  }

  function planRemoved(job: LedgerJob): void {
    const due = dueSlots(job.definition, job, nowMs, (slot) => isDecided(job.name, slot));
    actions.push(...recordMisses(job.name, due, "job-removed"));
    actions.push(...queueOf(job.name).removeAll());
    actions.push({ kind: "remove", job: job.name, nowMs });
  }
}

/**
 * A key is decided once, with two exceptions: an edited schedule (or a run by hand that failed) may end before the key's slot comes, and
 * a clock that was ahead marked slots as missed that had not come yet. What has succeeded, or is open, stays.
 */
export function mayTakeOver(run: Pick<RunRow, "state" | "endedMs">, slot: Slot): boolean {
  if (run.endedMs === null || run.state === "succeeded") return false;
  return run.state === "missed" || run.endedMs < slot.utcMs;
}

const texts = new WeakMap<JobDefinition, string>();

function textOf(definition: JobDefinition): string {
  const text = texts.get(definition) ?? JSON.stringify(definition);
  texts.set(definition, text);
  return text;
}

/** When the next tick is worth its while: the next slot, backoff, timeout, kill or lease; null: only the safety tick. */
export function nextWakeMs(
  jobs: readonly JobDefinition[],
  state: Pick<LedgerState, "jobs" | "open">,
  nowMs: number,
): number | null {
  const paused = new Set(state.jobs.filter((job) => job.pausedMs !== null && job.resumedMs === null).map((job) => job.name));
  let wakeMs = Number.POSITIVE_INFINITY;
  const at = (ms: number | null | undefined): void => {
    if (ms !== null && ms !== undefined && ms > nowMs && ms < wakeMs) wakeMs = ms;
  };
  for (const definition of jobs) {
    if (!paused.has(definition.name)) at(nextSlotMs(definition, nowMs));
  }
  for (const run of state.open) {
    if (run.state === "scheduled") at(run.notBeforeMs);
    else at(run.leaseUntilMs);
    if (run.startedMs !== null && run.timeoutMs !== null && run.stop === null) at(run.startedMs + run.timeoutMs);
    if (run.stop) at((run.stop.killedMs ?? run.stop.askedMs) + STOP_GRACE_MS);
  }
  return wakeMs === Number.POSITIVE_INFINITY ? null : wakeMs;
}
