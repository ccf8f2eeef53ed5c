/** Small steps that the commands about jobs share; nothing here loads what runs a model. */
import { setTimeout as sleep } from "node:timers/promises";
import { type JobContext, type JobFile, readJob } from "../config/read-job.ts";
import { BatchPredictError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import type { Ledger } from "../schedule/ledger.ts";
import { isActive } from "../schedule/states.ts";
import { SIGNAL_EXIT, type SignalWatch } from "./signals.ts";
import { jobsDirOf } from "./state.ts";

export const BUSY_EXIT = 75;
export const TIMEOUT_EXIT = 124;
/** How often a wait for another run looks. */
const POLL_MS = 500;

export function runNotFound(id: string): BatchPredictError {
  return new BatchPredictError("BP_RUN_NOT_FOUND", `no run ${id}`, {
    hints: ["batchpredict jobs history JOB shows their ids; --state-dir names another history"],
    exitCode: 2,
  });
}

/** @returns false: asked to stop */
export async function untilIdle(ledger: Ledger, runId: string, signal: AbortSignal): Promise<boolean> {
  const going = (): boolean => isActive(ledger.run(runId)?.state ?? "cancelled");
  while (going()) if (!(await pause(POLL_MS, signal))) return false;
  return true;
}

export async function pause(pauseMs: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(pauseMs, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}

export function signalExit(watch: SignalWatch): number {
  return SIGNAL_EXIT[watch.received() ?? "SIGINT"];
}

export function jobContext(flags: Record<string, unknown>, host: Host): JobContext {
  return { jobsDir: jobsDirOf(flags), cwd: host.cwd, env: host.env, now: host.date() };
}

export function keptJob(name: string, flags: Record<string, unknown>, host: Host): JobFile {
  return readJob(name, { ...jobContext(flags, host), templates: "keep" });
}

/** @throws BP_USAGE */
export function checkDate(text: string, flag = "--date"): void {
  const day = text.slice(0, 10);
  const real = /^\d{4}-\d{2}-\d{2}$/.test(day) && new Date(`${day}T00:00:00Z`).getTime() > 0;
  const rest = text.slice(10);
  const valid =
    real && new Date(`${day}T00:00:00Z`).toISOString().startsWith(day) && (rest === "" || /^T\d{2}:\d{2}(~2)?$/.test(rest));
  if (valid) return;
  throw new BatchPredictError("BP_USAGE", `${flag}: "${text}" is no date`, {
    expected: "YYYY-MM-DD",
    actual: `"${text}"`,
    hints: [`for example ${flag} 2026-11-21`],
  });
}
