/** Is the process of an active run still there? Its own machine knows; for others only the lease speaks. */
import type { Look, RunRow } from "./run-row.ts";

/**
 * On the machine it runs on, the process table decides both ways: a run whose process is gone is dead before its lease ends, a slow one
 * outlives it. Elsewhere, or before the process is known (claimed), the lease decides.
 */
export function isDead(run: RunRow, look: Look, nowMs: number): boolean {
  const seen = run.process === null ? "elsewhere" : look(run.process);
  if (seen !== "elsewhere") return seen === "dead";
  return run.leaseUntilMs === null || run.leaseUntilMs <= nowMs;
}
