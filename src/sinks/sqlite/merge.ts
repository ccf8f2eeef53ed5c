/** The finishing transaction of a run into an existing database: staging becomes visible, or nothing does. */
import type Database from "better-sqlite3";
import { BatchPredictError } from "../../core/errors.ts";
import type { SinkOptions } from "../../core/sink.ts";
import { nameList, quoteName, sameName } from "./identifiers.ts";
import { dependents, hasUniqueKey, objectKind } from "./tables.ts";

/** @returns rows that reached the table. @throws BP_OUTPUT_EXISTS, BP_CONFIG (keys) */
export function mergeRows(db: Database.Database, options: SinkOptions, staging: string, columns: readonly string[]): number {
  const { table, ifExists, key } = options;
  if (ifExists === "upsert") checkKeysDiffer(db, options, staging);
  if (objectKind(db, table) === null) {
    const rows = countRows(db, staging);
    rename(db, staging, table);
    if (ifExists === "upsert") createKey(db, options, table);
    return rows;
  }
  if (ifExists === "fail") throw tableExists(options);
  if (ifExists === "replace") return swap(db, staging, table);
  // WHERE keeps SQLite's grammar from taking ON CONFLICT for a join. The staging table is scanned in the order it was written.
  const insert = `INSERT INTO ${quoteName(table)} (${nameList(columns)}) SELECT ${nameList(columns)} FROM ${quoteName(staging)} WHERE true`;
  let conflict = "";
  if (ifExists === "upsert") {
    if (!hasUniqueKey(db, table, key)) createKey(db, options, table);
    const others = columns.filter((column) => !key.some((name) => sameName(name, column)));
    const updates = others.map((column) => `${quoteName(column)} = excluded.${quoteName(column)}`).join(", ");
    // Without another column the update is of the key by itself: the row then counts as written, as it should.
    const update = updates || `${quoteName(key[0]!)} = excluded.${quoteName(key[0]!)}`;
    conflict = ` ON CONFLICT (${nameList(key)}) DO UPDATE SET ${update}`;
  }
  const { changes } = db.prepare(insert + conflict).run();
  db.exec(`DROP TABLE ${quoteName(staging)}`);
  return changes;
}

/** With `replace`, rejects of earlier runs go too: the predictions they belong to are gone. */
export function mergeRejects(db: Database.Database, options: SinkOptions, staging: string, rejectsTable: string): void {
  const exists = objectKind(db, rejectsTable) !== null;
  if (!exists || options.ifExists === "replace") {
    if (exists) swap(db, staging, rejectsTable);
    else rename(db, staging, rejectsTable);
    return;
  }
  const columns = db.prepare("SELECT name FROM pragma_table_info(?)").pluck().all(staging) as string[];
  db.exec(`INSERT INTO ${quoteName(rejectsTable)} (${nameList(columns)}) SELECT ${nameList(columns)} FROM ${quoteName(staging)}`);
  db.exec(`DROP TABLE ${quoteName(staging)}`);
}

export function countRows(db: Database.Database, table: string): number {
  return db
    .prepare(`SELECT count(*) FROM ${quoteName(table)}`)
    .pluck()
    .get() as number;
}

/** The rule behind upsert. Built after the rows are in: sorting once costs less than keeping an index in order. */
export function createKey(db: Database.Database, options: SinkOptions, table: string): void {
  const { key } = options;
  try {
    db.exec(`CREATE UNIQUE INDEX ${quoteName(`${options.table}_key`)} ON ${quoteName(table)} (${nameList(key)})`);
  } catch (error) {
    const twin = twoRowsOfOneKey(db, options, table);
    if (twin === null) throw error;
    throw new BatchPredictError("BP_CONFIG", `--key ${key.join(",")} does not identify a row: ${twin}`, {
      where: { file: options.path, column: key[0]! },
      hints: ["add columns to --key until it identifies a row", "write every row with --if-exists append or replace"],
      cause: error,
    });
  }
}

function checkKeysDiffer(db: Database.Database, options: SinkOptions, table: string): void {
  const twin = twoRowsOfOneKey(db, options, table);
  if (twin === null) return;
  throw new BatchPredictError("BP_CONFIG", `--key ${options.key.join(",")} does not identify a row of the input: ${twin}`, {
    where: { file: options.path, column: options.key[0]! },
    hints: ["add columns to --key until it identifies a row, or remove the doubles from the input"],
  });
}

export function tableExists(options: SinkOptions): BatchPredictError {
  return new BatchPredictError(
    "BP_OUTPUT_EXISTS",
    `table "${options.table}" exists already in ${options.path} and is left as it is`,
    {
      where: { file: options.path },
      hints: [
        "overwrite it with --if-exists replace, add to it with --if-exists append, or renew rows by --key with --if-exists upsert",
        "or write to another table with --table NAME",
      ],
      exitCode: 2,
    },
  );
}

function twoRowsOfOneKey(db: Database.Database, { key }: SinkOptions, table: string): string | null {
  const row = db
    .prepare(`SELECT ${nameList(key)}, count(*) FROM ${quoteName(table)} GROUP BY ${nameList(key)} HAVING count(*) > 1 LIMIT 1`)
    .raw()
    .get() as (string | number | null)[] | undefined;
  if (!row) return null;
  return `${row[key.length]} rows have ${key.map((name, at) => `${name} = ${JSON.stringify(row[at])}`).join(", ")}`;
}

/** The old table's indexes and triggers are made again on the new one; an index over a column that is gone is dropped with it. */
function swap(db: Database.Database, staging: string, table: string): number {
  const rows = countRows(db, staging);
  const again = dependents(db, table);
  db.exec(`DROP TABLE ${quoteName(table)}`);
  rename(db, staging, table);
  for (const sql of again) {
    try {
      db.exec(sql);
    } catch (error) {
      if (!(error instanceof Error && /no such column|has no column/.test(error.message))) throw error;
    }
  }
  return rows;
}

/** Runs under `legacy_alter_table`, or SQLite would refuse while a view speaks of the table that was just dropped. */
function rename(db: Database.Database, from: string, to: string): void {
  db.exec(`ALTER TABLE ${quoteName(from)} RENAME TO ${quoteName(to)}`);
}
