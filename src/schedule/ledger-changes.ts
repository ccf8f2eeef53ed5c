/**
 * The few ways in which the ledger changes. Every change of a run goes through `move` or `touch`, both fenced; every event that
 * somebody wants to hear of is written into the outbox by the same transaction.
 */
import type Database from "better-sqlite3";
import type { JobDefinition, NotifyEvent } from "./definition.ts";
import { type RunRecord, toRun } from "./ledger-rows.ts";
import type { Fence, RunRow } from "./run-row.ts";
import type { Slot } from "./slots.ts";
import { isActive, isTerminal, mayFollow, type Reason, type RunState, type Trigger } from "./states.ts";

/** What must still be true of a run: a fence, or, for a queued run, its state and attempt alone. */
export type Guard = Pick<Fence, "id" | "state" | "attempt"> & { owner: string | null };

export interface NewRun {
  job: string;
  slot: Slot;
  trigger: Trigger;
  state: RunState;
  reason: Reason | null;
  timeoutMs: number | null;
  dueByMs: number | null;
  slots: number;
}

const EVENTS: Partial<Record<RunState, NotifyEvent>> = {
  running: "started",
  succeeded: "succeeded",
  failed: "failed",
  missed: "missed",
  skipped: "skipped",
  cancelled: "cancelled",
};

/** What a run loses when it goes back to the queue. */
const UNOWNED: Partial<RunRecord> = {
  owner: null,
  lease_until_ms: null,
  host: null,
  boot_id: null,
  pid: null,
  pid_start: null,
  stop_reason: null,
  stop_asked_ms: null,
  stop_killed_ms: null,
};

export class LedgerChanges {
  private readonly statements = new Map<string, Database.Statement>();

  constructor(
    private readonly db: Database.Database,
    private readonly newId: () => string,
  ) {}

  /** Statements are prepared once: preparing costs more than running them. */
  sql<Result = unknown>(text: string): Database.Statement<unknown[], Result> {
    let statement = this.statements.get(text);
    if (!statement) {
      statement = this.db.prepare(text);
      this.statements.set(text, statement);
    }
    return statement as Database.Statement<unknown[], Result>;
  }

  byId(id: string): RunRow | null {
    const record = this.sql<RunRecord>("SELECT * FROM runs WHERE id = ?").get(id);
    return record ? toRun(record) : null;
  }

  byKey(job: string, runKey: string): RunRow | null {
    const record = this.sql<RunRecord>("SELECT * FROM runs WHERE job = ? AND run_key = ? AND superseded_by IS NULL").get(
      job,
      runKey,
    );
    return record ? toRun(record) : null;
  }

  activeOf(job: string): RunRow | null {
    const record = this.sql<RunRecord>("SELECT * FROM runs WHERE job = ? AND state IN ('claimed', 'running', 'committing')").get(
      job,
    );
    return record ? toRun(record) : null;
  }

  /** @param over the ended run of the same key that this one takes over */
  insert(run: NewRun, nowMs: number, over: RunRow | null, tell = true): RunRow {
    const id = this.newId();
    if (over) this.sql("UPDATE runs SET superseded_by = ? WHERE id = ? AND superseded_by IS NULL").run(id, over.id);
    this.sql(
      `INSERT INTO runs (id, job, run_key, logical_date, local_time, scheduled_ms, trigger_kind, state, reason, not_before_ms, timeout_ms,
         due_by_ms, created_ms, ended_ms, slots)
       VALUES (@id, @job, @runKey, @logicalDate, @localTime, @utcMs, @trigger, @state, @reason, @nowMs, @timeoutMs, @dueByMs, @nowMs, @endedMs, @slots)`,
    ).run({
      id,
      nowMs,
      job: run.job,
      runKey: run.slot.runKey,
      logicalDate: run.slot.logicalDate,
      localTime: run.slot.localTime,
      utcMs: run.slot.utcMs,
      trigger: run.trigger,
      state: run.state,
      reason: run.reason,
      timeoutMs: run.timeoutMs,
      dueByMs: run.dueByMs,
      endedMs: isTerminal(run.state) ? nowMs : null,
      slots: run.slots,
    });
    const inserted = this.byId(id)!;
    const event = EVENTS[run.state];
    if (event && tell) this.tell(inserted, event, nowMs);
    return inserted;
  }

  /** Another state, if the guard holds and the table of states allows it. null: it does not; nothing was changed. */
  move(guard: Guard, to: RunState, nowMs: number, columns: Partial<RunRecord>): RunRow | null {
    if (!mayFollow(guard.state, to)) return null;
    const all: Partial<RunRecord> = { ...(isActive(to) ? {} : to === "scheduled" ? UNOWNED : {}), ...columns, state: to };
    if (isTerminal(to)) all.ended_ms = nowMs;
    const moved = this.touch(guard, all);
    const event = EVENTS[to];
    // A run begins once for those who listen, however often it is tried.
    if (moved && event && !(to === "running" && moved.attempt > 1)) this.tell(moved, event, nowMs);
    return moved;
  }

  /** Columns of a run, if the guard holds. */
  touch(guard: Guard, columns: Partial<RunRecord>): RunRow | null {
    const names = Object.keys(columns);
    const { changes } = this.sql(
      `UPDATE runs SET ${names.map((name) => `${name} = @${name}`).join(", ")}
       WHERE id = @guardId AND state = @guardState AND owner IS @guardOwner AND attempt = @guardAttempt`,
    ).run({ ...columns, guardId: guard.id, guardState: guard.state, guardOwner: guard.owner, guardAttempt: guard.attempt });
    return changes === 1 ? this.byId(guard.id) : null;
  }

  /** One entry per target that wants the event. @param run as it is to be told, which may count more slots than its row */
  tell(run: RunRow, event: NotifyEvent, nowMs: number): void {
    const job = this.sql<{ definition: string }>("SELECT definition FROM jobs WHERE name = ?").get(run.job);
    const { notify } = JSON.parse(job?.definition ?? '{"notify":[]}') as Pick<JobDefinition, "notify">;
    for (const [target, events] of notify.entries()) {
      if (!events.includes(event)) continue;
      this.sql(
        `INSERT INTO outbox (job, run_id, run_key, event, target, idempotency_key, payload, created_ms, due_ms)
         VALUES (@job, @runId, @runKey, @event, @target, @key, @payload, @nowMs, @nowMs) ON CONFLICT DO NOTHING`,
      ).run({
        job: run.job,
        runId: run.id,
        runKey: run.runKey,
        event,
        target,
        key: `${run.id}/${event}/${target}`,
        payload: JSON.stringify(run),
        nowMs,
      });
    }
  }
}
