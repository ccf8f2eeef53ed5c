/**
 * The ledger: the one thing the scheduler trusts. SQLite (WAL, synchronous=FULL, STRICT tables), every change in BEGIN IMMEDIATE and
 * fenced by state, owner and attempt. All methods are synchronous and short. @throws everywhere BP_STATE, BP_BUSY, BP_DISK_FULL
 */
import type { JobDefinition } from "./definition.ts";
import type { Gap } from "./gaps.ts";
import type { Outcome } from "./outcome.ts";
import type { Action, LedgerState } from "./planner.ts";
import type { Fence, LedgerJob, Look, OutboxEntry, ProcessIdentity, RunRow } from "./run-row.ts";
import type { Slot } from "./slots.ts";
import { SqliteLedger } from "./sqlite-ledger.ts";
import type { RunState, Trigger } from "./states.ts";

export interface LedgerOptions {
  /** Absolute; made with mode 0700 when absent. The file is `ledger.db` in it. */
  stateDir: string;
  /** Ids of runs, sortable by time (UUIDv7). */
  newId: () => string;
  /** How long to wait for another writer, whose transactions take milliseconds. Default 10 s. */
  busyMs?: number;
}

/** A run somebody asks for: by hand, from CI, or to fill a gap. */
export interface RunRequest {
  job: string;
  /** From `slots.ts`, or `handSlot` for a run without one. */
  slot: Slot;
  trigger: Trigger;
  timeoutMs: number | null;
  /** Run again although the key has succeeded (not with --if-needed, not by backfill). */
  again: boolean;
}

export type Requested =
  /** In the queue now. */
  | { kind: "queued"; run: RunRow }
  /** The key is in the queue or active already. */
  | { kind: "open"; run: RunRow }
  /** The key has succeeded. */
  | { kind: "done"; run: RunRow };

export type Started =
  | { kind: "claimed"; run: RunRow; fence: Fence }
  /** Another run of the job is active. */
  | { kind: "busy"; run: RunRow }
  | { kind: "done"; run: RunRow };

/** What the dispatcher does after the transaction: start these, signal those. */
export interface Applied {
  claimed: { run: RunRow; fence: Fence }[];
  stop: RunRow[];
  kill: RunRow[];
  /** Actions that found the ledger changed and did nothing. */
  stale: number;
}

export interface SchedulerHolder {
  owner: string;
  process: ProcessIdentity;
  sinceMs: number;
  leaseUntilMs: number;
}

export interface Ledger {
  readonly path: string;
  close(): void;

  /** Everything the planner needs, from one read transaction. @param look asks the process table about runs of this machine */
  state(look: Look, nowMs: number): LedgerState;
  /** All actions in one transaction. @param owner becomes the owner of what is claimed, unique per scheduler process */
  apply(actions: readonly Action[], context: { owner: string; nowMs: number }): Applied;

  jobs(): LedgerJob[];
  job(name: string): LedgerJob | null;
  /** Makes a job known before any scheduler has seen it, cursor = now; refreshes nothing of a known one. */
  register(definition: JobDefinition, nowMs: number): LedgerJob;
  /** @returns false when it was paused already, or is unknown */
  pause(job: string, nowMs: number): boolean;
  resume(job: string, nowMs: number): boolean;

  /** Puts a run into the queue for the scheduler. The job must be registered. */
  request(request: RunRequest, nowMs: number): Requested;
  /** The same, claimed at once by this process: `run JOB`, `jobs run`. A queued run of the key is taken over. */
  start(request: RunRequest, owner: string, process: ProcessIdentity, nowMs: number, leaseUntilMs: number): Started;

  /** claimed -> running. null here and below: the fence no longer holds, so stop, somebody else has the run. */
  running(fence: Fence, process: ProcessIdentity, nowMs: number, leaseUntilMs: number): Fence | null;
  /** running -> committing. */
  committing(fence: Fence, nowMs: number): Fence | null;
  /** The end of an attempt, from claimed, running or committing; success only from committing. Writes the outbox in the same transaction. */
  settle(fence: Fence, outcome: Outcome, nowMs: number, random: () => number): RunRow | null;
  /** @returns the run while the fence holds, with `stop` as it is now; null: stop at once */
  renew(fence: Fence, leaseUntilMs: number): RunRow | null;
  /** `runs cancel`: a queued run is cancelled at once, an active one is asked to stop (a committing one is left alone). */
  cancel(runId: string, nowMs: number): RunRow | null;

  /** Open runs for which a moment ahead matters: not those that only wait for their turn, which may be many. */
  timed(nowMs: number): RunRow[];
  run(id: string): RunRow | null;
  /** Newest first. */
  history(job: string | null, options?: { limit?: number; states?: readonly RunState[] }): RunRow[];
  /** claimed, running, committing. */
  active(): RunRow[];
  /** Row of a key that counts now. */
  byKey(job: string, runKey: string): RunRow | null;
  /** Newest success before a logical date (exclusive), for `prev_success.date`. */
  previousSuccess(job: string, beforeDate: string): RunRow | null;
  /** Slots of the job as it is known that have no success. @param sinceMs null: since the job is known */
  gaps(job: string, sinceMs: number | null, nowMs: number): Gap[];
  /** Rows that count now, by run key: what `planBackfill` asks for. */
  keys(job: string): ReadonlyMap<string, RunRow>;

  /** Oldest first; an entry stays due until `delivered` or `postpone`. */
  dueOutbox(nowMs: number, limit: number): OutboxEntry[];
  delivered(id: number, nowMs: number): void;
  /** @param dueMs null: given up, kept for `status` */
  postpone(id: number, dueMs: number | null, error: string): void;
  outboxDepth(): { due: number; givenUp: number };

  /** One scheduler at a time: null when it is ours now, else who holds it. A dead or expired holder is replaced. */
  takeScheduler(owner: string, process: ProcessIdentity, look: Look, nowMs: number, leaseUntilMs: number): SchedulerHolder | null;
  /** false: somebody else has it; stop claiming. */
  renewScheduler(owner: string, leaseUntilMs: number): boolean;
  releaseScheduler(owner: string): void;
  scheduler(): SchedulerHolder | null;
}

/** @throws BP_STATE: a network file system, no permission, not a ledger, made by a newer version */
export function openLedger(options: LedgerOptions): Ledger {
  return new SqliteLedger(options);
}

/** The slot of a run by hand without a date of its own: unique by its id. */
export function handSlot(runId: string, logicalDate: string, localTime: string, nowMs: number): Slot {
  return { runKey: `hand~${runId}`, logicalDate, localTime, utcMs: nowMs, note: null };
}
