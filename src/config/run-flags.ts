/** The flags of `run`, `plan` and `verify` as the command line gives them: texts, not yet understood. */

/** A repeatable flag gives a list; a single text is taken as a list of one. */
type Repeatable = string | readonly string[];

export interface RunFlags {
  model?: string | undefined;
  /** Files, globs, folders, or "-". */
  input?: Repeatable | undefined;
  inputFormat?: string | undefined;
  output?: string | undefined;
  outputFormat?: string | undefined;
  table?: string | undefined;
  /** Comma separated selectors; see split-list.ts. */
  features?: Repeatable | undefined;
  /** INPUT=COLS; the first `=` is the border. */
  bind?: Repeatable | undefined;
  /** INPUT=VALUE, or INPUT=[JSON list]. */
  const?: Repeatable | undefined;
  /** INPUT=24x3; the last `=` is the border. */
  shape?: Repeatable | undefined;
  keep?: Repeatable | undefined;
  key?: Repeatable | undefined;
  /** NAME[=ALIAS],... */
  outputs?: Repeatable | undefined;
  ifExists?: string | undefined;
  batchSize?: string | undefined;
  workers?: string | undefined;
  threads?: string | undefined;
  /** N, 8MiB, auto. */
  chunkBytes?: string | undefined;
  /** 350MB, 1GiB. */
  memoryLimit?: string | undefined;
  missing?: string | undefined;
  onError?: string | undefined;
  maxRejects?: string | undefined;
  rejects?: string | undefined;
  delimiter?: string | undefined;
  quote?: string | undefined;
  escape?: string | undefined;
  encoding?: string | undefined;
  header?: string | boolean | undefined;
  nullValues?: Repeatable | undefined;
  decimal?: string | undefined;
  comment?: string | undefined;
  /** NAME=TYPE; the last `=` is the border. */
  columnType?: Repeatable | undefined;
  maxRecordBytes?: string | undefined;
  limit?: string | undefined;
  /** A..B or A.. : rows from 0, the end is not included. */
  whereRows?: string | undefined;
  /** I/N: part I of N, from 1. */
  shard?: string | undefined;
  fresh?: boolean | undefined;
  stateDir?: string | undefined;
}

/** Environment variables that fill in what neither a flag nor the job file says. An empty one counts as not set. */
export const ENVIRONMENT = {
  model: { name: "BATCHPREDICT_MODEL", about: "ONNX file, as --model" },
  batchSize: { name: "BATCHPREDICT_BATCH_SIZE", about: "rows per inference call, as --batch-size" },
  workers: { name: "BATCHPREDICT_WORKERS", about: "number of workers, as --workers" },
  threads: { name: "BATCHPREDICT_THREADS", about: "ONNX threads per worker, as --threads" },
  chunkBytes: { name: "BATCHPREDICT_CHUNK_BYTES", about: "size of one unit of work, as --chunk-bytes" },
  memoryLimit: { name: "BATCHPREDICT_MEMORY_LIMIT", about: "resident memory of the whole run, as --memory-limit" },
  onError: { name: "BATCHPREDICT_ON_ERROR", about: "fail or reject, as --on-error" },
  maxRejects: { name: "BATCHPREDICT_MAX_REJECTS", about: "rows or percent, as --max-rejects" },
  stateDir: { name: "BATCHPREDICT_STATE_DIR", about: "folder of journals and history, as --state-dir" },
} as const;

export function asList(given: Repeatable): readonly string[] {
  return typeof given === "string" ? [given] : given;
}
