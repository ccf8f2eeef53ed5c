/**
 * Predictions into a table of a SQLite database.
 *
 * A database that does not exist is built in a partial file and renamed. It is left in SQLite's default journal mode, not WAL: a
 * reader of a WAL database leaves -wal and -shm files in the output folder.
 * An existing database keeps its mode; rows go to staging tables in transactions of `commitRows`, and one transaction at the
 * end merges them and writes the run's record. Between two transactions no lock is held, so other programs can go on.
 * Rows, rejects and the run's checkpoint are one transaction; the run's record is the proof that it is done.
 */
import fs from "node:fs";
import type { RecordBatch } from "apache-arrow";
import Database from "better-sqlite3";
import type { Checkpoint } from "../../core/checkpoint.ts";
import { BatchPredictError } from "../../core/errors.ts";
import { failpoint, losspoint } from "../../core/failpoint.ts";
import type { RejectedRow, RunRecord, Sink, SinkBatch, SinkOpened, SinkOptions, SinkResult } from "../../core/sink.ts";
import { type Claim, checkStillOurs, checkTaken, claimOutput, letGo } from "../claim.ts";
import { openPartial, type PartialFile } from "../partial-file.ts";
import { prepareBatch } from "../prepare-batch.ts";
import { openRejects, type RejectsWriter } from "../rejects.ts";
import { checkTable } from "./check-table.ts";
import { createCheckpointTable, DATABASE_RUNS, loadCheckpoint, storeCheckpoint } from "./checkpoint-table.ts";
import { columnsOf, declaredType, type SqliteColumn } from "./columns.ts";
import { quoteName, sameName } from "./identifiers.ts";
import { countRows, createKey, mergeRejects, mergeRows } from "./merge.ts";
import { checkKey } from "./row-key.ts";
import { RowWriter } from "./row-writer.ts";
import { writeRunRecord } from "./run-table.ts";
import { translating } from "./sqlite-errors.ts";
import { dropAbandoned, type StagingNames, stagingNames } from "./staging.ts";
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
  private claim: Claim | null = null;
  /** The database under construction; null where there is one already. */
  private partial: PartialFile | null = null;
  private db: Database.Database | null = null;
  private rejectsFile: RejectsWriter | null = null;
  private isNew = false;
  private columns: SqliteColumn[] | null = null;
  private rowWriter: RowWriter | null = null;
  private insertReject: Database.Statement | null = null;
  private pending: { rows: RecordBatch[]; rejects: RejectedRow[]; count: number; bytes: number } = nothingPending();
  private rowsTaken = 0;
  private rejectsTaken = 0;
  private checkpoint: Checkpoint | null = null;
  private committed = false;
  /** Tables the rows are written to: the final ones in a new database, staging ones in an existing one. */
  private into: StagingNames;

  constructor(
    private options: SinkOptions,
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

  open(): SinkOpened {
    const claim = claimOutput(this.options, DATABASE_RUNS);
    this.claim = claim;
    this.options = { ...this.options, runId: claim.header.runId };
    this.into = stagingNames(claim.header.runId);
    const { runId, startedAt } = claim.header;
    const opened: SinkOpened = {
      runId,
      startedAt,
      checkpoint: null,
      done: null,
      journal: claim.journal.file,
      notices: claim.notices,
    };
    if (claim.done) {
      claim.journal.close();
      const { rows, bytes, checkpoint } = claim.done;
      const rejectsPath = this.rejectsInDatabase ? this.options.path : this.rejectsFilePath(claim.done.rejects);
      return { ...opened, done: { result: { path: this.options.path, bytes, rows, rejectsPath }, checkpoint } };
    }
    try {
      this.openDatabase(claim);
    } catch (error) {
      this.db?.close();
      this.db = null;
      this.partial?.close();
      this.rejectsFile?.close();
      letGo(claim);
      this.claim = null;
      throw error;
    }
    failpoint("sink-opened");
    return { ...opened, checkpoint: this.checkpoint };
  }

  private openDatabase({ header, resumed }: Claim): void {
    const { options } = this;
    const { finalPath, tempPath } = header;
    this.isNew = resumed ? fs.existsSync(tempPath) : !fs.existsSync(finalPath);
    if (this.isNew) this.partial = openPartial(options.path, options.runId, { resume: resumed !== null });
    if (this.isNew) this.into = { ...this.into, rows: options.table, rejects: this.rejectsTable };
    translating(options.path, "open the database", () => {
      const db = new Database(this.isNew ? tempPath : finalPath, { fileMustExist: true, timeout: this.timeouts.openMs });
      this.db = db;
      for (const pragma of this.isNew ? NEW_DATABASE : EXISTING_DATABASE) db.pragma(pragma);
      const stored = resumed ? loadCheckpoint(db, this.into.checkpoint) : null;
      if (!this.isNew) {
        checkTable(db, options);
        this.transaction(() => dropAbandoned(db, finalPath, options.runId, resumed !== null));
        db.pragma(`busy_timeout = ${this.timeouts.writeMs}`);
      }
      this.rejectsFile = openRejects(options, stored?.rejectsFile ?? null);
      if (stored === null) return;
      this.checkpoint = stored.checkpoint;
      this.rowsTaken = stored.rows;
      this.rejectsTaken = stored.rejects;
      this.committed = true;
    });
  }

  write(batch: SinkBatch): void {
    const rows = prepareBatch(batch);
    translating(this.options.path, this.doing, () => {
      if (this.columns === null) this.prepareTables(rows);
      checkKey(rows, this.options, this.rowsTaken);
      const { pending } = this;
      if (batch.checkpoint) this.checkpoint = batch.checkpoint;
      failpoint("sink-took");
      if (losspoint("drop-sink-rows")) return;
      pending.rows.push(rows);
      for (const reject of batch.rejects) pending.rejects.push(reject);
      pending.count += rows.numRows + batch.rejects.length;
      pending.bytes += batch.ipc.byteLength;
      this.rowsTaken += rows.numRows;
      this.rejectsTaken += batch.rejects.length;
      if (pending.count >= this.options.commitRows || pending.bytes >= this.options.commitBytes) this.commit();
    });
  }

  commit(): void {
    translating(this.options.path, this.doing, () => this.flush());
  }

  finish(record: RunRecord): SinkResult {
    const { options, db, claim } = this;
    failpoint("finish-begun");
    if (db === null || claim === null || (this.columns === null && !this.committed)) {
      throw new BatchPredictError("BP_INTERNAL", "the output was finished before its columns were known: no batch came", {
        where: { file: options.path },
      });
    }
    translating(options.path, this.doing, () => {
      this.flush();
      this.checkCounts(db);
      checkTaken(options, this.rowsTaken, record.rows_predicted);
      failpoint("finish-counted");
      this.notePublish(claim);
      this.transaction(() => this.publishTables(db, record));
      db.close();
    });
    this.db = null;
    const published = this.rejectsFile?.publish().path ?? null;
    failpoint("publish-rejects");
    this.partial?.publish({ replace: false });
    failpoint("published");
    const rejectsPath = this.rejectsInDatabase ? options.path : published;
    if (options.work === undefined) claim.journal.remove();
    else claim.journal.close();
    this.claim = null;
    return { path: options.path, bytes: fs.statSync(options.path).size, rows: this.rowsTaken, rejectsPath };
  }

  private notePublish({ journal }: Claim): void {
    checkStillOurs(journal, this.options);
    const rejects = this.rejectsFile?.prepare() ?? null;
    if (this.options.work === undefined || this.checkpoint === null) return;
    const { checkpoint, partial } = this;
    const output = partial === null ? null : fs.fstatSync(partial.fd).ino;
    const bytes = fs.statSync(partial?.tempPath ?? this.options.path).size;
    const replace = this.options.ifExists !== "fail";
    journal.append({ kind: "publish", checkpoint, rows: this.rowsTaken, bytes, output, rejects, replace }, { sync: true });
    failpoint("publish-noted");
  }

  suspend(): { resumable: boolean; bytes: number } {
    const { claim, options } = this;
    if (claim === null || options.work === undefined || !this.committed) {
      this.abort();
      return { resumable: false, bytes: 0 };
    }
    this.claim = null;
    this.closeDatabase();
    this.partial?.close();
    this.rejectsFile?.close();
    claim.journal.disown();
    return { resumable: true, bytes: fs.statSync(this.partial?.tempPath ?? options.path).size };
  }

  abort(): void {
    const { db, claim } = this;
    try {
      if (db !== null && !this.isNew) {
        for (const table of [this.into.rows, this.into.rejects, this.into.checkpoint])
          db.exec(`DROP TABLE IF EXISTS ${quoteName(table)}`);
      }
    } catch {
      // Locked or full: the journal goes below, so the next run of this database removes the tables.
    }
    this.closeDatabase();
    this.partial?.discard();
    this.rejectsFile?.discard();
    claim?.journal.remove();
    this.claim = null;
  }

  private closeDatabase(): void {
    try {
      this.db?.close();
    } catch {
      // Nothing is left to lose.
    }
    this.db = null;
  }

  private rejectsFilePath(published: number | null): string | null {
    return published === null ? null : this.claim!.header.rejects!.finalPath;
  }

  private get doing(): string {
    return `write table "${this.options.table}" of`;
  }

  private prepareTables(first: RecordBatch): void {
    const db = this.db!;
    const { options } = this;
    const columns = columnsOf(first.schema.fields, options.path);
    if (!this.committed) this.createTables(db, columns);
    this.columns = columns;
    const names = columns.map(({ name }) => name);
    this.rowWriter = new RowWriter(db, this.into.rows, names);
    if (this.rejectsInDatabase) {
      this.insertReject = db.prepare(`INSERT INTO ${quoteName(this.into.rejects)} VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
    }
  }

  private createTables(db: Database.Database, columns: SqliteColumn[]): void {
    const { options } = this;
    checkKeyColumns(columns, options);
    const adds = options.ifExists === "append" || options.ifExists === "upsert";
    if (!this.isNew && adds && objectKind(db, options.table) !== null) checkFits(db, options, columns);
    const isKey = (name: string): boolean => options.ifExists === "upsert" && options.key.some((key) => sameName(key, name));
    const declarations = columns.map(({ name, kind }) =>
      `${quoteName(name)} ${declaredType(kind)}${isKey(name) ? " NOT NULL" : ""}`.trim(),
    );
    this.transaction(() => {
      // Of a run that died after it had made them, before its first commit.
      for (const table of [this.into.rows, this.into.rejects, this.into.checkpoint]) {
        if (table.startsWith("_batchpredict_staging_")) db.exec(`DROP TABLE IF EXISTS ${quoteName(table)}`);
      }
      db.exec(`CREATE TABLE ${quoteName(this.into.rows)} (${declarations.join(", ")})`);
      if (this.rejectsInDatabase) db.exec(`CREATE TABLE ${quoteName(this.into.rejects)} (${REJECT_DECLARATIONS})`);
      if (options.work) createCheckpointTable(db, this.into.checkpoint);
    });
  }

  private flush(): void {
    const { rows, rejects, count } = this.pending;
    if (count === 0 || this.db === null) return;
    failpoint("commit-begun");
    checkStillOurs(this.claim!.journal, this.options);
    if (this.checkpoint) checkTaken(this.options, this.rowsTaken, this.checkpoint.totals.predicted);
    this.rejectsFile?.write(rejects);
    const rejectsFile = this.rejectsFile?.flush() ?? null;
    this.pending = nothingPending();
    const { checkpoint } = this;
    const keep = this.options.work !== undefined && checkpoint !== null;
    this.transaction(() => {
      for (const batch of rows) this.rowWriter!.write(batch);
      for (const { row, line, byte, column, code, message, raw } of this.insertReject ? rejects : [])
        this.insertReject!.run(this.options.runId, row, line, byte, column, code, message, raw);
      failpoint("commit-written");
      if (keep) {
        const stored = { checkpoint, rows: this.rowsTaken, rejects: this.rejectsTaken, rejectsFile };
        storeCheckpoint(this.db!, this.into.checkpoint, stored);
      }
    });
    this.committed ||= keep;
    failpoint("commit-done");
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
    db.exec(`DROP TABLE IF EXISTS ${quoteName(this.into.checkpoint)}`);
    if (this.isNew) {
      if (options.ifExists === "upsert") createKey(db, options, options.table);
    } else {
      const names = this.columns?.map(({ name }) => name) ?? columnNames(db, this.into.rows);
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

/** A crash must leave a database that can be gone on with, so it has a journal on disk, though nobody else can see it yet. */
const NEW_DATABASE = ["journal_mode = DELETE", "synchronous = NORMAL", "locking_mode = EXCLUSIVE"];
/** foreign_keys is on in better-sqlite3, unlike in SQLite: dropping a replaced table would delete rows that refer to it. */
const EXISTING_DATABASE = ["synchronous = FULL", "foreign_keys = OFF", "legacy_alter_table = ON"];

const REJECT_DECLARATIONS =
  'run_id TEXT NOT NULL, "row" INTEGER, line INTEGER, byte INTEGER, "column" TEXT, code TEXT, message TEXT, raw TEXT';

function nothingPending(): { rows: RecordBatch[]; rejects: RejectedRow[]; count: number; bytes: number } {
  return { rows: [], rejects: [], count: 0, bytes: 0 };
}

function columnNames(db: Database.Database, table: string): string[] {
  return db.prepare("SELECT name FROM pragma_table_info(?)").pluck().all(table) as string[];
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
