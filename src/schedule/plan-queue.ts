/** The queue of one job while a plan is made: what overlaps, and which run goes next. Pure, lives for one call of `plan`. */
import type { JobDefinition } from "./definition.ts";
import type { Action } from "./planner.ts";
import type { RunRow } from "./run-row.ts";
import type { Slot } from "./slots.ts";
import type { Trigger } from "./states.ts";

/** A run that waits: in the ledger already, or scheduled by this very plan. */
interface Waiting {
  runKey: string;
  trigger: Trigger;
  scheduledMs: number;
  notBeforeMs: number;
  attempt: number;
}

export class JobQueue {
  active: RunRow | null = null;
  paused = false;
  private waiting: Waiting[] = [];

  constructor(readonly job: string) {}

  add(run: RunRow): void {
    const { runKey, trigger, scheduledMs, notBeforeMs, attempt } = run;
    this.waiting.push({ runKey, trigger, scheduledMs, notBeforeMs, attempt });
  }

  /** Everything that waits, gone. */
  removeAll(): Action[] {
    return this.waiting.splice(0).map(({ runKey, attempt }) => {
      return { kind: "drop", job: this.job, runKey, attempt, state: "cancelled", reason: "job-removed" };
    });
  }

  /** Late slots queue behind whatever goes on; overlap never costs one of them its run. */
  catchUp(definition: JobDefinition, slot: Slot, dueByMs: number | null): Action[] {
    return [this.schedule(definition, slot, "catchup", dueByMs)];
  }

  /** A slot that is due now, under the job's overlap policy. */
  offer(definition: JobDefinition, slot: Slot, dueByMs: number | null): Action[] {
    const before = this.waiting.filter(({ trigger }) => trigger === "schedule");
    const begun = this.waiting.filter(({ trigger, attempt }) => attempt > 0 && ofTheClock(trigger));
    const busy = this.active !== null || begun.length > 0;
    if (definition.overlap === "skip" && (busy || before.length > 0)) {
      return [{ kind: "record", job: this.job, slot, state: "skipped", reason: "overlap", slots: 1 }];
    }
    const actions: Action[] = [];
    if (definition.overlap === "replace") {
      const { active } = this;
      if (active?.state !== "committing" && active?.stop === null && ofTheClock(active.trigger)) {
        actions.push({ kind: "stop", run: active, reason: "replaced" });
      }
      for (const waiting of begun) actions.push(this.drop(waiting, "cancelled"));
    }
    // One slot may wait behind one that goes on. Without one, the oldest that waits is the one that goes next.
    const fresh = before.filter(({ attempt }) => attempt === 0).sort((a, b) => a.scheduledMs - b.scheduledMs);
    const keep = busy || definition.overlap === "replace" ? 0 : 1;
    const scheduled = this.schedule(definition, slot, "schedule", dueByMs);
    for (const waiting of fresh.slice(keep)) actions.push(this.drop(waiting, "skipped"));
    return [...actions, scheduled];
  }

  /** The run that may be claimed now, if any. */
  next(nowMs: number): Waiting | null {
    if (this.active !== null) return null;
    for (const rank of [0, 1, 2]) {
      const ranked = this.waiting.filter((waiting) => rankOf(waiting.trigger) === rank && !(this.paused && rank === 1));
      ranked.sort((a, b) => Math.sign(b.attempt) - Math.sign(a.attempt) || a.scheduledMs - b.scheduledMs);
      // A run that waits for its backoff keeps its place: dates are published in their order.
      const [head] = ranked;
      if (head && head.notBeforeMs <= nowMs) return head;
    }
    return null;
  }

  private schedule(definition: JobDefinition, slot: Slot, trigger: Trigger, dueByMs: number | null): Action {
    const { timeoutMs } = definition;
    this.waiting.push({ runKey: slot.runKey, trigger, scheduledMs: slot.utcMs, notBeforeMs: 0, attempt: 0 });
    return { kind: "schedule", job: this.job, slot, trigger, timeoutMs, dueByMs };
  }

  private drop(waiting: Waiting, state: "skipped" | "cancelled"): Action {
    this.waiting = this.waiting.filter((other) => other !== waiting);
    const { runKey, attempt } = waiting;
    return { kind: "drop", job: this.job, runKey, attempt, state, reason: state === "skipped" ? "newer-slot" : "replaced" };
  }
}

/** Over all jobs: somebody waits for a run by hand, slots come in their order, backfill takes what is left. */
export function claimsOf(queues: readonly JobQueue[], room: number, nowMs: number): Action[] {
  const heads = queues.flatMap((queue) => {
    const head = queue.next(nowMs);
    return head ? [{ job: queue.job, head }] : [];
  });
  heads.sort(
    (a, b) =>
      rankOf(a.head.trigger) - rankOf(b.head.trigger) ||
      a.head.scheduledMs - b.head.scheduledMs ||
      (a.job < b.job ? -1 : a.job > b.job ? 1 : 0),
  );
  return heads
    .slice(0, Math.max(0, room))
    .map(({ job, head }) => ({ kind: "claim", job, runKey: head.runKey, attempt: head.attempt }));
}

function ofTheClock(trigger: Trigger): boolean {
  return trigger === "schedule" || trigger === "catchup";
}

function rankOf(trigger: Trigger): 0 | 1 | 2 {
  if (ofTheClock(trigger)) return 1;
  return trigger === "backfill" ? 2 : 0;
}
