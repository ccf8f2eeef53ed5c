/** When a run has had its time, and what is done about it. Pure. */
import type { RunRow } from "./run-row.ts";

/** Between the request to stop and the kill. */
export const STOP_GRACE_MS = 10_000;

/** @returns ask (SIGTERM), kill (SIGKILL of the group, again every 10 s), or null: leave it alone */
export function timeoutStep({ stop, startedMs, timeoutMs, state }: RunRow, nowMs: number): "ask" | "kill" | null {
  if (stop !== null) return (stop.killedMs ?? stop.askedMs) + STOP_GRACE_MS <= nowMs ? "kill" : null;
  if (startedMs === null || timeoutMs === null) return null;
  // What is being published gets the same time again: stopping there costs the most.
  const allowedMs = state === "committing" ? 2 * timeoutMs : timeoutMs;
  return startedMs + allowedMs <= nowMs ? "ask" : null;
}
