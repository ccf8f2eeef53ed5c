/**
 * Predictions into a table of a SQLite database.
 *
 * A database that does not exist is built in a partial file and renamed. It is left in SQLite's default journal mode, not WAL: a
 * reader of a WAL database leaves -wal and -shm files in the output folder.
 * An existing database keeps its mode. Rows wait for a transaction of `commitRows`: into the table itself where it is appended to or
 * renewed (see live-table.ts), else into staging tables that one transaction at the end puts in place. Between two transactions no
 * lock is held, so other programs can go on. In a new database, which nobody else sees, the transaction of a unit is open from its
 * first row on.
 * Rows, rejects and the run's checkpoint are one transaction; the run's record, in the last one, is the proof that it is done.
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
import {
  createCheckpointTable,
  DATABASE_RUNS,
  loadCheckpoint,
  type StoredCheckpoint,
  stateIn,
  storeCheckpoint,
} from "./checkpoint-table.ts";
import { columnsOf, type SqliteColumn } from "./columns.ts";
import { quoteName } from "./identifiers.ts";
import { LiveTable } from "./live-table.ts";
import { checkCount, createKeyOfNewTable, createTable, showRejects, showRows } from "./merge.ts";
import { createRejectsTable, RejectWriter } from "./rejects-table.ts";
import { checkKey, checkKeyColumns, repeatedKeys } from "./row-key.ts";
import { RowWriter } from "./row-writer.ts";
import { writeRunRecord } from "./run-table.ts";
import { breaksRule, translating } from "./sqlite-errors.ts";
import { abandonedRuns, type StagingNames, stagingNames } from "./staging.ts";
import { checkFits, objectKind } from "./tables.ts";
import { takeBack } from "./take-back.ts";

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
  private rejectWriter: RejectWriter | null = null;
  /** The table that rows are added to, unit by unit; null where they wait until the end. */
  private live: LiveTable | null = null;
  /** The rows break a rule of the table: going on would only meet it again. */
  private hopeless = false;
  private pending: { rows: RecordBatch[]; rejects: RejectedRow[]; count: number; bytes: number } = nothingPending();
  private rowsTaken = 0;
  private rejectsTaken = 0;
  private checkpoint: Checkpoint | null = null;
  private committed = false;
  /** The state in the database, as this process knows it. */
  private state: string | null = null;
  /** Tables the rows are written to: the final ones in a new database and where rows are added, else staging ones. */
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
        this.transaction(() => {
          for (const run of abandonedRuns(db, finalPath, options.runId, resumed !== null)) takeBack(db, run);
        });
        db.pragma(`busy_timeout = ${this.timeouts.writeMs}`);
      }
      this.rejectsFile = openRejects(options, stored?.rejectsFile ?? null);
      if (stored === null) return;
      this.state = stateIn(db, this.into.checkpoint);
      if (stored.live) this.writeLive(LiveTable.resume(db, options, this.into, stored.live));
      this.checkpoint = stored.checkpoint;
      this.rowsTaken = stored.rows;
      this.rejectsTaken = stored.rejects;
      this.committed = true;
    });
  }

  write(batch: SinkBatch): void {
    const rows = prepareBatch(batch);
    this.working(() => {
      if (this.columns === null) this.prepareTables(rows);
      checkKey(rows, this.options, this.rowsTaken);
      const { pending } = this;
      if (batch.checkpoint) this.checkpoint = batch.checkpoint;
      failpoint("sink-took");
      if (losspoint("drop-sink-rows")) return;
      this.takeRows(rows);
      for (const reject of batch.rejects) pending.rejects.push(reject);
      pending.count += rows.numRows + batch.rejects.length;
      pending.bytes += batch.columns.bytes;
      this.rowsTaken += rows.numRows;
      this.rejectsTaken += batch.rejects.length;
      if (pending.count >= this.options.commitRows || pending.bytes >= this.options.commitBytes) this.commit();
    });
  }

  /** A unit written in one go at its end would keep the workers waiting: where nobody else wants the lock, rows are written as they come. */
  private takeRows(rows: RecordBatch): void {
    if (!this.isNew) this.pending.rows.push(rows);
    else if (rows.numRows > 0) {
      if (!this.db!.inTransaction) this.db!.exec("BEGIN IMMEDIATE");
      this.rowWriter!.write(rows);
    }
  }

  commit(): void {
    this.working(() => this.flush());
  }

  private working<T>(action: () => T): T {
    return translating(this.options.path, `write table "${this.options.table}" of`, () => {
      try {
        return action();
      } catch (error) {
        this.hopeless ||= breaksRule(error);
        throw error;
      }
    });
  }

  private writeLive(live: LiveTable): void {
    this.live = live;
    this.into = { ...this.into, rows: live.state.table, rejects: this.rejectsTable };
  }

  finish(record: RunRecord): SinkResult {
    const { options, db, claim } = this;
    failpoint("finish-begun");
    if (db === null || claim === null || (this.columns === null && !this.committed)) {
      throw new BatchPredictError("BP_INTERNAL", "the output was finished before its columns were known: no batch came", {
        where: { file: options.path },
      });
    }
    let repeated = 0;
    this.working(() => {
      this.flush();
      if (this.live === null) this.checkCounts(db);
      checkTaken(options, this.rowsTaken, record.rows_predicted);
      failpoint("finish-counted");
      this.notePublish(claim);
      this.transaction(() => {
        repeated = this.publishTables(db, record);
      });
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
    const bytes = fs.statSync(options.path).size;
    return { path: options.path, bytes, rows: this.rowsTaken, rejectsPath, ...repeatedKeys(repeated, options) };
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
    if (claim === null || options.work === undefined || !this.committed || this.hopeless) {
      this.abort();
      return { resumable: false, bytes: 0 };
    }
    this.claim = null;
    this.closeDatabase();
    this.partial?.close();
    this.rejectsFile?.close();
    claim.journal.disown();
    return { resumable: true, bytes: this.partial === null ? 0 : fs.statSync(this.partial.tempPath).size };
  }

  abort(): void {
    const { db, claim } = this;
    try {
      const ours = claim?.journal.stillOurs() === true;
      if (db !== null && ours && !this.isNew) this.transaction(() => takeBack(db, this.options.runId));
    } catch {
      // Locked or full: the journal goes below, so the next run of this database does it.
    }
    this.closeDatabase();
    this.partial?.discard();
    this.rejectsFile?.discard();
    claim?.journal.remove();
    this.claim = null;
  }

  private closeDatabase(): void {
    try {
      // What is not committed is rolled back.
      this.db?.close();
    } catch {
      // Nothing is left to lose.
    }
    this.db = null;
  }

  private rejectsFilePath(published: number | null): string | null {
    return published === null ? null : this.claim!.header.rejects!.finalPath;
  }

  private prepareTables(first: RecordBatch): void {
    const db = this.db!;
    const { options } = this;
    const columns = columnsOf(first.schema.fields, options.path);
    const names = columns.map(({ name }) => name);
    if (!this.committed) this.createTables(db, columns, names);
    this.columns = columns;
    this.rowWriter = new RowWriter(db, this.into.rows, names, this.live?.conflict);
    if (this.rejectsInDatabase) this.rejectWriter = new RejectWriter(db, this.into.rejects, options.runId);
  }

  private createTables(db: Database.Database, columns: SqliteColumn[], names: string[]): void {
    const { options } = this;
    checkKeyColumns(names, options);
    const adds = options.ifExists === "append" || options.ifExists === "upsert";
    this.state = this.transaction(() => {
      // Of a run that died after it had made them, before its first commit.
      if (!this.isNew) takeBack(db, options.runId);
      if (!this.isNew && adds && objectKind(db, options.table) !== null) {
        checkFits(db, options, columns);
        this.writeLive(LiveTable.begin(db, options, { ...this.into, rejects: this.rejectsTable }, names));
        createCheckpointTable(db, this.into.checkpoint);
        return this.storeState(null, null);
      }
      createTable(db, options, this.into.rows, columns);
      if (this.rejectsInDatabase) createRejectsTable(db, this.into.rejects);
      if (options.work) createCheckpointTable(db, this.into.checkpoint);
      return null;
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
    this.state = this.transaction(() => {
      this.writeRows(rows);
      this.rejectWriter?.write(rejects);
      failpoint("commit-written");
      return keep || this.live ? this.storeState(keep ? checkpoint : null, rejectsFile) : null;
    });
    this.committed ||= keep;
    failpoint("commit-done");
  }

  private writeRows(batches: readonly RecordBatch[]): void {
    const write = (): number => batches.reduce((rows, batch) => rows + this.rowWriter!.write(batch), 0);
    const rows = batches.reduce((sum, { numRows }) => sum + numRows, 0);
    if (this.live) this.live.takeUnit(rows, write);
    else write();
  }

  private storeState(checkpoint: Checkpoint | null, rejectsFile: StoredCheckpoint["rejectsFile"]): string {
    const { rowsTaken: rows, rejectsTaken: rejects } = this;
    const stored = { checkpoint, rows, rejects, rejectsFile, live: this.live?.state ?? null };
    return storeCheckpoint(this.db!, this.into.checkpoint, this.state, stored);
  }

  private checkCounts(db: Database.Database): void {
    checkCount(db, this.options, this.into.rows, this.rowsTaken, "rows");
    if (this.rejectsInDatabase) checkCount(db, this.options, this.into.rejects, this.rejectsTaken, "rejected rows");
  }

  /** @returns rows that gave way to later ones of their key */
  private publishTables(db: Database.Database, record: RunRecord): number {
    const { options, into } = this;
    let repeated = 0;
    if (this.live) repeated = this.live.repeatedKeys(this.rowsTaken);
    else if (!this.isNew) repeated = showRows(db, options, into.rows);
    else if (options.ifExists === "upsert") repeated = createKeyOfNewTable(db, options);
    if (!this.isNew && !this.live && this.rejectsInDatabase) showRejects(db, options, into.rejects, this.rejectsTable);
    for (const table of [into.checkpoint, into.undo]) db.exec(`DROP TABLE IF EXISTS ${quoteName(table)}`);
    writeRunRecord(db, options.table, record);
    return repeated;
  }

  /**
   * Commits with the action what the open transaction holds, if there is one.
   * IMMEDIATE: the lock is waited for at the start, where the busy timeout works, not at the first write.
   */
  private transaction<T>(action: () => T): T {
    const db = this.db!;
    if (!db.inTransaction) return db.transaction(action).immediate();
    const result = action();
    db.exec("COMMIT");
    return result;
  }
}

/** A crash must leave a database that can be gone on with, so it has a journal on disk, though nobody else can see it yet. */
const NEW_DATABASE = ["journal_mode = DELETE", "synchronous = NORMAL", "locking_mode = EXCLUSIVE"];
/** foreign_keys is on in better-sqlite3, unlike in SQLite: dropping a replaced table would delete rows that refer to it. */
const EXISTING_DATABASE = ["synchronous = FULL", "foreign_keys = OFF", "legacy_alter_table = ON"];

function nothingPending(): { rows: RecordBatch[]; rejects: RejectedRow[]; count: number; bytes: number } {
  return { rows: [], rejects: [], count: 0, bytes: 0 };
}
