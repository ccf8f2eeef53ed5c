/** Taking away what dead runs left beside their outputs, and history that is old. Living runs keep everything. */
import fs from "node:fs";
import path from "node:path";
import { toWire } from "../core/errors.ts";
import type { Look } from "../schedule/run-row.ts";
import { isTerminal } from "../schedule/states.ts";
import { dropLeftovers, leftoversOf } from "../sinks/leftovers.ts";
import { allRuns, type HistorySource } from "./find-run.ts";
import { journalIdOf } from "./record.ts";
import { recordFile, removeRecord } from "./records.ts";
import { type FoundRun, hasEnded, idOf, lastAttempt, processOf } from "./run-view.ts";

/** What `runs clean --json` prints. */
export interface Cleaned {
  dry_run: boolean;
  files: { run_id: string; path: string; bytes: number }[];
  tables: { run_id: string; database: string; table: string }[];
  /** Tables out of which rows of an unfinished run were taken. */
  taken_back: { run_id: string; database: string; table: string }[];
  /** Old history. */
  records: number;
  logs: number;
  /** Of all files; tables give their pages back to the database, which keeps its size. */
  bytes: number;
  kept: { run_id: string; why: string }[];
}

export interface CleanOptions {
  /** These alone, and all that is left of them; null: every run. */
  ids: readonly string[] | null;
  /** History that ended before it goes; null: none. */
  endedBeforeMs: number | null;
  /** false: only says what it would remove. */
  act: boolean;
  look: Look;
}

export async function clean(source: HistorySource, options: CleanOptions): Promise<Cleaned> {
  const cleaned: Cleaned = {
    dry_run: !options.act,
    files: [],
    tables: [],
    taken_back: [],
    records: 0,
    logs: 0,
    bytes: 0,
    kept: [],
  };
  for (const found of allRuns(source, null)) {
    if (options.ids !== null && !options.ids.includes(idOf(found))) continue;
    if (processOf(found, options.look) !== null) continue;
    await cleanBeside(found, options, cleaned);
    if (options.endedBeforeMs !== null) forget(source.stateDir, found, options.endedBeforeMs, options, cleaned);
  }
  cleaned.bytes += cleaned.files.reduce((sum, { bytes }) => sum + bytes, 0);
  return cleaned;
}

async function cleanBeside(found: FoundRun, { ids, act }: CleanOptions, cleaned: Cleaned): Promise<void> {
  const { record } = found;
  if (record === null) return;
  const { output } = lastAttempt(found)!.begin;
  const id = idOf(found);
  const journalId = journalIdOf(record);
  const left = leftoversOf(output, journalId);
  const killed = lastAttempt(found)!.end === null;
  if (left.files.length === 0 && !(killed && output.format === "sqlite")) return;
  const keep = (why: string): void => void cleaned.kept.push({ run_id: id, why });
  if (left.alive) return keep("a living process goes on with it");
  try {
    const wouldDrop = await dropLeftovers(output, journalId, false);
    const whole = left.content?.publish && (left.files.length > 1 || wouldDrop.tables.length > 0);
    if (whole && ids === null) {
      return keep(`its output is whole and only has to be put in place: batchpredict runs resume ${id}, or runs clean ${id}`);
    }
    const dropped = act ? await dropLeftovers(output, journalId, true) : wouldDrop;
    if (dropped.busy) return keep("a living process goes on with it");
    cleaned.files.push(...dropped.files.map((file) => ({ run_id: id, ...file })));
    if (dropped.rowsIn !== null) cleaned.taken_back.push({ run_id: id, database: output.path, table: dropped.rowsIn });
    cleaned.tables.push(...dropped.tables.map((table) => ({ run_id: id, database: output.path, table })));
  } catch (error) {
    keep(toWire(error).message);
  }
}

function forget(stateDir: string, found: FoundRun, beforeMs: number, { act, look }: CleanOptions, cleaned: Cleaned): void {
  const { row, record } = found;
  const id = idOf(found);
  if (row !== null && !isTerminal(row.state)) return;
  const endedMs = row?.endedMs ?? record?.touchedMs ?? Number.POSITIVE_INFINITY;
  if (endedMs >= beforeMs) return;
  if (record !== null && hasEnded(record, look)) {
    cleaned.records++;
    cleaned.bytes += act ? removeRecord(stateDir, id) : sizeOf(recordFile(stateDir, id));
  }
  const log = path.join(stateDir, "logs", `${id}.log`);
  if (!fs.existsSync(log)) return;
  cleaned.logs++;
  cleaned.bytes += sizeOf(log);
  if (act) fs.rmSync(log, { force: true });
}

function sizeOf(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
