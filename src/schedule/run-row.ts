/** What the ledger keeps, as the rest of the room sees it. Times are milliseconds since the epoch. */
import type { WireError } from "../core/errors.ts";
import type { JobDefinition, NotifyEvent } from "./definition.ts";
import type { Reason, RunState, Trigger } from "./states.ts";

/** A process that cannot be mistaken for another: a pid is reused, a pid with start time and boot never is. */
export interface ProcessIdentity {
  host: string;
  bootId: string;
  pid: number;
  startTime: string;
}

/** "elsewhere": another machine or container, about which nothing is known here. */
export type Look = (identity: ProcessIdentity) => "alive" | "dead" | "elsewhere";

/** Why a running run was asked to stop. */
export type StopReason = "timeout" | "replaced" | "by-user";

export interface RunRow {
  id: string;
  job: string;
  /** Unique per job among rows that no later run of the same key took over. */
  runKey: string;
  logicalDate: string;
  localTime: string;
  /** Instant of the slot; of the request for runs by hand. */
  scheduledMs: number;
  trigger: Trigger;
  state: RunState;
  reason: Reason | null;
  /** Starts so far; with `owner` the fencing token of the current one. */
  attempt: number;
  /** Starts that ended in a failure that counts; interruptions do not. */
  failures: number;
  /** Deaths without a word, in a row. */
  crashes: number;
  /** Not to be claimed before. */
  notBeforeMs: number;
  timeoutMs: number | null;
  /** Deadline of `expect.by`. */
  dueByMs: number | null;
  owner: string | null;
  leaseUntilMs: number | null;
  process: ProcessIdentity | null;
  stop: { reason: StopReason; askedMs: number; killedMs: number | null } | null;
  createdMs: number;
  claimedMs: number | null;
  startedMs: number | null;
  endedMs: number | null;
  /** Rows predicted, read and rejected by the last attempt that told. */
  rows: RunRows | null;
  output: string | null;
  error: WireError | null;
  /** Slots this row stands for: more than 1 only for a miss so long that older slots share one row, from `runKey` on. */
  slots: number;
  /** The later run of the same key, when somebody asked for one. */
  supersededBy: string | null;
}

export interface RunRows {
  read: number;
  predicted: number;
  rejected: number;
}

export interface LedgerJob {
  name: string;
  /** As it was at the last tick; slots up to the cursor are decided. */
  definition: JobDefinition;
  cursorMs: number;
  pausedMs: number | null;
  /** Slots up to here fell into a pause that is over, and are recorded as skipped. */
  resumedMs: number | null;
  createdMs: number;
  /** Its file was gone at the last tick. */
  removedMs: number | null;
}

/** The right to change a run: every change names all four, and changes nothing when one of them is no longer true. */
export interface Fence {
  id: string;
  state: RunState;
  owner: string;
  attempt: number;
}

export interface OutboxEntry {
  id: number;
  job: string;
  runId: string;
  runKey: string;
  event: NotifyEvent;
  /** Position in the job file's `notify`. */
  target: number;
  /** The same for every delivery of this entry: receivers drop repeats by it. */
  idempotencyKey: string;
  createdMs: number;
  dueMs: number;
  /** Deliveries tried. */
  attempts: number;
  lastError: string | null;
  /** The run as it was when the event happened. */
  run: RunRow;
}
