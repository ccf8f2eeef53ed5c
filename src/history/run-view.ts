/**
 * What became of a run, from what is written down about it: the ledger's row (for jobs), its record in the state folder, and what
 * lies beside its output. The ledger decides where it knows the run; "interrupted" means that no process is at it and something is
 * left to go on with, or that it died without a word.
 */
import type { WireError } from "../core/errors.ts";
import { isDead } from "../schedule/liveness.ts";
import type { Look, ProcessIdentity, RunRow } from "../schedule/run-row.ts";
import { isActive, RUN_STATES, type RunState } from "../schedule/states.ts";
import { type Leftovers, leftoversOf } from "../sinks/leftovers.ts";
import { type Attempt, journalIdOf, type RunRecordFile } from "./record.ts";

export type ViewState = RunState | "interrupted";
export const VIEW_STATES: readonly ViewState[] = [...RUN_STATES, "interrupted"];

/** Of another machine nothing is known but that its record was written to lately. */
const SILENT_MS = 120_000;

/** A run as it was found; at least one of the first two is there. */
export interface FoundRun {
  row: RunRow | null;
  record: RunRecordFile | null;
}

/** One line of `runs list --json`; instants are ISO 8601 in UTC. */
export interface RunView {
  run_id: string;
  job: string | null;
  /** null: not a slot of a job. */
  run_key: string | null;
  state: ViewState;
  reason: string | null;
  trigger: string | null;
  attempt: number;
  /** A journal beside the output proves it. */
  resumable: boolean;
  started_at: string | null;
  ended_at: string | null;
  seconds: number | null;
  rows: { read: number; predicted: number; rejected: number } | null;
  /** While it runs, and where it was last seen. */
  progress: { rows_read: number; rows_total: number | null; at: string } | null;
  /** Only of a living process. */
  process: { pid: number; host: string } | null;
  output: string | null;
  error: WireError | null;
  /** What people must know besides. */
  note: string | null;
}

export function idOf({ row, record }: FoundRun): string {
  return (row?.id ?? record?.id)!;
}

export function lastAttempt({ record }: FoundRun): Attempt | null {
  return record?.attempts.at(-1) ?? null;
}

export function leftoversOfRun({ record }: FoundRun): Leftovers | null {
  return record === null ? null : leftoversOf(record.attempts.at(-1)!.begin.output, journalIdOf(record));
}

/** No process is at it, and nothing of it lies beside its output. */
export function hasEnded(record: RunRecordFile, look: Look): boolean {
  const { begin, end } = record.attempts.at(-1)!;
  if (end === null && look(begin.process) !== "dead") return false;
  return leftoversOfRun({ row: null, record })!.files.length === 0;
}

/** The process that is at the run now; null: none, or none that can be proven to be. */
export function processOf(found: FoundRun, look: Look): ProcessIdentity | null {
  const { row, record } = found;
  if (row !== null) return isActive(row.state) && row.process !== null && look(row.process) === "alive" ? row.process : null;
  const { begin, end } = record!.attempts.at(-1)!;
  return end === null && look(begin.process) === "alive" ? begin.process : null;
}

export function viewOf(found: FoundRun, look: Look, nowMs: number): RunView {
  const { row, record } = found;
  const attempt = lastAttempt(found);
  const summary = attempt?.end?.summary ?? null;
  const state = stateOf(found, look, nowMs);
  const going = state === "running" || state === "claimed" || state === "committing";
  const left = going || state === "succeeded" ? null : leftoversOfRun(found);
  const resumable = left !== null && left.journal !== null && !left.alive;
  const shown = !row && state === "interrupted" && attempt?.end && !resumable ? "cancelled" : state;
  const started = row ? iso(row.startedMs) : attempt!.begin.at;
  const ended = row ? iso(row.endedMs) : (attempt?.end?.at ?? null);
  const identity = going ? (row ? row.process : attempt!.begin.process) : null;
  return {
    run_id: idOf(found),
    job: row?.job ?? attempt?.begin.job ?? null,
    run_key: row?.runKey ?? null,
    state: shown,
    reason: row?.reason ?? summary?.error?.code ?? null,
    trigger: row?.trigger ?? null,
    attempt: row?.attempt ?? record!.attempts.length,
    resumable,
    started_at: started,
    ended_at: ended,
    seconds: summary?.seconds ?? (started && ended ? (Date.parse(ended) - Date.parse(started)) / 1000 : null),
    rows: row?.rows ?? (summary && (summary.status === "succeeded" || summary.rows.read > 0) ? summary.rows : null),
    progress: summary ? null : progressOf(attempt),
    process: identity && { pid: identity.pid, host: identity.host },
    output: row?.output ?? attempt?.begin.output.path ?? null,
    error: row?.error ?? summary?.error ?? null,
    note: noteOf(found, shown, left, resumable),
  };
}

function stateOf({ row, record }: FoundRun, look: Look, nowMs: number): ViewState {
  if (row !== null) return isActive(row.state) && isDead(row, look, nowMs) ? "interrupted" : row.state;
  const { begin, end } = record!.attempts.at(-1)!;
  if (end !== null) return end.summary.status === "cancelled" ? "interrupted" : end.summary.status;
  const seen = look(begin.process);
  if (seen === "elsewhere") return nowMs - record!.touchedMs < SILENT_MS ? "running" : "interrupted";
  return seen === "alive" ? "running" : "interrupted";
}

function progressOf(attempt: Attempt | null): RunView["progress"] {
  const line = attempt?.progress;
  return line ? { rows_read: line.rows_read, rows_total: line.rows_total, at: line.at } : null;
}

function noteOf({ row, record }: FoundRun, state: ViewState, left: Leftovers | null, resumable: boolean): string | null {
  if (left?.alive) return "another process goes on with it";
  if (row?.supersededBy) return `done again by run ${row.supersededBy}`;
  if (state !== "interrupted") return resumable ? "can be resumed" : null;
  if (resumable) return left?.content?.publish ? "was publishing: only renames are left" : "can be resumed";
  if (row !== null && record === null) return "its process is gone; the scheduler takes it up again";
  return "its journal is gone: nothing is left to go on with";
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
