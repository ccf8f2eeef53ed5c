/**
 * What a sink is: open -> (write, commit)... -> finish | suspend | abort. It lives on its own thread and is synchronous there.
 * Batches come in input order, with one schema for the whole run.
 * What was committed survives the process: the next `open` of the same work goes on behind it.
 */
import type { Checkpoint, WorkIdentity } from "./checkpoint.ts";
import type { WireBatch } from "./wire-batch.ts";

export type SinkFormat = "parquet" | "sqlite" | "csv" | "jsonl" | "arrow";
/** What the ending of an output file says, in lower case. */
export const SINK_EXTENSIONS: Readonly<Record<string, SinkFormat>> = {
  ".parquet": "parquet",
  ".pq": "parquet",
  ".db": "sqlite",
  ".sqlite": "sqlite",
  ".sqlite3": "sqlite",
  ".csv": "csv",
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".arrow": "arrow",
  ".feather": "arrow",
};

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
  /** ... and bytes of columns, whichever comes first. */
  commitBytes: number;
  /** By what an interrupted run is known again. Without it nothing is resumed: what a dead run left is removed. */
  work?: WorkIdentity;
}

/** What `open` found of an interrupted run of the same work. */
export interface SinkOpened {
  /** The interrupted run's own id and start where it is gone on with, else those of the options. */
  runId: string;
  startedAt: string | null;
  /** Committed state to go on from; null: from the first row. */
  checkpoint: Checkpoint | null;
  /** The interrupted run had published everything; only its end was not told. Nothing may be written any more. */
  done: { result: SinkResult; checkpoint: Checkpoint } | null;
  /**
   * The run's journal. With `work`, finishing leaves it, so that the same work is found done by the next run until this one was told
   * to its user; whoever tells removes it then.
   */
  journal: string;
  /** What was found and done about it, for people. */
  notices: string[];
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
  columns: WireBatch;
  rows: number;
  /** Rows of the batch to write, rowEnd exclusive: --limit and --where-rows cut here. */
  rowStart: number;
  rowEnd: number;
  /** Added to every value of the `row` column, if the schema has it (see OutputPlan.rowColumn). */
  rowBase: number;
  rowColumn: string | null;
  rejects: RejectedRow[];
  /** State of the run behind this batch: stored by the commit that makes the batch durable. */
  checkpoint?: Checkpoint;
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
  /** What the user should know about rows that are in, or gave way. */
  warnings?: string[];
}

export interface Sink {
  /**
   * Takes the output for this process, then creates the temporary file or staging table, or goes on with that of an interrupted
   * run of the same work. @throws BP_OUTPUT_BUSY (a live run has it), BP_RESUME_MISMATCH (a dead run of other work)
   */
  open(): SinkOpened;
  /** Takes rows. Commits by itself every `commitRows` or `commitBytes`, with the checkpoint of the last batch taken. */
  write(batch: SinkBatch): void;
  /** All rows taken so far and the checkpoint of the last batch become durable together. */
  commit(): void;
  /** Flush, count again, rename or merge, fsync. After it the output is visible under its final name. @throws BP_ACCOUNTING when the count differs */
  finish(record: RunRecord): SinkResult;
  /** Closes everything and leaves what was committed for the next run of the same work; removes it if nothing was. Never throws. */
  suspend(): { resumable: boolean; bytes: number };
  /** Remove everything this run made; the final name is as it was before. Never throws. */
  abort(): void;
}
