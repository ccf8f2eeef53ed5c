/**
 * What a run leaves in the history: `<state folder>/runs/<run id>.jsonl`, one file per run, written by the run's own process alone.
 * So any number of runs write at once without a lock, a run costs some hundred microseconds and no library, and a torn line of a
 * killed process spoils nothing but itself. Nothing is flushed: what can be gone on with is proven by the journal beside the output.
 * Each attempt is a `begin` line, perhaps a `journal` and a `progress` line, and an `end` line unless its process was killed.
 */
import path from "node:path";
import type { RunSummary } from "../core/events.ts";
import type { SinkFormat } from "../core/sink.ts";
import type { ProcessIdentity } from "../schedule/run-row.ts";

export interface BeginLine {
  kind: "begin";
  version: 1;
  /** ISO 8601, UTC. */
  at: string;
  job: string | null;
  /** Absolute path of the job file. */
  job_file: string | null;
  /** As typed, without the program's name. */
  argv: string[];
  cwd: string;
  /** Variables that filled in settings: BATCHPREDICT_... alone, which hold no secrets. */
  env: Record<string, string>;
  /** Something that looks like a secret was taken out of the command: it cannot be given again. */
  redacted: boolean;
  process: ProcessIdentity;
  version_of: { batchpredict: string; node: string };
  inputs: string[];
  model: string;
  output: RecordedOutput;
  /** Of every setting that was resolved. */
  settings_sha256: string;
}

export interface RecordedOutput {
  /** Absolute. */
  path: string;
  format: SinkFormat;
  /** null: not a database. */
  table: string | null;
}

/** The journal's run id, where it is not the record's: a later run of a job goes on with what an earlier one left. */
interface JournalLine {
  kind: "journal";
  run_id: string;
}

export interface ProgressLine {
  kind: "progress";
  at: string;
  rows_read: number;
  rows_total: number | null;
}

interface EndLine {
  kind: "end";
  at: string;
  summary: RunSummary;
}

export type RecordLine = BeginLine | JournalLine | ProgressLine | EndLine;

export interface Attempt {
  begin: BeginLine;
  journalId: string | null;
  progress: ProgressLine | null;
  end: EndLine | null;
}

export interface RunRecordFile {
  id: string;
  /** Oldest first, never empty. */
  attempts: Attempt[];
  /** When the file was last written to. */
  touchedMs: number;
}

export function recordsFolder(stateDir: string): string {
  return path.join(stateDir, "runs");
}

/** Bytes of a file -> attempts. Lines that are torn or not ours are passed over. */
export function parseRecord(id: string, text: string, touchedMs: number): RunRecordFile | null {
  const attempts: Attempt[] = [];
  for (const line of text.split("\n")) {
    const parsed = parseLine(line);
    if (parsed === null) continue;
    const current = attempts.at(-1);
    if (parsed.kind === "begin") attempts.push({ begin: parsed, journalId: null, progress: null, end: null });
    else if (current === undefined) continue;
    else if (parsed.kind === "journal") current.journalId = parsed.run_id;
    else current[parsed.kind] = parsed as never;
  }
  return attempts.length === 0 ? null : { id, attempts, touchedMs };
}

function parseLine(line: string): RecordLine | null {
  if (!line.startsWith("{")) return null;
  try {
    const parsed = JSON.parse(line) as RecordLine;
    return ["begin", "journal", "progress", "end"].includes(parsed.kind) ? parsed : null;
  } catch {
    return null;
  }
}

/** The id under which the run's journal lies beside its output. */
export function journalIdOf({ id, attempts }: RunRecordFile): string {
  return attempts.findLast(({ journalId }) => journalId !== null)?.journalId ?? id;
}
