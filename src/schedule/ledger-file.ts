/** The ledger's file: where it may lie, how it is opened, and what its tables are, by version. */
import fs from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { BatchPredictError } from "../core/errors.ts";
import { ACTIVE_STATES, RUN_STATES, TERMINAL_STATES, TRIGGERS } from "./states.ts";

/** How long a writer waits for another one; every transaction of ours takes milliseconds. */
const BUSY_MS = 10_000;

/** Magic numbers of statfs(2): file systems whose locks are another machine's promise, so two schedulers could both believe they hold one. */
const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  26985: "NFS", // 0x6969
  20859: "SMB", // 0x517b
  4283649346: "CIFS", // 0xff534d42
  4266872130: "SMB 2", // 0xfe534d42
  1397113167: "AFS", // 0x5346414f
  12805120: "Ceph", // 0x00c36400
  198183888: "Lustre", // 0x0bd00bd0
  1937076805: "Coda", // 0x73757245
  22092: "NCP", // 0x564c
};

/** @param type `f_type` of statfs(2); @returns its name, null for a file system of this machine (or one that cannot be told) */
export function networkFileSystem(type: number): string | null {
  return NETWORK_FILE_SYSTEMS[type >>> 0] ?? null;
}

export function ledgerPath(stateDir: string): string {
  return path.join(stateDir, "ledger.db");
}

const list = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(", ");

/** Each entry takes the file from the version of its index to the next. Never edit one that was released: add another. */
const MIGRATIONS = [
  `
  CREATE TABLE jobs (
    name TEXT PRIMARY KEY,
    definition TEXT NOT NULL,
    cursor_ms INTEGER NOT NULL,
    paused_ms INTEGER,
    resumed_ms INTEGER,
    created_ms INTEGER NOT NULL,
    removed_ms INTEGER
  ) STRICT;

  CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    job TEXT NOT NULL REFERENCES jobs (name),
    run_key TEXT NOT NULL,
    logical_date TEXT NOT NULL,
    local_time TEXT NOT NULL,
    scheduled_ms INTEGER NOT NULL,
    trigger_kind TEXT NOT NULL CHECK (trigger_kind IN (${list(TRIGGERS)})),
    state TEXT NOT NULL CHECK (state IN (${list(RUN_STATES)})),
    reason TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    not_before_ms INTEGER NOT NULL,
    timeout_ms INTEGER,
    due_by_ms INTEGER,
    overdue_told_ms INTEGER,
    owner TEXT,
    lease_until_ms INTEGER,
    host TEXT,
    boot_id TEXT,
    pid INTEGER,
    pid_start TEXT,
    stop_reason TEXT,
    stop_asked_ms INTEGER,
    stop_killed_ms INTEGER,
    created_ms INTEGER NOT NULL,
    claimed_ms INTEGER,
    started_ms INTEGER,
    ended_ms INTEGER,
    rows_read INTEGER,
    rows_predicted INTEGER,
    rows_rejected INTEGER,
    output TEXT,
    error TEXT,
    slots INTEGER NOT NULL DEFAULT 1,
    superseded_by TEXT,
    CHECK ((state IN (${list(ACTIVE_STATES)})) = (owner IS NOT NULL AND lease_until_ms IS NOT NULL) OR state IN (${list(TERMINAL_STATES)}))
  ) STRICT;

  -- What makes a second run of a key, and a second active run of a job, impossible.
  CREATE UNIQUE INDEX runs_key ON runs (job, run_key) WHERE superseded_by IS NULL;
  CREATE UNIQUE INDEX runs_one_active ON runs (job) WHERE state IN (${list(ACTIVE_STATES)});
  CREATE INDEX runs_open ON runs (job) WHERE state IN ('scheduled', ${list(ACTIVE_STATES)});
  CREATE INDEX runs_history ON runs (job, scheduled_ms);
  CREATE INDEX runs_due ON runs (due_by_ms) WHERE due_by_ms IS NOT NULL AND overdue_told_ms IS NULL;
  CREATE TRIGGER runs_terminal BEFORE UPDATE OF state ON runs
    WHEN OLD.state IN (${list(TERMINAL_STATES)}) AND NEW.state <> OLD.state
    BEGIN SELECT RAISE (ABORT, 'a run that has ended stays as it ended'); END;

  CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    run_id TEXT NOT NULL,
    run_key TEXT NOT NULL,
    event TEXT NOT NULL,
    target INTEGER NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    payload TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    due_ms INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    delivered_ms INTEGER
  ) STRICT;
  CREATE INDEX outbox_due ON outbox (due_ms) WHERE delivered_ms IS NULL AND due_ms IS NOT NULL;

  CREATE TABLE scheduler (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    owner TEXT NOT NULL,
    host TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    pid INTEGER NOT NULL,
    pid_start TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    lease_until_ms INTEGER NOT NULL
  ) STRICT;
  `,
] as const;

/** @throws BP_STATE, BP_BUSY, BP_DISK_FULL */
export function openDatabase(stateDir: string, busyMs = BUSY_MS): Database.Database {
  const file = ledgerPath(stateDir);
  prepareFolder(stateDir);
  makePrivate(file);
  return translating(file, () => {
    const db = new Database(file, { timeout: busyMs });
    try {
      db.pragma("journal_mode = WAL");
      db.pragma("synchronous = FULL");
      db.pragma("foreign_keys = ON");
      migrate(db, file);
    } catch (error) {
      db.close();
      throw error;
    }
    return db;
  });
}

/** SQLite makes files by the umask; -wal and -shm take the mode of the database. What cannot be made, SQLite says in its own words. */
function makePrivate(file: string): void {
  try {
    // Never one that exists: closing it would drop the locks of other connections of this process.
    fs.closeSync(fs.openSync(file, "wx", 0o600));
  } catch {
    // It is there already, or cannot be.
  }
}

function prepareFolder(stateDir: string): void {
  try {
    fs.mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new BatchPredictError("BP_STATE", `cannot make the state folder ${stateDir}`, {
      where: { file: stateDir },
      actual: (error as Error).message,
      hints: ["choose another folder with --state-dir"],
      exitCode: 2,
      cause: error,
    });
  }
  const network = networkFileSystem(fs.statfsSync(stateDir).type);
  if (network === null) return;
  throw new BatchPredictError("BP_STATE", `the state folder ${stateDir} lies on a network file system (${network})`, {
    where: { file: stateDir },
    expected: "a disk of this machine: locks over a network cannot be relied on",
    hints: ["choose a local folder with --state-dir; jobs, inputs and outputs may stay where they are"],
    exitCode: 2,
  });
}

function migrate(db: Database.Database, file: string): void {
  const version = (): number => db.pragma("user_version", { simple: true }) as number;
  if (version() === MIGRATIONS.length) return;
  // Another process may be doing the same: the version that counts is read under the write lock.
  const steps = db.transaction(() => {
    const from = version();
    if (from > MIGRATIONS.length) {
      throw new BatchPredictError("BP_STATE", `the ledger ${file} was made by a newer version of batchpredict`, {
        where: { file },
        expected: `version ${MIGRATIONS.length} or older`,
        actual: `version ${from}`,
        hints: ["use that version, or another --state-dir"],
        exitCode: 2,
      });
    }
    for (const sql of MIGRATIONS.slice(from)) db.exec(sql);
    db.pragma(`user_version = ${MIGRATIONS.length}`);
  });
  steps.immediate();
}

/** SQLite's result codes in our words. */
export function translating<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error;
    const { code, message } = error;
    const details = { where: { file }, actual: `${message} (${code})`, cause: error };
    if (code.startsWith("SQLITE_BUSY")) {
      const hints = ["another program holds a transaction open on it: close that and try again"];
      throw new BatchPredictError("BP_BUSY", `the ledger ${file} stays locked`, { ...details, hints, exitCode: 75 });
    }
    if (code === "SQLITE_FULL" || code.startsWith("SQLITE_IOERR_WRITE") || code.startsWith("SQLITE_IOERR_FSYNC")) {
      throw new BatchPredictError("BP_DISK_FULL", `no space left for the ledger ${file}`, {
        ...details,
        hints: ["free some space"],
      });
    }
    if (code.startsWith("SQLITE_CONSTRAINT"))
      throw new BatchPredictError("BP_INTERNAL", `the ledger refuses a change: ${message}`, details);
    const hints = /^SQLITE_(NOTADB|CORRUPT)/.test(code)
      ? ["it is no ledger, or damaged: move it away to begin a new one, the outputs are not in it"]
      : ["the folder and its files must be readable and writable; choose another with --state-dir"];
    throw new BatchPredictError("BP_STATE", `cannot use the ledger ${file}`, { ...details, hints, exitCode: 2 });
  }
}
