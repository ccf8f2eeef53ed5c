/** `_batchpredict_runs`: one row per run, written in the transaction that makes the run's rows visible. */
import type Database from "better-sqlite3";
import type { RunRecord } from "../../core/sink.ts";
import { nameList } from "./identifiers.ts";
import { objectKind } from "./tables.ts";

const RUNS_TABLE = "_batchpredict_runs";

const COLUMNS = {
  run_id: "TEXT PRIMARY KEY NOT NULL",
  table_name: "TEXT",
  started_at: "TEXT",
  ended_at: "TEXT",
  rows_read: "INTEGER",
  rows_predicted: "INTEGER",
  rows_rejected: "INTEGER",
  model_path: "TEXT",
  model_sha256: "TEXT",
  onnxruntime_version: "TEXT",
  batchpredict_version: "TEXT",
  /** JSON array. */
  inputs: "TEXT",
  /** JSON object of everything else. */
  details: "TEXT",
};

/** The proof that the run's rows are in. */
export function hasRunRecord(db: Database.Database, runId: string): boolean {
  if (objectKind(db, RUNS_TABLE) === null) return false;
  return db.prepare(`SELECT 1 FROM ${RUNS_TABLE} WHERE run_id = ?`).get(runId) !== undefined;
}

export function writeRunRecord(db: Database.Database, table: string, record: RunRecord): void {
  const names = Object.keys(COLUMNS);
  const declarations = Object.entries(COLUMNS).map(([name, type]) => `${name} ${type}`);
  db.exec(`CREATE TABLE IF NOT EXISTS ${RUNS_TABLE} (${declarations.join(", ")})`);
  const more = Object.entries(record).filter(([name]) => !names.includes(name));
  const row: Record<string, unknown> = {
    ...record,
    table_name: table,
    inputs: JSON.stringify(record.inputs),
    details: JSON.stringify(Object.fromEntries(more)),
  };
  db.prepare(`INSERT OR REPLACE INTO ${RUNS_TABLE} (${nameList(names)}) VALUES (${names.map(() => "?").join(", ")})`).run(
    names.map((name) => row[name] ?? null),
  );
}
