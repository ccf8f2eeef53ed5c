/** How an attempt ended, and what follows from it. Pure. */
import { BatchPredictError, type WireError } from "../core/errors.ts";
import type { Recovery } from "./planner.ts";
import type { RunRow, RunRows } from "./run-row.ts";

export type Outcome =
  | { kind: "succeeded"; rows: RunRows; output: string | null }
  | { kind: "failed"; error: WireError; rows?: RunRows }
  /** Its process ended without a word: a signal, an abort, an unknown exit code. */
  | { kind: "crashed"; detail: string }
  /** It was asked to stop and left a resumable state. With a stop on record that reason decides, else it goes back to the queue at no cost. */
  | { kind: "interrupted" };

/** Failures that can pass: I/O, busy, changed or not yet present inputs, no room, timeouts, crashes. */
export function canPass(error: WireError): boolean {
  throw new BatchPredictError("BP_INTERNAL", `not built yet (${error.code})`);
}

/** What becomes of the run after an attempt that did not succeed. @param random uniform in [0, 1): full jitter */
export function afterAttempt(
  run: RunRow,
  outcome: Exclude<Outcome, { kind: "succeeded" }>,
  retries: { max: number; initialMs: number; longestMs: number },
  nowMs: number,
  random: () => number,
): Recovery {
  throw new BatchPredictError("BP_INTERNAL", `not built yet (${[run, outcome, retries, nowMs, random].length})`);
}
