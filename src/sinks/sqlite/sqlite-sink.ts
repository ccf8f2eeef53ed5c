/**
 * Predictions into a table of a SQLite database.
 *
 * A database that does not exist is built in a partial file without a journal on disk (a crash discards it whole) and renamed. It is
 * left in SQLite's default journal mode, not WAL: a reader of a WAL database leaves -wal and -shm files in the output folder.
 * An existing database keeps its mode; rows go to staging tables in transactions of `commitRows`, and one transaction at the
 * end merges them and writes the run's record. Between two transactions no lock is held, so other programs can go on.
 */
import fs from "node:fs";
import type { RecordBatch } from "apache-arrow";
import Database from "better-sqlite3";
import { BatchPredictError } from "../../core/errors.ts";
import type { RejectedRow, RunRecord, Sink, SinkBatch, SinkOptions, SinkResult } from "../../core/sink.ts";
import { openPartial, type PartialFile } from "../partial-file.ts";
import { prepareBatch } from "../prepare-batch.ts";
import { openRejects, type RejectsWriter } from "../rejects.ts";
import { checkTable } from "./check-table.ts";
import { columnsOf, declaredType, type SqliteColumn } from "./columns.ts";
import { quoteName, sameName } from "./identifiers.ts";
import { countRows, createKey, mergeRejects, mergeRows } from "./merge.ts";
import { checkKey } from "./row-key.ts";
import { RowWriter } from "./row-writer.ts";
import { writeRunRecord } from "./run-table.ts";
import { translating } from "./sqlite-errors.ts";
import { dropAbandoned, stagingNames } from "./staging.ts";
import { checkFits, objectKind } from "./tables.ts";

/** How long a lock of another program is waited for: before the first row, and later, when giving up would waste a run. */
export interface BusyTimeouts {
  openMs: number;
  writeMs: number;
}
const BUSY_TIMEOUTS: BusyTimeouts = { openMs: 5_000, writeMs: 60_000 };

export function openSqliteSink(options: SinkOptions, timeouts: BusyTimeouts = BUSY_TIMEOUTS): Sink {
  return new SqliteSink(options, timeouts);
}

class SqliteSink implements Sink {
  private marker: PartialFile | null = null;
  private db: Database.Database | null = null;
  private rejectsFile: RejectsWriter | null = null;
  private isNew = false;
  private columns: SqliteColumn[] | null = null;
  private rowWriter: RowWriter | null = null;
  private insertReject: Database.Statement | null = null;
  private pending: { rows: RecordBatch[]; rejects: RejectedRow[]; count: number; bytes: number } = nothingPending();
  private rowsTaken = 0;
  private rejectsTaken = 0;
  /** Tables the rows are written to: the final ones in a new database, staging ones in an existing one. */
  private into: { rows: string; rejects: string };

  constructor(
    private readonly options: SinkOptions,
    private readonly timeouts: BusyTimeouts,
  ) {
    this.into = stagingNames(options.runId);
  }

  private get rejectsTable(): string {
    return `${this.options.table}_rejects`;
  }

  private get rejectsInDatabase(): boolean {
    return this.options.rejects !== null && this.options.rejects.path === null;
  }

  open(): void {
    const { options } = this;
    this.marker = openPartial(options.path, options.runId);
    this.rejectsFile = openRejects(options);
    const { finalPath, tempPath } = this.marker;
    this.isNew = !fs.existsSync(finalPath);
    translating(options.path, "open the database", () => {
      this.db = new Database(this.isNew ? tempPath : finalPath, { fileMustExist: true, timeout: this.timeouts.openMs });
      if (this.isNew) {
        this.into = { rows: options.table, rejects: this.rejectsTable };
        for (const pragma of NEW_DATABASE) this.db.pragma(pragma);
      } else {
        for (const pragma of EXISTING_DATABASE) this.db.pragma(pragma);
        checkTable(this.db, options);
        this.transaction(() => dropAbandoned(this.db!, this.marker!, options.runId));
        this.db.pragma(`busy_timeout = ${this.timeouts.writeMs}`);
      }
    });
  }

  write(batch: SinkBatch): void {
    const rows = prepareBatch(batch);
    translating(this.options.path, this.doing, () => {
      if (this.columns === null) this.createTables(rows);
      checkKey(rows, this.options, this.rowsTaken);
      const { pending } = this;
      pending.rows.push(rows);
      for (const reject of batch.rejects) pending.rejects.push(reject);
      pending.count += rows.numRows + batch.rejects.length;
      pending.bytes += batch.ipc.byteLength;
      this.rowsTaken += rows.numRows;
      this.rejectsTaken += batch.rejects.length;
      if (pending.count >= this.options.commitRows || pending.bytes >= this.options.commitBytes) this.flush();
    });
  }

  finish(record: RunRecord): SinkResult {
    const { options, db, marker } = this;
    if (db === null || marker === null || this.columns === null) {
      throw new BatchPredictError("BP_INTERNAL", "the output was finished before its columns were known: no batch came", {
        where: { file: options.path },
      });
    }
    let rejectsPath = this.rejectsInDatabase ? options.path : null;
    translating(options.path, this.doing, () => {
      this.flush();
      this.checkCounts(db);
      this.transaction(() => {
        this.publishTables(db, record);
        // Before the commit: predictions without their rejects would look like a run that lost nothing.
        if (this.rejectsFile) rejectsPath = this.rejectsFile.publish().path;
      });
      db.close();
    });
    this.db = null;
    if (this.isNew) marker.publish({ replace: false });
    else marker.discard();
    return { path: options.path, bytes: fs.statSync(options.path).size, rows: this.rowsTaken, rejectsPath };
  }

  abort(): void {
    const { db } = this;
    this.db = null;
    try {
      if (db !== null && !this.isNew) {
        for (const table of [this.into.rows, this.into.rejects]) db.exec(`DROP TABLE IF EXISTS ${quoteName(table)}`);
      }
    } catch {
      // Locked or full: the marker goes below, so the next run of this database removes the tables.
    }
    try {
      db?.close();
    } catch {
      // Nothing is left to lose.
    }
    this.marker?.discard();
    this.rejectsFile?.discard();
  }

  private get doing(): string {
    return `write table "${this.options.table}" of`;
  }

  private createTables(first: RecordBatch): void {
    const { db, options } = this;
    const columns = columnsOf(first.schema.fields, options.path);
    checkKeyColumns(columns, options);
    const adds = options.ifExists === "append" || options.ifExists === "upsert";
    if (!this.isNew && adds && objectKind(db!, options.table) !== null) checkFits(db!, options, columns);
    const isKey = (name: string): boolean => options.ifExists === "upsert" && options.key.some((key) => sameName(key, name));
    const declarations = columns.map(({ name, kind }) =>
      `${quoteName(name)} ${declaredType(kind)}${isKey(name) ? " NOT NULL" : ""}`.trim(),
    );
    this.transaction(() => {
      db!.exec(`CREATE TABLE ${quoteName(this.into.rows)} (${declarations.join(", ")})`);
      if (this.rejectsInDatabase) db!.exec(`CREATE TABLE ${quoteName(this.into.rejects)} (${REJECT_DECLARATIONS})`);
    });
    this.columns = columns;
    const names = columns.map(({ name }) => name);
    this.rowWriter = new RowWriter(db!, this.into.rows, names);
    if (this.rejectsInDatabase) {
      this.insertReject = db!.prepare(`INSERT INTO ${quoteName(this.into.rejects)} VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
    }
  }

  private flush(): void {
    const { rows, rejects, count } = this.pending;
    if (count === 0) return;
    this.pending = nothingPending();
    this.transaction(() => {
      for (const batch of rows) this.rowWriter!.write(batch);
      for (const { row, line, byte, column, code, message, raw } of this.insertReject ? rejects : [])
        this.insertReject!.run(this.options.runId, row, line, byte, column, code, message, raw);
    });
    this.rejectsFile?.write(rejects);
  }

  private checkCounts(db: Database.Database): void {
    this.expectRows(countRows(db, this.into.rows), this.rowsTaken, "rows");
    if (this.rejectsInDatabase) this.expectRows(countRows(db, this.into.rejects), this.rejectsTaken, "rejected rows");
  }

  private expectRows(found: number, expected: number, what: string): void {
    if (found === expected) return;
    throw new BatchPredictError("BP_ACCOUNTING", `the database holds another number of ${what} than were written to it`, {
      where: { file: this.options.path },
      expected: `${expected} ${what}`,
      actual: `${found} ${what}`,
      hints: ["nothing was published; another program may have changed the staging table"],
    });
  }

  private publishTables(db: Database.Database, record: RunRecord): void {
    const { options } = this;
    if (this.isNew) {
      if (options.ifExists === "upsert") createKey(db, options, options.table);
    } else {
      const names = this.columns!.map(({ name }) => name);
      this.expectRows(mergeRows(db, options, this.into.rows, names), this.rowsTaken, "rows");
      if (this.rejectsInDatabase) mergeRejects(db, options, this.into.rejects, this.rejectsTable);
    }
    writeRunRecord(db, options.table, record);
  }

  /** IMMEDIATE: the lock is waited for at the start, where the busy timeout works, not at the first write. */
  private transaction<T>(action: () => T): T {
    return this.db!.transaction(action).immediate();
  }
}

const NEW_DATABASE = ["journal_mode = MEMORY", "synchronous = OFF", "locking_mode = EXCLUSIVE"];
/** foreign_keys is on in better-sqlite3, unlike in SQLite: dropping a replaced table would delete rows that refer to it. */
const EXISTING_DATABASE = ["synchronous = FULL", "foreign_keys = OFF", "legacy_alter_table = ON"];

const REJECT_DECLARATIONS =
  'run_id TEXT NOT NULL, "row" INTEGER, line INTEGER, byte INTEGER, "column" TEXT, code TEXT, message TEXT, raw TEXT';

function nothingPending(): { rows: RecordBatch[]; rejects: RejectedRow[]; count: number; bytes: number } {
  return { rows: [], rejects: [], count: 0, bytes: 0 };
}

function checkKeyColumns(columns: readonly SqliteColumn[], options: SinkOptions): void {
  if (options.ifExists !== "upsert") return;
  const missing = options.key.filter((key) => !columns.some(({ name }) => sameName(name, key)));
  if (missing.length === 0) return;
  throw new BatchPredictError("BP_CONFIG", `--key names columns that the output does not have: ${missing.join(", ")}`, {
    where: { file: options.path, column: missing[0]! },
    actual: `output columns ${columns.map(({ name }) => name).join(", ")}`,
    hints: ["keep the key columns in the output with --keep"],
  });
}
