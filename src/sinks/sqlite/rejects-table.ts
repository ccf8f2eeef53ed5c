/** Rejected rows in the database of the predictions, with the run they belong to. */
import type Database from "better-sqlite3";
import type { RejectedRow } from "../../core/sink.ts";
import { quoteName } from "./identifiers.ts";

const DECLARATIONS =
  'run_id TEXT NOT NULL, "row" INTEGER, line INTEGER, byte INTEGER, "column" TEXT, code TEXT, message TEXT, raw TEXT';
const NAMES = 'run_id, "row", line, byte, "column", code, message, raw';

export function createRejectsTable(db: Database.Database, table: string): void {
  db.exec(`CREATE TABLE ${quoteName(table)} (${DECLARATIONS})`);
}

export class RejectWriter {
  private readonly insert: Database.Statement;

  constructor(
    db: Database.Database,
    table: string,
    private readonly runId: string,
  ) {
    this.insert = db.prepare(`INSERT INTO ${quoteName(table)} (${NAMES}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
  }

  write(rejects: readonly RejectedRow[]): void {
    for (const { row, line, byte, column, code, message, raw } of rejects)
      this.insert.run(this.runId, row, line, byte, column, code, message, raw);
  }
}
