/** Actions of a plan, done. Each looks again at what the planner saw; what is no longer so is stale and changes nothing. */

import type { Applied } from "./ledger.ts";
import type { LedgerChanges } from "./ledger-changes.ts";
import { type Action, CLAIM_LEASE_MS, mayTakeOver } from "./planner.ts";
import type { RunRow } from "./run-row.ts";

export interface ApplyContext {
  owner: string;
  nowMs: number;
}

/** Misses of one job told one by one; a longer row of them is told once, with the number of slots. */
const TOLD_ONE_BY_ONE = 5;

/** To be called inside of one write transaction. */
export function applyActions(changes: LedgerChanges, actions: readonly Action[], { owner, nowMs }: ApplyContext): Applied {
  const applied: Applied = { claimed: [], stop: [], kill: [], stale: 0 };
  const misses = new Map<string, RunRow[]>();
  for (const action of actions) {
    const done = applyOne(changes, action, owner, nowMs, applied);
    if (done === null) applied.stale++;
    else if (action.kind === "record" && action.state === "missed") {
      misses.set(action.job, [...(misses.get(action.job) ?? []), done as RunRow]);
    }
  }
  for (const runs of misses.values()) tellMisses(changes, runs, nowMs);
  return applied;
}

/** @returns the run or anything else that is not null when the action took effect */
function applyOne(changes: LedgerChanges, action: Action, owner: string, nowMs: number, applied: Applied): RunRow | true | null {
  switch (action.kind) {
    case "adopt": {
      const { definition, fromMs, cursorMs } = action;
      const row = { name: definition.name, definition: JSON.stringify(definition), fromMs, cursorMs, nowMs };
      if (fromMs === null) {
        const insert = `INSERT INTO jobs (name, definition, cursor_ms, created_ms) VALUES (@name, @definition, @cursorMs, @nowMs) ON CONFLICT DO NOTHING`;
        return took(changes.sql(insert).run(row));
      }
      return took(
        changes
          .sql(
            `UPDATE jobs SET definition = @definition, cursor_ms = @cursorMs, removed_ms = NULL,
               paused_ms = CASE WHEN resumed_ms <= @cursorMs THEN NULL ELSE paused_ms END,
               resumed_ms = CASE WHEN resumed_ms <= @cursorMs THEN NULL ELSE resumed_ms END
             WHERE name = @name AND cursor_ms = @fromMs`,
          )
          .run(row),
      );
    }
    case "remove":
      return took(
        changes.sql("UPDATE jobs SET removed_ms = ? WHERE name = ? AND removed_ms IS NULL").run(action.nowMs, action.job),
      );
    case "cursor":
      // A pause that lies behind the cursor is over and recorded.
      return took(
        changes
          .sql(
            `UPDATE jobs SET cursor_ms = @toMs, paused_ms = CASE WHEN resumed_ms <= @toMs THEN NULL ELSE paused_ms END,
               resumed_ms = CASE WHEN resumed_ms <= @toMs THEN NULL ELSE resumed_ms END
             WHERE name = @job AND cursor_ms = @fromMs`,
          )
          .run({ job: action.job, fromMs: action.fromMs, toMs: action.toMs }),
      );
    case "schedule": {
      const over = changes.byKey(action.job, action.slot.runKey);
      if (over && !mayTakeOver(over, action.slot)) return null;
      const { job, slot, trigger, timeoutMs, dueByMs } = action;
      return changes.insert({ job, slot, trigger, state: "scheduled", reason: null, timeoutMs, dueByMs, slots: 1 }, nowMs, over);
    }
    case "record": {
      if (changes.byKey(action.job, action.slot.runKey)) return null;
      const { job, slot, state, reason, slots } = action;
      const run = { job, slot, trigger: "schedule" as const, state, reason, timeoutMs: null, dueByMs: null, slots };
      return changes.insert(run, nowMs, null, state !== "missed");
    }
    case "drop": {
      const run = changes.byKey(action.job, action.runKey);
      if (run?.state !== "scheduled" || run.attempt !== action.attempt) return null;
      return changes.move(run, action.state, nowMs, { reason: action.reason });
    }
    case "claim":
      return claim(changes, action, owner, nowMs, applied);
    case "stop": {
      if (action.run.stop !== null) return null;
      const stopped = changes.touch(fenceOf(action.run), { stop_reason: action.reason, stop_asked_ms: nowMs });
      if (stopped) applied.stop.push(stopped);
      return stopped;
    }
    case "kill": {
      const killed = changes.touch(fenceOf(action.run), { stop_killed_ms: nowMs });
      if (killed) applied.kill.push(killed);
      return killed;
    }
    case "recover": {
      const { state, reason, failures, crashes } = action.next;
      const notBefore = action.next.state === "scheduled" ? { not_before_ms: action.next.notBeforeMs } : {};
      return changes.move(fenceOf(action.run), state, nowMs, { reason, failures, crashes, ...notBefore });
    }
    case "alert": {
      const { changes: told } = changes
        .sql("UPDATE runs SET overdue_told_ms = ? WHERE id = ? AND overdue_told_ms IS NULL AND state <> 'succeeded'")
        .run(nowMs, action.run.id);
      if (told === 0) return null;
      changes.tell(changes.byId(action.run.id)!, action.event, nowMs);
      return true;
    }
  }
}

function claim(
  changes: LedgerChanges,
  { job, runKey, attempt }: Extract<Action, { kind: "claim" }>,
  owner: string,
  nowMs: number,
  applied: Applied,
): RunRow | null {
  const run = changes.byKey(job, runKey);
  if (run?.state !== "scheduled" || run.attempt !== attempt || run.notBeforeMs > nowMs || changes.activeOf(job)) return null;
  const claimed = changes.move({ ...run, owner: null }, "claimed", nowMs, {
    owner,
    reason: null,
    attempt: attempt + 1,
    lease_until_ms: nowMs + CLAIM_LEASE_MS,
    claimed_ms: nowMs,
    started_ms: null,
  });
  if (!claimed) return null;
  applied.claimed.push({ run: claimed, fence: { id: claimed.id, state: "claimed", owner, attempt: claimed.attempt } });
  return claimed;
}

function tellMisses(changes: LedgerChanges, runs: readonly RunRow[], nowMs: number): void {
  if (runs.length <= TOLD_ONE_BY_ONE) {
    for (const run of runs) changes.tell(run, "missed", nowMs);
    return;
  }
  const newest = runs.reduce((a, b) => (b.scheduledMs > a.scheduledMs ? b : a));
  changes.tell({ ...newest, slots: runs.reduce((sum, run) => sum + run.slots, 0) }, "missed", nowMs);
}

function fenceOf({ id, state, owner, attempt }: RunRow): {
  id: string;
  state: RunRow["state"];
  owner: string | null;
  attempt: number;
} {
  return { id, state, owner, attempt };
}

function took({ changes }: { changes: number }): true | null {
  return changes === 1 ? true : null;
}
