/**
 * Rows on their way into an existing database wait in staging tables of that database, so that one transaction can make them
 * visible. A killed run leaves its staging tables behind; who they belong to is told by the run's marker file, an empty partial file
 * beside the database (see partial-file.ts: its name dies with the process). The marker is made before the tables and removed after
 * them, so a staging table without a marker belongs to nobody.
 */
import fs from "node:fs";
import path from "node:path";
import type Database from "better-sqlite3";
import type { PartialFile } from "../partial-file.ts";
import { quoteName } from "./identifiers.ts";

const PREFIX = "_batchpredict_staging_";
const REJECTS = "_rejects";

export interface StagingNames {
  rows: string;
  rejects: string;
}

export function stagingNames(runId: string): StagingNames {
  const rows = PREFIX + tag(runId);
  return { rows, rejects: rows + REJECTS };
}

/** Inside a write transaction of the caller, so that no other run makes its tables meanwhile. */
export function dropAbandoned(db: Database.Database, marker: PartialFile, runId: string): void {
  const tables = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, ?) = ?")
    .pluck()
    .all(PREFIX.length, PREFIX) as string[];
  if (tables.length === 0) return;
  const owners = liveOwners(marker, runId);
  for (const table of tables) {
    const owner = table.slice(PREFIX.length).replace(new RegExp(`${REJECTS}$`), "");
    if (!owners.has(owner) || owner === tag(runId)) db.exec(`DROP TABLE ${quoteName(table)}`);
  }
}

/** Tags of the runs whose marker lies beside the database. Markers of dead processes are gone: opening ours removed them. */
function liveOwners(marker: PartialFile, runId: string): Set<string> {
  const own = path.basename(marker.tempPath);
  const prefix = own.slice(0, own.indexOf(`.${tag(runId)}.`) + 1);
  const owners = new Set<string>();
  for (const name of fs.readdirSync(path.dirname(marker.tempPath))) {
    if (name.startsWith(prefix) && name.endsWith(".partial")) owners.add(name.slice(prefix.length).split(".", 1)[0]!);
  }
  return owners;
}

/** As partial-file.ts writes a run id into a file name. */
function tag(runId: string): string {
  return runId.replace(/[^\w-]/g, "_");
}
