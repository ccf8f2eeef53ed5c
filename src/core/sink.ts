/**
 * What a sink is: open -> write... -> finish | abort. It lives on its own thread and is synchronous there.
 * Batches come in input order, each an Arrow IPC stream (schema message, one record batch) with one schema for the whole run.
 */
export type SinkFormat = "parquet" | "sqlite" | "csv" | "arrow";
export type IfExists = "fail" | "replace" | "append" | "upsert";

export interface SinkOptions {
  format: SinkFormat;
  /** Absolute final path. */
  path: string;
  /** SQLite table. */
  table: string;
  ifExists: IfExists;
  /** Output columns that identify a row (upsert). */
  key: string[];
  runId: string;
  /** Where rejects go: a CSV file of its own, or, for SQLite without a path, the table `<table>_rejects` in the same database. null: rejects are not kept (on-error fail). */
  rejects: { path: string | null } | null;
  /** Target size of a Parquet row group / SQLite transaction / Arrow record batch, rows. */
  commitRows: number;
  /** ... and bytes of IPC payload, whichever comes first. */
  commitBytes: number;
}

/** A rejected row with absolute positions. `line` is 1-based, `row` and `byte` 0-based. */
export interface RejectedRow {
  row: number;
  line: number | null;
  byte: number | null;
  column: string | null;
  code: string;
  message: string;
  raw: string | null;
}

export interface SinkBatch {
  /** Arrow IPC stream bytes: schema + one record batch, uncompressed. */
  ipc: Uint8Array<ArrayBuffer>;
  rows: number;
  /** Rows of the batch to write, rowEnd exclusive: --limit and --where-rows cut here. */
  rowStart: number;
  rowEnd: number;
  /** Added to every value of the `row` column, if the schema has it (see OutputPlan.rowColumn). */
  rowBase: number;
  rowColumn: string | null;
  rejects: RejectedRow[];
}

/** Written into the output: Parquet/Arrow key-value metadata under `batchpredict`, SQLite table `_batchpredict_runs`. All values JSON-able. */
export interface RunRecord {
  run_id: string;
  started_at: string;
  ended_at: string;
  rows_read: number;
  rows_predicted: number;
  rows_rejected: number;
  model_path: string;
  model_sha256: string;
  onnxruntime_version: string;
  batchpredict_version: string;
  inputs: string[];
  [more: string]: unknown;
}

export interface SinkResult {
  path: string;
  bytes: number;
  /** Counted again in what was written, before the rename: must equal the rows that went in. */
  rows: number;
  rejectsPath: string | null;
}

export interface Sink {
  /** Creates the temporary file or staging table. Leftovers of dead runs of the same output are removed here. */
  open(): void;
  write(batch: SinkBatch): void;
  /** Flush, count again, rename or merge, fsync. After it the output is visible under its final name. @throws BP_ACCOUNTING when the count differs */
  finish(record: RunRecord): SinkResult;
  /** Remove everything this run made; the final name is as it was before. Never throws. */
  abort(): void;
}
