/**
 * `append` and `upsert` into a table that is there: rows become visible unit by unit, each unit one transaction with its rejects and
 * the run's checkpoint. Until the run is done the database also holds what is needed to take its rows out again, so that a failed
 * run, or one that is started over, leaves the table as it was.
 *
 * - Rows that were added without a number of their own take the next rowids: a pair of rowids per run of units is enough.
 * - Renewed rows are noted in an undo table, key and old values, at the first time only; so are added ones where the rowid is no
 *   help (upsert, WITHOUT ROWID, a column that is the rowid). Triggers of our connection alone do that, seen by nobody else.
 */
import type Database from "better-sqlite3";
import { BatchPredictError } from "../../core/errors.ts";
import type { SinkOptions } from "../../core/sink.ts";
import { nameList, quoteName, sameName } from "./identifiers.ts";
import { createKey } from "./merge.ts";
import { createRejectsTable } from "./rejects-table.ts";
import type { StagingNames } from "./staging.ts";
import { hasUniqueKey, numberedBy, objectKind, primaryKey } from "./tables.ts";

/** Stored with every checkpoint: enough for any later run to take the rows back, without this one's options. */
export interface LiveState {
  runId: string;
  table: string;
  rejectsTable: string | null;
  /** First and last rowid of rows that were added, decimal text because rowids have 64 bits; null: see the undo table. */
  ranges: [first: string, last: string][] | null;
  /** Columns by which a row is found again, in the undo table `k0`, `k1`...; the others that are renewed are `v0`, `v1`... */
  identity: string[];
  renewed: string[];
  /** What the run made on its way, besides rows. */
  made: { index: string | null; rejects: boolean };
}

export class LiveTable {
  /** Completes the INSERT. */
  readonly conflict: string;

  private constructor(
    private readonly db: Database.Database,
    private readonly options: SinkOptions,
    private readonly undo: string,
    readonly state: LiveState,
  ) {
    this.conflict = options.ifExists === "upsert" ? onConflict(state) : "";
    if (state.ranges === null) this.noteRows();
  }

  /** Inside a transaction, before the first row. @throws BP_CONFIG when the table itself has a key twice */
  static begin(db: Database.Database, options: SinkOptions, names: StagingNames, columns: readonly string[]): LiveTable {
    const { table, key, ifExists } = options;
    const upsert = ifExists === "upsert";
    const makesIndex = upsert && !hasUniqueKey(db, table, key);
    const index = makesIndex ? createKey(db, options, table) : null;
    const rejectsTable = options.rejects?.path === null ? names.rejects : null;
    const makesRejects = rejectsTable !== null && objectKind(db, rejectsTable) === null;
    if (makesRejects) createRejectsTable(db, rejectsTable);
    const byRange = !upsert && numberedBy(db, table, columns) !== null;
    const identity = byRange ? [] : upsert ? [...key] : primaryKey(db, table);
    const state: LiveState = {
      runId: options.runId,
      table,
      rejectsTable,
      ranges: byRange ? [] : null,
      identity,
      renewed: upsert ? columns.filter((column) => !key.some((name) => sameName(name, column))) : [],
      made: { index, rejects: makesRejects },
    };
    if (!byRange) createUndoTable(db, names.undo, state);
    return new LiveTable(db, options, names.undo, state);
  }

  static resume(db: Database.Database, options: SinkOptions, names: StagingNames, state: LiveState): LiveTable {
    return new LiveTable(db, options, names.undo, state);
  }

  /**
   * Inside the unit's transaction. @param write returns how many rows SQLite says it wrote
   * @throws BP_ACCOUNTING when the table did not take every row
   */
  takeUnit(rows: number, write: () => number): void {
    const { ranges } = this.state;
    const before = ranges === null ? null : this.lastRowid();
    const written = write();
    if (written !== rows) throw this.lost(rows, written);
    if (ranges === null || before === null || rows === 0) return;
    const last = this.lastRowid();
    const added = this.db.prepare(`SELECT count(*) FROM ${this.name} WHERE ${this.rowid} > ?`).pluck().get(before) as number;
    if (added < rows) throw this.lost(rows, added);
    const range = ranges.at(-1);
    if (range && range[1] === String(before)) range[1] = String(last);
    else ranges.push([String(before + 1n), String(last)]);
  }

  /** Rows whose key came again later in the same run: the later ones took their place. */
  repeatedKeys(rowsTaken: number): number {
    if (this.options.ifExists !== "upsert") return 0;
    const touched = this.db
      .prepare(`SELECT count(*) FROM ${quoteName(this.undo)}`)
      .pluck()
      .get() as number;
    return rowsTaken - touched;
  }

  private get name(): string {
    return quoteName(this.state.table);
  }

  private get rowid(): string {
    return numberedBy(this.db, this.state.table, [])!;
  }

  private lastRowid(): bigint {
    return this.db.prepare(`SELECT coalesce(max(${this.rowid}), 0) FROM ${this.name}`).pluck().safeIntegers().get() as bigint;
  }

  /** The first time counts: what a run wrote itself is nothing to go back to. */
  private noteRows(): void {
    const { identity, renewed } = this.state;
    const undo = quoteName(this.undo);
    // The plus takes the column's affinity away: with it SQLite could not use the undo table's key and would look at every row.
    const known = (row: string): string =>
      `SELECT 1 FROM ${undo} WHERE ${identity.map((name, at) => `k${at} = +${row}.${quoteName(name)}`).join(" AND ")}`;
    const values = (row: string, names: string[]): string => names.map((name) => `, ${row}.${quoteName(name)}`).join("");
    const columns = [...identity.map((_, at) => `, k${at}`)].join("");
    const olds = renewed.map((_, at) => `, v${at}`).join("");
    this.db.exec(`
      CREATE TEMP TRIGGER _batchpredict_added AFTER INSERT ON main.${this.name} BEGIN
        INSERT INTO ${undo} (existed${columns}) SELECT 0${values("NEW", identity)} WHERE NOT EXISTS (${known("NEW")});
      END;
      CREATE TEMP TRIGGER _batchpredict_renewed AFTER UPDATE ON main.${this.name} BEGIN
        INSERT INTO ${undo} (existed${columns}${olds})
        SELECT 1${values("OLD", identity)}${values("OLD", renewed)} WHERE NOT EXISTS (${known("OLD")});
      END`);
  }

  private lost(expected: number, actual: number): BatchPredictError {
    return new BatchPredictError("BP_ACCOUNTING", `table "${this.state.table}" did not take every row`, {
      where: { file: this.options.path },
      expected: `${expected} rows in this transaction`,
      actual: `${actual} rows`,
      hints: ["a trigger of the table may refuse or remove rows: write to another --table"],
    });
  }
}

function onConflict({ identity, renewed, table }: LiveState): string {
  const updates = renewed.map((column) => `${quoteName(column)} = excluded.${quoteName(column)}`);
  // Without another column the row renews itself by itself: it then counts as written, as it should.
  const itself = `${quoteName(identity[0]!)} = ${quoteName(table)}.${quoteName(identity[0]!)}`;
  return ` ON CONFLICT (${nameList(identity)}) DO UPDATE SET ${updates.join(", ") || itself}`;
}

/** Without declared types: values are kept as they are stored. */
function createUndoTable(db: Database.Database, undo: string, { identity, renewed }: LiveState): void {
  const keys = identity.map((_, at) => `k${at}`).join(", ");
  const values = renewed.map((_, at) => `, v${at}`).join("");
  db.exec(`CREATE TABLE ${quoteName(undo)} (existed INTEGER NOT NULL, ${keys}${values}, PRIMARY KEY (${keys})) WITHOUT ROWID`);
}
