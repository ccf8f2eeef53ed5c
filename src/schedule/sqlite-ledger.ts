/** The ledger on SQLite: transactions and queries. What may change, and how, stands in ledger-changes.ts and ledger-apply.ts. */
import type Database from "better-sqlite3";
import { BatchPredictError } from "../core/errors.ts";
import { DEFAULT_RETRIES, type JobDefinition } from "./definition.ts";
import { type Gap, gapsBetween } from "./gaps.ts";
import type { Applied, Ledger, LedgerOptions, Requested, RunRequest, SchedulerHolder, Started } from "./ledger.ts";
import { applyActions } from "./ledger-apply.ts";
import { type Guard, LedgerChanges } from "./ledger-changes.ts";
import { ledgerPath, openDatabase, translating } from "./ledger-file.ts";
import { Outbox } from "./ledger-outbox.ts";
import { type JobRecord, processColumns, type RunRecord, toJob, toRun } from "./ledger-rows.ts";
import { SchedulerSeat } from "./ledger-seat.ts";
import { isDead } from "./liveness.ts";
import { nextSlotMs } from "./next-slot.ts";
import { afterAttempt, type Outcome } from "./outcome.ts";
import type { Action, DecidedKey, LedgerState } from "./planner.ts";
import type { Fence, LedgerJob, Look, OutboxEntry, ProcessIdentity, RunRow } from "./run-row.ts";
import { isTerminal, type RunState } from "./states.ts";

const ACTIVE = "state IN ('claimed', 'running', 'committing')";
const OPEN = "state IN ('scheduled', 'claimed', 'running', 'committing')";
/** Keys by date are looked at this far behind the cursor: an edited schedule can bring a date round again. */
const DECIDED_BEHIND_MS = 2 * 86_400_000;

export class SqliteLedger implements Ledger {
  readonly path: string;
  private readonly db: Database.Database;
  private readonly changes: LedgerChanges;
  private readonly outbox: Outbox;
  private readonly seat: SchedulerSeat;
  private readonly definitions = new Map<string, JobDefinition>();

  constructor({ stateDir, newId, busyMs }: LedgerOptions) {
    this.path = ledgerPath(stateDir);
    this.db = openDatabase(stateDir, busyMs);
    this.changes = new LedgerChanges(this.db, newId);
    this.outbox = new Outbox(this.changes);
    this.seat = new SchedulerSeat(this.changes);
  }

  close(): void {
    this.db.close();
  }

  state(look: Look, nowMs: number): LedgerState {
    return this.read(() => {
      const open = this.runs(`SELECT * FROM runs WHERE ${OPEN}`);
      const jobs = this.jobRows();
      return {
        jobs,
        open,
        dead: new Set(open.filter((run) => run.state !== "scheduled" && isDead(run, look, nowMs)).map(({ id }) => id)),
        overdue: this.runs(
          `SELECT * FROM runs WHERE due_by_ms IS NOT NULL AND overdue_told_ms IS NULL AND due_by_ms <= ? AND state <> 'succeeded'
           AND superseded_by IS NULL`,
          nowMs,
        ),
        decided: jobs
          .filter(({ definition, cursorMs }) => nextSlotMs(definition, cursorMs) <= nowMs)
          .flatMap((job) => this.decidedOf(job)),
      };
    });
  }

  apply(actions: readonly Action[], context: { owner: string; nowMs: number }): Applied {
    if (actions.length === 0) return { claimed: [], stop: [], kill: [], stale: 0 };
    return this.write(() => applyActions(this.changes, actions, context));
  }

  jobs(): LedgerJob[] {
    return this.read(() => this.jobRows());
  }

  job(name: string): LedgerJob | null {
    return this.read(() => this.jobRow(name));
  }

  register(definition: JobDefinition, nowMs: number): LedgerJob {
    return this.write(() => {
      const known = this.jobRow(definition.name);
      if (known !== null && known.removedMs === null) return known;
      const fromMs = known?.cursorMs ?? null;
      applyActions(this.changes, [{ kind: "adopt", definition, fromMs, cursorMs: nowMs }], { owner: "", nowMs });
      return this.jobRow(definition.name)!;
    });
  }

  pause(job: string, nowMs: number): boolean {
    // A pause that the planner has not recorded yet goes on: its slots stay skipped.
    const sql = `UPDATE jobs SET paused_ms = COALESCE(paused_ms, @nowMs), resumed_ms = NULL
                 WHERE name = @job AND (paused_ms IS NULL OR resumed_ms IS NOT NULL)`;
    return this.write(() => this.changes.sql(sql).run({ job, nowMs }).changes === 1);
  }

  resume(job: string, nowMs: number): boolean {
    const sql = "UPDATE jobs SET resumed_ms = @nowMs WHERE name = @job AND paused_ms IS NOT NULL AND resumed_ms IS NULL";
    return this.write(() => this.changes.sql(sql).run({ job, nowMs }).changes === 1);
  }

  request(request: RunRequest, nowMs: number): Requested {
    return this.write(() => {
      const known = this.changes.byKey(request.job, request.slot.runKey);
      if (known && !isTerminal(known.state)) return { kind: "open", run: known };
      if (known?.state === "succeeded" && !request.again) return { kind: "done", run: known };
      return { kind: "queued", run: this.insertRequested(request, nowMs, known) };
    });
  }

  start(request: RunRequest, owner: string, process: ProcessIdentity, nowMs: number, leaseUntilMs: number): Started {
    return this.write(() => {
      const known = this.changes.byKey(request.job, request.slot.runKey);
      if (known?.state === "succeeded" && !request.again) return { kind: "done", run: known };
      const busy = this.changes.activeOf(request.job);
      if (busy) return { kind: "busy", run: busy };
      const queued = known?.state === "scheduled" ? known : this.insertRequested(request, nowMs, known);
      const attempt = queued.attempt + 1;
      const columns = { owner, attempt, reason: null, lease_until_ms: leaseUntilMs, claimed_ms: nowMs, started_ms: null };
      const run = this.changes.move(queued, "claimed", nowMs, { ...columns, ...processColumns(process) });
      if (!run) throw new BatchPredictError("BP_INTERNAL", `run ${queued.id} changed under the write lock`);
      return { kind: "claimed", run, fence: { id: run.id, state: "claimed", owner, attempt } };
    });
  }

  running(fence: Fence, process: ProcessIdentity, nowMs: number, leaseUntilMs: number): Fence | null {
    const columns = { started_ms: nowMs, lease_until_ms: leaseUntilMs, reason: null, ...processColumns(process) };
    return this.advance(fence, "running", nowMs, columns);
  }

  committing(fence: Fence, nowMs: number): Fence | null {
    return this.advance(fence, "committing", nowMs, {});
  }

  settle(fence: Fence, outcome: Outcome, nowMs: number, random: () => number): RunRow | null {
    return this.write(() => {
      const run = this.changes.byId(fence.id);
      if (run?.state !== fence.state || run.owner !== fence.owner || run.attempt !== fence.attempt) return null;
      if (outcome.kind === "succeeded") {
        const { read, predicted, rejected } = outcome.rows;
        const rows = { rows_read: read, rows_predicted: predicted, rows_rejected: rejected };
        const done = { ...rows, reason: null, output: outcome.output, error: null, crashes: 0 };
        return this.changes.move(fence, "succeeded", nowMs, done);
      }
      const retries = this.jobRow(run.job)?.definition.retries ?? DEFAULT_RETRIES;
      const next = afterAttempt(run, outcome, retries, nowMs, random);
      const { state, reason, failures, crashes } = next;
      const columns: Partial<RunRecord> = { reason, failures, crashes, error: errorText(outcome) };
      if (outcome.kind === "failed" && outcome.rows) {
        const { read, predicted, rejected } = outcome.rows;
        Object.assign(columns, { rows_read: read, rows_predicted: predicted, rows_rejected: rejected });
      }
      if (next.state === "scheduled") columns.not_before_ms = next.notBeforeMs;
      return this.changes.move(fence, state, nowMs, columns);
    });
  }

  renew(fence: Fence, leaseUntilMs: number): RunRow | null {
    return this.write(() => this.changes.touch(fence, { lease_until_ms: leaseUntilMs }));
  }

  cancel(runId: string, nowMs: number): RunRow | null {
    return this.write(() => {
      const run = this.changes.byId(runId);
      if (run === null || isTerminal(run.state) || run.state === "committing") return run;
      if (run.state === "scheduled") return this.changes.move(run, "cancelled", nowMs, { reason: "by-user" });
      if (run.stop !== null) return run;
      return this.changes.touch(run, { stop_reason: "by-user", stop_asked_ms: nowMs });
    });
  }

  timed(nowMs: number): RunRow[] {
    return this.read(() => this.runs(`SELECT * FROM runs WHERE ${OPEN} AND (state <> 'scheduled' OR not_before_ms > ?)`, nowMs));
  }

  run(id: string): RunRow | null {
    return this.read(() => this.changes.byId(id));
  }

  history(job: string | null, { limit = 50, states = [] }: { limit?: number; states?: readonly RunState[] } = {}): RunRow[] {
    const where = [
      job === null ? null : "job = @job",
      states.length === 0 ? null : "state IN (SELECT value FROM json_each(@states))",
    ];
    const conditions = where.filter((condition) => condition !== null).join(" AND ") || "TRUE";
    const sql = `SELECT * FROM runs WHERE ${conditions} ORDER BY scheduled_ms DESC, created_ms DESC, id DESC LIMIT @limit`;
    return this.read(() => this.runs(sql, { job, states: JSON.stringify(states), limit }));
  }

  active(): RunRow[] {
    return this.read(() => this.runs(`SELECT * FROM runs WHERE ${ACTIVE} ORDER BY claimed_ms, id`));
  }

  byKey(job: string, runKey: string): RunRow | null {
    return this.read(() => this.changes.byKey(job, runKey));
  }

  previousSuccess(job: string, beforeDate: string): RunRow | null {
    const sql = `SELECT * FROM runs WHERE job = ? AND state = 'succeeded' AND logical_date < ? ORDER BY logical_date DESC, scheduled_ms DESC LIMIT 1`;
    return this.read(() => this.runs(sql, job, beforeDate)[0] ?? null);
  }

  gaps(job: string, sinceMs: number | null, nowMs: number): Gap[] {
    return this.read(() => {
      const known = this.jobRow(job);
      if (known === null) return [];
      return gapsBetween(known.definition, this.keysOf(job), sinceMs ?? known.createdMs, nowMs);
    });
  }

  keys(job: string): ReadonlyMap<string, RunRow> {
    return this.read(() => this.keysOf(job));
  }

  dueOutbox(nowMs: number, limit: number): OutboxEntry[] {
    return this.read(() => this.outbox.due(nowMs, limit));
  }

  delivered(id: number, nowMs: number): void {
    this.write(() => this.outbox.delivered(id, nowMs));
  }

  postpone(id: number, dueMs: number | null, error: string): void {
    this.write(() => this.outbox.postpone(id, dueMs, error));
  }

  outboxDepth(): { due: number; givenUp: number } {
    return this.read(() => this.outbox.depth());
  }

  takeScheduler(
    owner: string,
    process: ProcessIdentity,
    look: Look,
    nowMs: number,
    leaseUntilMs: number,
  ): SchedulerHolder | null {
    return this.write(() => this.seat.take(owner, process, look, nowMs, leaseUntilMs));
  }

  renewScheduler(owner: string, leaseUntilMs: number): boolean {
    return this.write(() => this.seat.renew(owner, leaseUntilMs));
  }

  releaseScheduler(owner: string): void {
    this.write(() => this.seat.release(owner));
  }

  scheduler(): SchedulerHolder | null {
    return this.read(() => this.seat.holder());
  }

  private insertRequested({ job, slot, trigger, timeoutMs }: RunRequest, nowMs: number, over: RunRow | null): RunRow {
    const run = { job, slot, trigger, state: "scheduled" as const, reason: null, timeoutMs, dueByMs: null, slots: 1 };
    return this.changes.insert(run, nowMs, over);
  }

  private advance(fence: Fence, to: RunState, nowMs: number, columns: Partial<RunRecord>): Fence | null {
    const guard: Guard = fence;
    return this.write(() => (this.changes.move(guard, to, nowMs, columns) ? { ...fence, state: to } : null));
  }

  private decidedOf({ name, cursorMs }: LedgerJob): DecidedKey[] {
    return this.changes
      .sql<{ run_key: string; state: string; ended_ms: number | null }>(
        `SELECT run_key, state, ended_ms FROM runs WHERE job = @name AND superseded_by IS NULL
         AND scheduled_ms > @cursorMs - ${DECIDED_BEHIND_MS} AND (scheduled_ms > @cursorMs OR run_key = logical_date)`,
      )
      .all({ name, cursorMs })
      .map(({ run_key, state, ended_ms }) => ({ job: name, runKey: run_key, state: state as RunState, endedMs: ended_ms }));
  }

  private keysOf(job: string): Map<string, RunRow> {
    const runs = this.runs("SELECT * FROM runs WHERE job = ? AND superseded_by IS NULL", job);
    return new Map(runs.map((run) => [run.runKey, run]));
  }

  private runs(sql: string, ...parameters: unknown[]): RunRow[] {
    return this.changes
      .sql<RunRecord>(sql)
      .all(...parameters)
      .map(toRun);
  }

  private jobRows(): LedgerJob[] {
    return this.changes
      .sql<JobRecord>("SELECT * FROM jobs ORDER BY name")
      .all()
      .map((record) => toJob(record, this.definitions));
  }

  private jobRow(name: string): LedgerJob | null {
    const record = this.changes.sql<JobRecord>("SELECT * FROM jobs WHERE name = ?").get(name);
    return record ? toJob(record, this.definitions) : null;
  }

  private read<T>(action: () => T): T {
    return translating(this.path, () => this.db.transaction(action).deferred());
  }

  private write<T>(action: () => T): T {
    return translating(this.path, () => this.db.transaction(action).immediate());
  }
}

function errorText(outcome: Exclude<Outcome, { kind: "succeeded" }>): string | null {
  if (outcome.kind === "failed") {
    const { stack: _stack, ...error } = outcome.error;
    return JSON.stringify(error);
  }
  if (outcome.kind === "interrupted") return null;
  return JSON.stringify({ code: "BP_INTERNAL", message: `the run's process ended without a word: ${outcome.detail}` });
}
