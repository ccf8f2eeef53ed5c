/**
 * A run with a place in the ledger, seen from the process that does it: it renews its lease, obeys a stop, and publishes only
 * while the ledger still says that the run is its own. Whoever started it may be long gone.
 */
import { BatchPredictError } from "../../core/errors.ts";
import type { RunSummary } from "../../core/events.ts";
import type { Ledger } from "../ledger.ts";
import type { Outcome } from "../outcome.ts";
import type { Fence, RunRow, StopReason } from "../run-row.ts";
import { timeoutStep } from "../timeouts.ts";
import type { ProcessTable } from "./process-table.ts";

/** Another process believes us dead when we did not say a word for so long. */
export const RUN_LEASE_MS = 60_000;
const RENEW_EVERY_MS = 5_000;
/** Longer timers ring at once; the renewals look as well. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface RecordedContext {
  ledger: Ledger;
  table: ProcessTable;
  nowMs(): number;
  /** Uniform in [0, 1). */
  random(): number;
}

export interface RunHooks {
  /** Aborts on a signal, on a stop on record, and when the run is no longer ours. */
  signal: AbortSignal;
  /** What may be forgotten once the ledger knows how the run ended; until then the next attempt finds its output proven by it. */
  onSettled(forget: () => void): void;
  beforePublish(rows: RunSummary["rows"]): void;
}

export interface RecordedEnd {
  summary: RunSummary;
  /** null: somebody else has the run; what this process did counts for nothing. */
  run: RunRow | null;
  stopped: StopReason | null;
}

/**
 * @param stopMeans a signal to the child of a scheduler puts the run back into the queue; Ctrl+C by the person who started it does not
 * @returns null when the run is not ours (any more) before it began
 */
export async function executeRecorded(
  context: RecordedContext,
  claimed: Fence,
  { stop, stopMeans }: { stop: AbortSignal; stopMeans: "requeue" | "cancel" },
  execute: (hooks: RunHooks) => Promise<RunSummary>,
): Promise<RecordedEnd | null> {
  const { ledger, nowMs } = context;
  const begun = begin(context, claimed);
  if (begun === null) return null;
  let fence: Fence = begun;
  let lost = false;
  let stopped: StopReason | null = null;
  let settled = (): void => {};
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  stop.addEventListener("abort", abort);
  if (stop.aborted) abort();

  const renew = (): void => {
    try {
      const run = ledger.renew(fence, nowMs() + RUN_LEASE_MS);
      if (run === null) lost = true;
      else if (timeoutStep(run, nowMs()) === "ask") {
        ledger.apply([{ kind: "stop", run, reason: "timeout" }], { owner: fence.owner, nowMs: nowMs() });
        stopped = "timeout";
      } else stopped = run.stop?.reason ?? null;
      if (lost || stopped !== null) abort();
    } catch {
      // A ledger that is busy or on a full disk: the lease has time for several more tries.
    }
  };
  const timer = setInterval(renew, RENEW_EVERY_MS);
  const { timeoutMs = null } = ledger.run(fence.id) ?? {};
  const timeout = timeoutMs === null ? undefined : setTimeout(renew, Math.min(timeoutMs, MAX_TIMER_MS));
  try {
    const summary = await execute({
      signal: controller.signal,
      onSettled: (forget) => {
        settled = forget;
      },
      beforePublish: () => {
        const next = lost ? null : ledger.committing(fence, nowMs());
        if (next === null) {
          lost = true;
          throw new BatchPredictError("BP_INTERRUPTED", "another process has taken over this run", {
            hints: ["nothing was written by this one; batchpredict jobs history tells what the other did"],
          });
        }
        fence = next;
      },
    });
    if (stopMeans === "cancel" && stop.aborted && summary.status === "cancelled") ledger.cancel(fence.id, nowMs());
    // An earlier attempt had published before it died, so this one had nothing to publish.
    if (!lost && summary.status === "succeeded" && fence.state === "running") fence = ledger.committing(fence, nowMs()) ?? fence;
    const run = lost ? null : ledger.settle(fence, outcomeOf(summary), nowMs(), context.random);
    if (run !== null) settled();
    return { summary, run, stopped: run === null ? null : stopped };
  } finally {
    clearInterval(timer);
    clearTimeout(timeout);
    stop.removeEventListener("abort", abort);
  }
}

/** The scheduler may have put our process on record before we did it ourselves; both are the same start. */
function begin({ ledger, table, nowMs }: RecordedContext, claimed: Fence): Fence | null {
  const started = ledger.running(claimed, table.self(), nowMs(), nowMs() + RUN_LEASE_MS);
  if (started !== null) return started;
  const fence: Fence = { ...claimed, state: "running" };
  const run = ledger.renew(fence, nowMs() + RUN_LEASE_MS);
  return run?.process?.pid === table.self().pid ? fence : null;
}

export function outcomeOf(summary: RunSummary): Outcome {
  if (summary.status === "succeeded") return { kind: "succeeded", rows: summary.rows, output: summary.output?.path ?? null };
  if (summary.status === "cancelled") return { kind: "interrupted" };
  const { stack: _stack, ...error } = summary.error ?? { code: "BP_INTERNAL" as const, message: "failed without an error" };
  return { kind: "failed", error, rows: summary.rows };
}
