/**
 * Tables of a run's own in an existing database. Rows of a table that is replaced, or not there yet, wait in staging tables, so that
 * one transaction can make them visible; rows that are added to a table leave there what it takes to undo them (see live-table.ts).
 * With them stands the run's checkpoint, written in the transaction of the rows it speaks of. A killed run leaves its tables behind;
 * who they belong to is told by the run's journal beside the database.
 */
import fs from "node:fs";
import path from "node:path";
import type Database from "better-sqlite3";
import { labelOf, runTag } from "../partial-file.ts";

const PREFIX = "_batchpredict_staging_";
const REJECTS = "_rejects";
const CHECKPOINT = "_checkpoint";
const UNDO = "_undo";

export interface StagingNames {
  rows: string;
  rejects: string;
  checkpoint: string;
  undo: string;
}

export function stagingNames(runId: string): StagingNames {
  const rows = PREFIX + runTag(runId);
  return { rows, rejects: rows + REJECTS, checkpoint: rows + CHECKPOINT, undo: rows + UNDO };
}

/**
 * Runs whose tables belong to nobody: without a journal beside the database, because a run makes its journal before its tables and
 * removes it after them. Asked inside a write transaction, so that no other run makes its tables meanwhile.
 * @param runId the caller's own run, which counts as abandoned unless it is gone on with
 * @returns tags of run ids
 */
export function abandonedRuns(db: Database.Database, finalPath: string, runId: string, resumed: boolean): string[] {
  const tables = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, ?) = ?")
    .pluck()
    .all(PREFIX.length, PREFIX) as string[];
  if (tables.length === 0) return [];
  const start = `.${labelOf(finalPath)}.`;
  const journals = fs.readdirSync(path.dirname(finalPath)).filter((name) => name.startsWith(start) && name.endsWith(".journal"));
  const suffix = new RegExp(`(${REJECTS}|${CHECKPOINT}|${UNDO})$`);
  const owners = new Set(tables.map((table) => table.slice(PREFIX.length).replace(suffix, "")));
  return [...owners].filter((owner) =>
    owner === runTag(runId) ? !resumed : !journals.some((name) => name.includes(`.${owner}.`)),
  );
}
