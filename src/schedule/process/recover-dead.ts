/** What the scheduler does about a run whose process is gone, for those who meet one while no scheduler is at work. */
import type { Ledger } from "../ledger.ts";
import { isDead } from "../liveness.ts";
import { afterAttempt } from "../outcome.ts";
import type { Look, RunRow } from "../run-row.ts";

/** @returns false: it lives, so it is left alone */
export function recoverDead(
  ledger: Ledger,
  run: RunRow,
  retries: { max: number; initialMs: number; longestMs: number },
  look: Look,
  nowMs: number,
): boolean {
  if (!isDead(run, look, nowMs)) return false;
  const next = afterAttempt(run, { kind: "crashed", detail: "its process is gone" }, retries, nowMs, Math.random);
  ledger.apply([{ kind: "recover", run, next }], { owner: "", nowMs });
  return true;
}
