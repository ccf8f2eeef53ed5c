/** What an existing database holds, asked of SQLite itself, and whether rows may be added to one of its tables. */
import type Database from "better-sqlite3";
import { BatchPredictError } from "../../core/errors.ts";
import type { SinkOptions } from "../../core/sink.ts";
import { declaredType, type SqliteColumn, type StorageKind } from "./columns.ts";
import { sameName } from "./identifiers.ts";

interface ExistingColumn {
  name: string;
  type: string;
  notnull: number;
  dflt_value: string | null;
  pk: number;
  /** 0 ordinary, 1 hidden, 2 and 3 generated. */
  hidden: number;
}

/** "table", "view", or null when there is nothing of that name. */
export function objectKind(db: Database.Database, name: string): string | null {
  const row = db
    .prepare("SELECT type FROM sqlite_schema WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')")
    .get(name) as { type: string } | undefined;
  return row?.type ?? null;
}

/** Statements that made the table's indexes and triggers. */
export function dependents(db: Database.Database, table: string): string[] {
  return db
    .prepare(
      "SELECT sql FROM sqlite_schema WHERE tbl_name = ? COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type",
    )
    .pluck()
    .all(table) as string[];
}

export function hasUniqueKey(db: Database.Database, table: string, key: readonly string[]): boolean {
  const covers = (names: string[]): boolean =>
    names.length === key.length && names.every((name) => key.some((wanted) => sameName(wanted, name)));
  if (covers(existingColumns(db, table).flatMap(({ name, pk }) => (pk > 0 ? [name] : [])))) return true;
  const indexes = db
    .prepare('SELECT name FROM pragma_index_list(?) WHERE "unique" = 1 AND partial = 0')
    .pluck()
    .all(table) as string[];
  return indexes.some((index) => covers(db.prepare("SELECT name FROM pragma_index_info(?)").pluck().all(index) as string[]));
}

/** Names of the columns of the table's PRIMARY KEY. */
export function primaryKey(db: Database.Database, table: string): string[] {
  return existingColumns(db, table).flatMap(({ name, pk }) => (pk > 0 ? [name] : []));
}

/**
 * The name by which SQLite's own row number is asked for; null where there is none (WITHOUT ROWID), or where it is one of `columns`
 * (INTEGER PRIMARY KEY), so that rows bring their numbers along.
 */
export function numberedBy(db: Database.Database, table: string, columns: readonly string[]): string | null {
  const existing = existingColumns(db, table);
  const [key, ...others] = existing.filter(({ pk }) => pk > 0);
  const isNumber = key !== undefined && others.length === 0 && /^integer$/i.test(key.type);
  if (isNumber && columns.some((column) => sameName(column, key.name))) return null;
  const free = ["_rowid_", "rowid", "oid"].find((word) => !existing.some(({ name }) => sameName(name, word)));
  if (free === undefined) return null;
  const withoutRowid = db.prepare("SELECT wr FROM pragma_table_list(?) WHERE schema = 'main'").pluck().get(table) === 1;
  return withoutRowid ? null : free;
}

/**
 * Adding rows must neither change a value on its way (SQLite converts silently by a column's affinity) nor leave a column empty
 * that the rows should have had.
 * @throws BP_CONFIG with every column that does not fit
 */
export function checkFits(db: Database.Database, options: SinkOptions, columns: readonly SqliteColumn[]): void {
  const existing = existingColumns(db, options.table);
  const problems: string[] = [];
  for (const column of columns) {
    const target = existing.find(({ name, hidden }) => hidden === 0 && sameName(name, column.name));
    if (!target) problems.push(`column "${column.name}" is not in the table`);
    else if (!ACCEPTED[column.kind].includes(affinityOf(target.type))) {
      const ours = declaredType(column.kind) || "an unsigned 64-bit integer (no declared type)";
      problems.push(`column "${target.name}" is declared ${target.type || "without a type"}, the predictions have ${ours}`);
    }
  }
  for (const target of existing) {
    const fills = target.hidden !== 0 || target.dflt_value !== null || (target.pk > 0 && /^integer$/i.test(target.type));
    if (fills || columns.some(({ name }) => sameName(name, target.name))) continue;
    if (options.ifExists === "upsert" && target.notnull === 0) continue;
    problems.push(`column "${target.name}" of the table is missing from the predictions and has no default`);
  }
  if (problems.length === 0) return;
  throw new BatchPredictError("BP_CONFIG", `cannot ${options.ifExists} to table "${options.table}": ${problems.join("; ")}`, {
    where: { file: options.path, column: /"(.*?)"/.exec(problems[0]!)?.[1] ?? "" },
    expected: `columns ${existing.map(({ name, type }) => `${name} ${type}`.trim()).join(", ")}`,
    actual: `columns ${columns.map(({ name, kind }) => `${name} ${declaredType(kind)}`.trim()).join(", ")}`,
    hints: ["choose the columns with --keep and --outputs NAME=ALIAS", "write to another --table, or use --if-exists replace"],
  });
}

type Affinity = "INTEGER" | "TEXT" | "BLOB" | "REAL" | "NUMERIC";

const ACCEPTED: Record<StorageKind, Affinity[]> = {
  integer: ["INTEGER", "NUMERIC", "BLOB"],
  uint64: ["BLOB"],
  real: ["REAL", "NUMERIC", "BLOB"],
  text: ["TEXT", "BLOB"],
  time: ["TEXT", "NUMERIC", "BLOB"],
  blob: ["BLOB"],
};

/** https://www.sqlite.org/datatype3.html section 3.1; BLOB stands for "no conversion". */
function affinityOf(declared: string): Affinity {
  if (/int/i.test(declared)) return "INTEGER";
  if (/char|clob|text/i.test(declared)) return "TEXT";
  if (declared === "" || /blob/i.test(declared)) return "BLOB";
  if (/real|floa|doub/i.test(declared)) return "REAL";
  return "NUMERIC";
}

function existingColumns(db: Database.Database, table: string): ExistingColumn[] {
  return db
    .prepare('SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)')
    .all(table) as ExistingColumn[];
}
