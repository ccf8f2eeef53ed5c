/**
 * Rows on their way into an existing database wait in staging tables of that database, so that one transaction can make them
 * visible. With them stands the run's checkpoint, written in the transaction of the rows it speaks of. A killed run leaves its
 * tables behind; who they belong to is told by the run's journal beside the database.
 */
import fs from "node:fs";
import path from "node:path";
import type Database from "better-sqlite3";
import { labelOf, runTag } from "../partial-file.ts";
import { quoteName } from "./identifiers.ts";

const PREFIX = "_batchpredict_staging_";
const REJECTS = "_rejects";
const CHECKPOINT = "_checkpoint";

export interface StagingNames {
  rows: string;
  rejects: string;
  checkpoint: string;
}

export function stagingNames(runId: string): StagingNames {
  const rows = PREFIX + runTag(runId);
  return { rows, rejects: rows + REJECTS, checkpoint: rows + CHECKPOINT };
}

/**
 * Inside a write transaction of the caller, so that no other run makes its tables meanwhile. A staging table whose run has no
 * journal beside the database belongs to nobody: a run makes its journal before its tables and removes it after them.
 * @param runId the caller's own run, whose tables go too unless it is gone on with
 */
export function dropAbandoned(db: Database.Database, finalPath: string, runId: string, resumed: boolean): void {
  const tables = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, ?) = ?")
    .pluck()
    .all(PREFIX.length, PREFIX) as string[];
  if (tables.length === 0) return;
  const start = `.${labelOf(finalPath)}.`;
  const journals = fs.readdirSync(path.dirname(finalPath)).filter((name) => name.startsWith(start) && name.endsWith(".journal"));
  for (const table of tables) {
    const owner = table.slice(PREFIX.length).replace(new RegExp(`(${REJECTS}|${CHECKPOINT})$`), "");
    const ours = owner === runTag(runId);
    if (ours ? !resumed : !journals.some((name) => name.includes(`.${owner}.`))) db.exec(`DROP TABLE ${quoteName(table)}`);
  }
}
