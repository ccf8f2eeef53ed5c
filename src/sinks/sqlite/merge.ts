/** Staged rows become visible in the finishing transaction of their run, or nothing does. */
import type Database from "better-sqlite3";
import { BatchPredictError } from "../../core/errors.ts";
import type { SinkOptions } from "../../core/sink.ts";
import { declaredType, type SqliteColumn } from "./columns.ts";
import { nameList, quoteName, sameName } from "./identifiers.ts";
import { dependents, numberedBy, objectKind } from "./tables.ts";

/**
 * @returns rows that gave way to later ones of their key
 * @throws BP_OUTPUT_EXISTS when another program has made the table meanwhile
 */
export function showRows(db: Database.Database, options: SinkOptions, staging: string): number {
  const { table, ifExists } = options;
  const exists = objectKind(db, table) !== null;
  if (exists && ifExists === "fail") throw tableExists(options);
  if (exists && ifExists !== "replace") throw tableAppeared(options);
  if (exists) swap(db, staging, table);
  else rename(db, staging, table);
  return ifExists === "upsert" ? createKeyOfNewTable(db, options) : 0;
}

/** With `replace`, rejects of earlier runs go too: the predictions they belong to are gone. */
export function showRejects(db: Database.Database, options: SinkOptions, staging: string, rejectsTable: string): void {
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

/** @param what counted, in words @throws BP_ACCOUNTING when the table holds another number of rows */
export function checkCount(db: Database.Database, options: SinkOptions, table: string, expected: number, what: string): void {
  const found = db
    .prepare(`SELECT count(*) FROM ${quoteName(table)}`)
    .pluck()
    .get() as number;
  if (found === expected) return;
  throw new BatchPredictError("BP_ACCOUNTING", `the database holds another number of ${what} than were written to it`, {
    where: { file: options.path },
    expected: `${expected} ${what}`,
    actual: `${found} ${what}`,
    hints: ["nothing was published; another program may have changed the staging table"],
  });
}

export function createTable(db: Database.Database, options: SinkOptions, name: string, columns: readonly SqliteColumn[]): void {
  const { ifExists, key } = options;
  const isKey = (column: string): boolean => ifExists === "upsert" && key.some((each) => sameName(each, column));
  const declarations = columns.map(({ name: column, kind }) =>
    `${quoteName(column)} ${declaredType(kind)}${isKey(column) ? " NOT NULL" : ""}`.trim(),
  );
  db.exec(`CREATE TABLE ${quoteName(name)} (${declarations.join(", ")})`);
}

/**
 * The rule behind upsert. In a new table it is built after the rows are in: sorting once costs less than keeping an index in order.
 * @returns the index's name. @throws BP_CONFIG when two rows of the table have one key
 */
export function createKey(db: Database.Database, options: SinkOptions, table: string): string {
  const { key } = options;
  const taken = db.prepare("SELECT name FROM sqlite_schema").pluck().all() as string[];
  const free = (name: string): boolean => !taken.some((other) => sameName(other, name));
  let index = `${options.table}_key`;
  for (let count = 2; !free(index); count++) index = `${options.table}_key${count}`;
  try {
    db.exec(`CREATE UNIQUE INDEX ${quoteName(index)} ON ${quoteName(table)} (${nameList(key)})`);
    return index;
  } catch (error) {
    const twin = twoRowsOfOneKey(db, options, table);
    if (twin === null) throw error;
    throw new BatchPredictError("BP_CONFIG", `--key ${key.join(",")} does not identify a row of table "${table}": ${twin}`, {
      where: { file: options.path, column: key[0]! },
      hints: ["add columns to --key until it identifies a row", "write every row with --if-exists append or replace"],
      cause: error,
    });
  }
}

/** Of rows of one key the last in input order stays, as it does where rows are renewed one after the other. @returns rows that went */
export function createKeyOfNewTable(db: Database.Database, options: SinkOptions): number {
  const { table, key } = options;
  let went = 0;
  if (twoRowsOfOneKey(db, options, table) !== null) {
    const rowid = numberedBy(db, table, [])!;
    const last = `SELECT max(${rowid}) FROM ${quoteName(table)} GROUP BY ${nameList(key)}`;
    went = db.prepare(`DELETE FROM ${quoteName(table)} WHERE ${rowid} NOT IN (${last})`).run().changes;
  }
  createKey(db, options, table);
  return went;
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

function tableAppeared({ table, path }: SinkOptions): BatchPredictError {
  return new BatchPredictError("BP_OUTPUT_EXISTS", `table "${table}" was made in ${path} by another program during the run`, {
    where: { file: path },
    hints: ["run the same command again: it then writes into that table", "or write to another table with --table NAME"],
  });
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
function swap(db: Database.Database, staging: string, table: string): void {
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
}

/** Runs under `legacy_alter_table`, or SQLite would refuse while a view speaks of the table that was just dropped. */
function rename(db: Database.Database, from: string, to: string): void {
  db.exec(`ALTER TABLE ${quoteName(from)} RENAME TO ${quoteName(to)}`);
}
