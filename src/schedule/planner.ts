/**
 * The scheduler's core: a pure function of jobs, ledger and time. It never trusts why it was called and never chains; calling it
 * twice with the same state gives the same actions, and applying them twice changes nothing more.
 */
import { BatchPredictError } from "../core/errors.ts";
import type { JobDefinition, NotifyEvent } from "./definition.ts";
import type { LedgerJob, RunRow, StopReason } from "./run-row.ts";
import type { Slot } from "./slots.ts";
import type { Reason, Trigger } from "./states.ts";

/** A slot this late still counts as on time: a standby takes over within 30 s and a safety tick comes every 20 s. */
export const ON_TIME_MS = 60_000;
export const CATCHUP_MS = 7 * 86_400_000;
export const CATCHUP_SLOTS = 10;
/** Between the request to stop and the kill. */
export const STOP_GRACE_MS = 10_000;
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
}

export interface PlanOptions {
  /** Uniform in [0, 1): the jitter of backoffs. */
  random: () => number;
  /** Runs active at once, over all jobs. */
  maxActive: number;
}

/** Data; `Ledger.apply` obeys. Each is guarded by what the planner saw, so a stale plan changes nothing. */
export type Action =
  /** A job seen for the first time, edited, removed or back: the cursor is where its slots begin to count. */
  | { kind: "adopt"; definition: JobDefinition; cursorMs: number }
  | { kind: "remove"; job: string; nowMs: number }
  | { kind: "cursor"; job: string; fromMs: number; toMs: number }
  | { kind: "schedule"; job: string; slot: Slot; trigger: Trigger; timeoutMs: number | null; dueByMs: number | null }
  /** A slot that will not run, recorded: `slots` > 1 when one row stands for several. */
  | { kind: "record"; job: string; slot: Slot; state: "skipped" | "missed"; reason: Reason; slots: number }
  /** A queued run that will not run. */
  | { kind: "drop"; run: RunRow; state: "skipped" | "cancelled"; reason: Reason }
  | { kind: "claim"; run: RunRow }
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
  throw new BatchPredictError("BP_INTERNAL", `not built yet (${[jobs, state, nowMs, options].length})`);
}

/** When the next tick is worth its while: the next slot, backoff, timeout, deadline or lease; null: only the safety tick. */
export function nextWakeMs(jobs: readonly JobDefinition[], state: LedgerState, nowMs: number): number | null {
  throw new BatchPredictError("BP_INTERNAL", `not built yet (${[jobs, state, nowMs].length})`);
}
