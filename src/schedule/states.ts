/** The life of a run as a table: what may follow what, and the closed set of reasons. Nothing else decides it. */

export const RUN_STATES = [
  "scheduled", // in the queue, also between two attempts
  "claimed", // an owner is about to start it
  "running",
  "committing", // the output is being published; never interrupted on purpose
  "succeeded",
  "failed",
  "skipped", // due, and deliberately not run
  "missed", // due while nobody could run it
  "cancelled",
] as const;

export type RunState = (typeof RUN_STATES)[number];

/** Back to `scheduled` means: another attempt, which resumes from the run's journal. */
export const TRANSITIONS: Readonly<Record<RunState, readonly RunState[]>> = {
  scheduled: ["claimed", "skipped", "missed", "cancelled"],
  claimed: ["running", "scheduled", "failed", "cancelled"],
  running: ["committing", "scheduled", "failed", "cancelled"],
  committing: ["succeeded", "scheduled", "failed"],
  succeeded: [],
  failed: [],
  skipped: [],
  missed: [],
  cancelled: [],
};

/** At most one run of a job is in one of these (a partial unique index of the ledger). */
export const ACTIVE_STATES = ["claimed", "running", "committing"] as const satisfies readonly RunState[];
export const TERMINAL_STATES = ["succeeded", "failed", "skipped", "missed", "cancelled"] as const satisfies readonly RunState[];

/** Why a run is in the state it is in. null: the plain course of things. Scripts match on them; add, never rename. */
export const REASONS = [
  // scheduled again
  "retry", // a failure that can pass; waits for its backoff
  "interrupted", // its process was asked to stop (shutdown); costs no attempt
  "owner-dead", // its process died without a word
  // failed
  "error", // a failure that no retry mends; the run's error says which
  "retries-used-up",
  "timeout",
  "crashed", // three deaths in a row
  // skipped
  "overlap", // overlap: skip
  "newer-slot", // overlap: queue holds one slot, the newest wins
  "paused",
  // missed
  "newer-due", // catchup: latest ran a newer one
  "no-catchup", // catchup: none
  "catchup-limit", // catchup: all goes back 7 days and 10 slots
  "schedule-changed", // due under the old schedule while nobody looked
  "job-removed",
  // cancelled
  "by-user",
  "replaced", // overlap: replace
] as const;

export type Reason = (typeof REASONS)[number];

/** Who asked for the run. */
export const TRIGGERS = ["schedule", "catchup", "backfill", "manual", "ci", "retry"] as const;
export type Trigger = (typeof TRIGGERS)[number];

export function mayFollow(from: RunState, to: RunState): boolean {
  return TRANSITIONS[from].includes(to);
}

export function isActive(state: RunState): boolean {
  return (ACTIVE_STATES as readonly RunState[]).includes(state);
}

export function isTerminal(state: RunState): boolean {
  return TRANSITIONS[state].length === 0;
}
