/** SQLite's result codes in our words: who must do what. */
import Database from "better-sqlite3";
import { BatchPredictError } from "../../core/errors.ts";

/** EFBIG and EDQUOT reach us as a failed write, only ENOSPC as SQLITE_FULL. */
const NO_ROOM = ["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_TRUNCATE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_FSYNC"];

const CONSTRAINT_HINTS = [
  "the table has a rule that these rows break: renew rows that are there with --if-exists upsert --key COLS",
  "or write to another --table",
];

/**
 * @param path the database as the user named it
 * @param doing completes "cannot ...", e.g. "write rows to table scores in"
 */
function sqliteError(error: unknown, path: string, doing: string): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const { code, message } = error;
  const where = { file: path };
  if (NO_ROOM.includes(code)) {
    return new BatchPredictError("BP_DISK_FULL", `no space left to ${doing} ${path}`, {
      where,
      actual: `${message} (${code})`,
      hints: ["free some space there and in the folder for temporary files, or write to another disk with --output"],
      cause: error,
    });
  }
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) {
    return new BatchPredictError("BP_OUTPUT_BUSY", `another process keeps the database ${path} locked`, {
      where,
      hints: ["wait until it is done and run again: nothing was changed", "close programs that hold a transaction open on it"],
      exitCode: 75,
      cause: error,
    });
  }
  if (code.startsWith("SQLITE_NOTADB") || code.startsWith("SQLITE_CORRUPT")) {
    return new BatchPredictError("BP_OUTPUT_PATH", `${path} exists but is not a readable SQLite database`, {
      where,
      actual: message,
      hints: ["give another --output; a file that is not a database is never overwritten"],
      cause: error,
    });
  }
  if (/^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)/.test(code)) {
    return new BatchPredictError("BP_OUTPUT_PATH", `cannot ${doing} ${path}: ${message}`, {
      where,
      hints: ["SQLite must be able to write the file and its folder; choose another --output"],
      cause: error,
    });
  }
  return new BatchPredictError("BP_OUTPUT_WRITE", `cannot ${doing} ${path}: ${message}`, {
    where,
    hints: code.startsWith("SQLITE_CONSTRAINT") ? CONSTRAINT_HINTS : [],
    cause: error,
  });
}

/** A UNIQUE, NOT NULL or CHECK of the table, or a trigger's RAISE: the rows themselves are at fault. */
export function breaksRule(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith("SQLITE_CONSTRAINT");
}

export function translating<T>(path: string, doing: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw sqliteError(error, path, doing);
  }
}
