/** How an attempt ended, and what follows from it. Pure. */
import type { ErrorCode, WireError } from "../core/errors.ts";
import type { Recovery } from "./planner.ts";
import type { RunRow, RunRows } from "./run-row.ts";
import type { Reason } from "./states.ts";

export type Outcome =
  | { kind: "succeeded"; rows: RunRows; output: string | null }
  | { kind: "failed"; error: WireError; rows?: RunRows }
  /** Its process ended without a word: a signal, an abort, an unknown exit code. */
  | { kind: "crashed"; detail: string }
  /** It was asked to stop and left a resumable state. With a stop on record that reason decides, else it goes back to the queue at no cost. */
  | { kind: "interrupted" };

/** Deaths in a row after which a run is given up, whatever its retries say: something in it kills processes. */
export const MAX_CRASHES = 3;

/** Exit code of a run whose time ran out (contract). */
const EXIT_TIMEOUT = 124;

/** I/O, busy, inputs that are late or still being written, no room: what another attempt may not meet again. */
const PASSING: readonly ErrorCode[] = [
  "BP_INPUT_NOT_FOUND",
  "BP_INPUT_UNREADABLE",
  "BP_INPUT_CHANGED",
  "BP_OUTPUT_WRITE",
  "BP_OUTPUT_BUSY",
  "BP_DISK_FULL",
  "BP_BUSY",
];

export function canPass(error: WireError): boolean {
  return PASSING.includes(error.code) || error.exitCode === EXIT_TIMEOUT;
}

interface Retries {
  max: number;
  initialMs: number;
  longestMs: number;
}

/**
 * What becomes of the run after an attempt that did not succeed. `retries.max` bounds failures, three in a row bound crashes;
 * interruptions cost nothing. A committing run is never cancelled: its next attempt finds out whether it was done.
 * @param random uniform in [0, 1): full jitter
 */
export function afterAttempt(
  run: RunRow,
  outcome: Exclude<Outcome, { kind: "succeeded" }>,
  retries: Retries,
  nowMs: number,
  random: () => number,
): Recovery {
  const again = (reason: Reason, delayMs: number, failures: number, crashes: number): Recovery => ({
    state: "scheduled",
    reason,
    notBeforeMs: nowMs + Math.round(delayMs),
    failures,
    crashes,
  });
  const asked = run.state === "committing" ? undefined : run.stop?.reason;
  if (asked === "by-user" || asked === "replaced") {
    return { state: "cancelled", reason: asked, failures: run.failures, crashes: run.crashes };
  }
  if (run.stop?.reason === "timeout" || (outcome.kind === "failed" && canPass(outcome.error))) {
    const failures = run.failures + 1;
    const timeout = run.stop?.reason === "timeout" || (outcome.kind === "failed" && outcome.error.exitCode === EXIT_TIMEOUT);
    if (failures <= retries.max) return again("retry", random() * backoffMs(retries, run.failures), failures, 0);
    const reason: Reason = timeout ? "timeout" : retries.max === 0 ? "error" : "retries-used-up";
    return { state: "failed", reason, failures, crashes: 0 };
  }
  if (outcome.kind === "failed") return { state: "failed", reason: "error", failures: run.failures + 1, crashes: 0 };
  if (outcome.kind === "interrupted") return again("interrupted", 0, run.failures, 0);
  // A claim that never became a run says nothing about the run.
  if (run.state === "claimed" && run.process === null) return again("owner-dead", 0, run.failures, run.crashes);
  const crashes = run.crashes + 1;
  if (crashes >= MAX_CRASHES) return { state: "failed", reason: "crashed", failures: run.failures, crashes };
  // The first death is most likely somebody's kill or a reboot: go on at once.
  return again("owner-dead", crashes === 1 ? 0 : random() * backoffMs(retries, crashes - 1), run.failures, crashes);
}

/** Longest wait before the next attempt: doubling from `initialMs`, up to `longestMs`. @param before attempts that failed before this one */
export function backoffMs(retries: Pick<Retries, "initialMs" | "longestMs">, before: number): number {
  return Math.min(retries.longestMs, retries.initialMs * 2 ** Math.min(before, 40));
}
