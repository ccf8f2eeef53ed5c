/** How far a run is, in the database that holds its rows: written in the transaction that writes them. */
import fs from "node:fs";
import Database from "better-sqlite3";
import type { Checkpoint } from "../../core/checkpoint.ts";
import { type DeadRunReader, takenOver } from "../claim.ts";
import type { JournalHeader } from "../journal.ts";
import { moveIntoPlace, outputExists, provenCommits } from "../partial-file.ts";
import { type RejectsState, settleRejects } from "../rejects.ts";
import { quoteName } from "./identifiers.ts";
import type { LiveState } from "./live-table.ts";
import { hasRunRecord } from "./run-table.ts";
import { translating } from "./sqlite-errors.ts";
import { stagingNames } from "./staging.ts";
import { objectKind } from "./tables.ts";

export interface StoredCheckpoint {
  /** null: nothing that could be gone on with is committed. */
  checkpoint: Checkpoint | null;
  rows: number;
  rejects: number;
  /** Of a rejects file, which is no part of the database. */
  rejectsFile: RejectsState | null;
  /** Of rows that are visible already; null: they wait in staging tables, or in a database that is not published. */
  live: LiveState | null;
}

export function createCheckpointTable(db: Database.Database, table: string): void {
  db.exec(`CREATE TABLE ${quoteName(table)} (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), state TEXT NOT NULL)`);
}

/**
 * Inside the transaction of the rows.
 * @param before what this process stored last: a process that was stopped while another took its run over must not write rows again
 * @returns what is stored now
 * @throws BP_OUTPUT_BUSY when somebody else has stored something meanwhile
 */
export function storeCheckpoint(db: Database.Database, table: string, before: string | null, stored: StoredCheckpoint): string {
  const name = quoteName(table);
  if (before !== stateIn(db, table)) throw takenOver(db.name);
  const state = JSON.stringify(stored);
  db.prepare(`INSERT OR REPLACE INTO ${name} VALUES (1, ?)`).run(state);
  return state;
}

export function stateIn(db: Database.Database, table: string): string | null {
  const state = db
    .prepare(`SELECT state FROM ${quoteName(table)}`)
    .pluck()
    .get();
  return (state as string | undefined) ?? null;
}

export function loadCheckpoint(db: Database.Database, table: string): StoredCheckpoint | null {
  if (objectKind(db, table) === null) return null;
  const state = stateIn(db, table);
  return state === null ? null : (JSON.parse(state) as StoredCheckpoint);
}

export const DATABASE_RUNS: DeadRunReader = {
  dropping({ header }) {
    const live = inDatabase(header, (db) => loadCheckpoint(db, stagingNames(header.runId).checkpoint)?.live ?? null);
    return live === null ? null : `the rows it has written to table "${live.table}" are taken back first`;
  },
  checkpoint({ header }) {
    const stored = inDatabase(header, (db) => loadCheckpoint(db, stagingNames(header.runId).checkpoint));
    if (stored?.rejectsFile && header.rejects && provenCommits(header.rejects.tempPath, [stored.rejectsFile]) === 0) return null;
    return stored?.checkpoint ?? null;
  },
  published({ header, publish }, act) {
    const isNew = publish.output !== null;
    if (isNew && fs.existsSync(header.tempPath)) {
      const temp = fs.statSync(header.tempPath).ino;
      const linked = fs.statSync(header.finalPath, { throwIfNoEntry: false })?.ino === temp;
      if (!linked && !act) return false;
      if (!inDatabase(header, (db) => hasRunRecord(db, header.runId))) return false;
      if (linked) {
        if (act) fs.unlinkSync(header.tempPath);
        return true;
      }
      try {
        moveIntoPlace(header.tempPath, header.finalPath, { replace: false });
      } catch (error) {
        throw (error as NodeJS.ErrnoException).code === "EEXIST" ? outputExists(header.output) : error;
      }
    } else if (!inDatabase(header, (db) => hasRunRecord(db, header.runId))) return false;
    if (act) settleRejects(header, publish);
    return true;
  },
};

/** The temporary database of a new output, or the output itself; null: there is none. */
function inDatabase<T>({ tempPath, finalPath, output }: JournalHeader, read: (db: Database.Database) => T): T | null {
  const file = [tempPath, finalPath].find((each) => fs.existsSync(each));
  if (file === undefined) return null;
  return translating(output, "read the state of an interrupted run in", () => {
    const db = new Database(file, { fileMustExist: true });
    try {
      return read(db);
    } finally {
      db.close();
    }
  });
}
