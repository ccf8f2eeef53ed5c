/** What must be refused about a database before the first row. */
import fs from "node:fs";
import Database from "better-sqlite3";
import { BatchPredictError } from "../../core/errors.ts";
import type { SinkOptions } from "../../core/sink.ts";
import { tableExists } from "./merge.ts";
import { translating } from "./sqlite-errors.ts";
import { objectKind } from "./tables.ts";

/** Creates nothing and changes nothing. @throws BP_OUTPUT_EXISTS, BP_OUTPUT_PATH, BP_OUTPUT_BUSY, BP_CONFIG */
export function checkSqliteOutput(options: SinkOptions): void {
  checkTableName(options);
  if (!fs.existsSync(options.path)) return;
  translating(options.path, "open the database", () => {
    // Not read-only: a read-only reader of a WAL database could not remove the -wal and -shm files it makes.
    const db = new Database(options.path, { fileMustExist: true });
    try {
      checkTable(db, options);
    } finally {
      db.close();
    }
  });
}

export function checkTable(db: Database.Database, options: SinkOptions): void {
  for (const table of [options.table, `${options.table}_rejects`]) {
    if (objectKind(db, table) !== "view") continue;
    throw new BatchPredictError("BP_CONFIG", `"${table}" is a view in ${options.path}, rows cannot be written to it`, {
      where: { file: options.path },
      hints: ["write to another table with --table NAME"],
    });
  }
  if (options.ifExists === "fail" && objectKind(db, options.table) !== null) throw tableExists(options);
}

function checkTableName({ table, path }: SinkOptions): void {
  let why: string | null = null;
  if (table === "") why = "is empty";
  else if (table.includes("\0")) why = "has a NUL character";
  else if (/^sqlite_/i.test(table)) why = "begins with sqlite_, which SQLite keeps for itself";
  else if (/^_batchpredict_/i.test(table)) why = "begins with _batchpredict_, which is kept for run records and staging";
  if (why === null) return;
  throw new BatchPredictError("BP_CONFIG", `the table name ${JSON.stringify(table)} ${why}`, {
    where: { file: path },
    hints: ["choose another name with --table"],
  });
}
