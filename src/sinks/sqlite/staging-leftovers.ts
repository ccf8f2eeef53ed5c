/** What a dead run has left in the database it wrote to: tables of its own, and rows that were added to a table unit by unit. */
import Database from "better-sqlite3";
import { loadCheckpoint } from "./checkpoint-table.ts";
import { translating } from "./sqlite-errors.ts";
import { stagingNames } from "./staging.ts";
import { takeBack } from "./take-back.ts";

export interface LeftInDatabase {
  /** The run's own tables. */
  tables: string[];
  /** Table that holds rows of the unfinished run; null: none does. */
  rowsIn: string | null;
}

/** @param drop as if the run had never been, in one transaction @throws BP_OUTPUT_BUSY, BP_OUTPUT_PATH */
export function leftInDatabase(database: string, runId: string, drop: boolean): LeftInDatabase {
  return translating(database, "look for what an interrupted run left in", () => {
    const db = new Database(database, { fileMustExist: true, readonly: !drop });
    try {
      const names = stagingNames(runId);
      const own = Object.values(names);
      const all = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all() as string[];
      const tables = all.filter((table) => own.includes(table));
      const rowsIn = loadCheckpoint(db, names.checkpoint)?.live?.table ?? null;
      if (drop && tables.length > 0) {
        // Rows elsewhere that refer to the ones taken back are not ours to delete.
        db.pragma("foreign_keys = OFF");
        db.transaction(() => takeBack(db, runId)).immediate();
      }
      return { tables, rowsIn };
    } finally {
      db.close();
    }
  });
}
