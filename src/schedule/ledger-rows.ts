/** Rows of the ledger's tables to the room's own types and back. */
import type { WireError } from "../core/errors.ts";
import type { JobDefinition, NotifyEvent } from "./definition.ts";
import type { LedgerJob, OutboxEntry, ProcessIdentity, RunRow, StopReason } from "./run-row.ts";
import type { Reason, RunState, Trigger } from "./states.ts";

export interface RunRecord {
  id: string;
  job: string;
  run_key: string;
  logical_date: string;
  local_time: string;
  scheduled_ms: number;
  trigger_kind: string;
  state: string;
  reason: string | null;
  attempt: number;
  failures: number;
  crashes: number;
  not_before_ms: number;
  timeout_ms: number | null;
  due_by_ms: number | null;
  overdue_told_ms: number | null;
  owner: string | null;
  lease_until_ms: number | null;
  host: string | null;
  boot_id: string | null;
  pid: number | null;
  pid_start: string | null;
  stop_reason: string | null;
  stop_asked_ms: number | null;
  stop_killed_ms: number | null;
  created_ms: number;
  claimed_ms: number | null;
  started_ms: number | null;
  ended_ms: number | null;
  rows_read: number | null;
  rows_predicted: number | null;
  rows_rejected: number | null;
  output: string | null;
  error: string | null;
  slots: number;
  superseded_by: string | null;
}

export function toRun(record: RunRecord): RunRow {
  const { pid, stop_reason, rows_read } = record;
  return {
    id: record.id,
    job: record.job,
    runKey: record.run_key,
    logicalDate: record.logical_date,
    localTime: record.local_time,
    scheduledMs: record.scheduled_ms,
    trigger: record.trigger_kind as Trigger,
    state: record.state as RunState,
    reason: record.reason as Reason | null,
    attempt: record.attempt,
    failures: record.failures,
    crashes: record.crashes,
    notBeforeMs: record.not_before_ms,
    timeoutMs: record.timeout_ms,
    dueByMs: record.due_by_ms,
    owner: record.owner,
    leaseUntilMs: record.lease_until_ms,
    process: pid === null ? null : { host: record.host!, bootId: record.boot_id!, pid, startTime: record.pid_start! },
    stop:
      stop_reason === null
        ? null
        : { reason: stop_reason as StopReason, askedMs: record.stop_asked_ms!, killedMs: record.stop_killed_ms },
    createdMs: record.created_ms,
    claimedMs: record.claimed_ms,
    startedMs: record.started_ms,
    endedMs: record.ended_ms,
    rows: rows_read === null ? null : { read: rows_read, predicted: record.rows_predicted!, rejected: record.rows_rejected! },
    output: record.output,
    error: record.error === null ? null : (JSON.parse(record.error) as WireError),
    slots: record.slots,
    supersededBy: record.superseded_by,
  };
}

export interface JobRecord {
  name: string;
  definition: string;
  cursor_ms: number;
  paused_ms: number | null;
  resumed_ms: number | null;
  created_ms: number;
  removed_ms: number | null;
}

/** @param read definitions by their text: a tick over a thousand jobs then parses only what was edited */
export function toJob(record: JobRecord, read: Map<string, JobDefinition>): LedgerJob {
  let definition = read.get(record.definition);
  if (!definition) {
    definition = JSON.parse(record.definition) as JobDefinition;
    if (read.size > 10_000) read.clear();
    read.set(record.definition, definition);
  }
  return {
    name: record.name,
    definition,
    cursorMs: record.cursor_ms,
    pausedMs: record.paused_ms,
    resumedMs: record.resumed_ms,
    createdMs: record.created_ms,
    removedMs: record.removed_ms,
  };
}

export interface OutboxRecord {
  id: number;
  job: string;
  run_id: string;
  run_key: string;
  event: string;
  target: number;
  idempotency_key: string;
  payload: string;
  created_ms: number;
  due_ms: number;
  attempts: number;
  last_error: string | null;
}

export function toOutboxEntry(record: OutboxRecord): OutboxEntry {
  return {
    id: record.id,
    job: record.job,
    runId: record.run_id,
    runKey: record.run_key,
    event: record.event as NotifyEvent,
    target: record.target,
    idempotencyKey: record.idempotency_key,
    createdMs: record.created_ms,
    dueMs: record.due_ms,
    attempts: record.attempts,
    lastError: record.last_error,
    run: JSON.parse(record.payload) as RunRow,
  };
}

/** Columns of a process, null while it is not known. */
export function processColumns(process: ProcessIdentity | null): Pick<RunRecord, "host" | "boot_id" | "pid" | "pid_start"> {
  return {
    host: process?.host ?? null,
    boot_id: process?.bootId ?? null,
    pid: process?.pid ?? null,
    pid_start: process?.startTime ?? null,
  };
}
