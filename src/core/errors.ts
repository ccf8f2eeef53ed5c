/**
 * Errors are data: a stable code, what, where, expected and actual, and how to mend it.
 * They cross threads and `--json` in their wire form, because a posted Error loses its code.
 */

/** Every code the product may print. Stable: scripts match on them; add, never rename. */
export const ERROR_CODES = [
  "BP_USAGE", // flags or arguments that cannot be understood
  "BP_CONFIG", // settings that contradict each other or are out of range
  "BP_JOB_FILE", // a job file that is absent or breaks the schema
  "BP_INPUT_NOT_FOUND",
  "BP_INPUT_UNREADABLE", // permissions, a folder without data files, I/O errors
  "BP_INPUT_FORMAT", // unknown, corrupt or truncated file
  "BP_INPUT_CHANGED", // replaced, truncated or grown while being read
  "BP_SOURCE_SCHEMA", // files of one run that differ, duplicate or empty header names
  "BP_SOURCE_RECORD", // a record that cannot be split into the header's columns
  "BP_SOURCE_CELL", // a cell that cannot become the model's type
  "BP_SOURCE_TYPE", // an Arrow/Parquet type that cannot feed the tensor it is bound to
  "BP_SOURCE_LIMIT", // a record longer than maxRecordBytes, an unclosed quote
  "BP_MODEL_NOT_FOUND",
  "BP_MODEL_UNREADABLE",
  "BP_MODEL_INVALID", // not an ONNX file, truncated, corrupt
  "BP_MODEL_UNSUPPORTED", // types, operators, inputs or outputs that cannot be served
  "BP_MODEL_ROWS", // an output that has not one entry per input row
  "BP_MODEL_CHANGED",
  "BP_BINDING", // columns and model inputs do not match
  "BP_TRANSFORM", // the job's preprocessing module: absent, broken, or failing on rows
  "BP_INFERENCE", // the runtime failed on rows
  "BP_OUTPUT_EXISTS",
  "BP_OUTPUT_PATH", // folder absent, not writable, unknown extension
  "BP_OUTPUT_WRITE", // I/O while writing
  "BP_OUTPUT_BUSY", // locked by another process
  "BP_RESUME_MISMATCH", // an interrupted run of the same output did other work
  "BP_RESUME_DAMAGED", // the journal of an interrupted run is not what was written
  "BP_DISK_FULL",
  "BP_TOO_MANY_REJECTS",
  "BP_ACCOUNTING", // rows read != predicted + rejected, or the re-read count differs
  "BP_EXPECTATION", // `expect` of the job file does not hold
  "BP_RUN_NOT_FOUND",
  "BP_RUN_STATE", // a run that is not in a state to be resumed, retried or cancelled
  "BP_INTERRUPTED",
  "BP_STATE", // the state folder or its ledger cannot be used
  "BP_BUSY", // another run of the job, another scheduler
  "BP_MEMORY_LIMIT", // the memory limit cannot be met, or a worker ran out of memory
  "BP_WORKER_DIED", // a thread ended in the middle of its work: native code, or a transform that ends its process
  "BP_INTERNAL", // a bug of ours
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** Where an error was met. `line` and `columnIndex` are 1-based, `row` and `byte` 0-based, as users of editors and of arrays count. */
export interface ErrorPlace {
  file?: string;
  line?: number;
  row?: number;
  byte?: number;
  column?: string;
  columnIndex?: number;
}

export interface ErrorDetails {
  where?: ErrorPlace;
  expected?: string;
  actual?: string;
  /** One mend per entry, naming options as the user set them. */
  hints?: string[];
  /** Several problems found at once; each is printed in full. */
  problems?: WireError[];
  /** Overrides the phase's exit code (2 before the first row, 1 after). */
  exitCode?: number;
  cause?: unknown;
}

/** The JSON form of an error: what `--json` prints and what threads post. */
export interface WireError extends Omit<ErrorDetails, "cause"> {
  code: ErrorCode;
  message: string;
  /** Only shown under `--debug`. */
  stack?: string;
}

export class BatchPredictError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "BatchPredictError";
    this.code = code;
    this.details = details;
  }
}

export function toWire(error: unknown): WireError {
  if (error instanceof BatchPredictError) {
    const { cause: _cause, ...details } = error.details;
    const wire: WireError = { code: error.code, message: error.message, ...details };
    if (error.stack !== undefined) wire.stack = error.stack;
    return wire;
  }
  const system = systemError(error);
  if (system) return toWire(system);
  const message = error instanceof Error ? error.message : String(error);
  const wire: WireError = { code: "BP_INTERNAL", message };
  if (error instanceof Error && error.stack !== undefined) wire.stack = error.stack;
  return wire;
}

export function fromWire(wire: WireError): BatchPredictError {
  const { code, message, stack, ...details } = wire;
  const error = new BatchPredictError(code, message, details);
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** ENOSPC, EDQUOT and EFBIG mean the same to a user: there is no room left. */
function systemError(error: unknown): BatchPredictError | null {
  if (!(error instanceof Error)) return null;
  const { code, path } = error as NodeJS.ErrnoException;
  const where: ErrorPlace = path === undefined ? {} : { file: path };
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG" || code === "SQLITE_FULL") {
    return new BatchPredictError("BP_DISK_FULL", "no space left to write the output", {
      where,
      actual: error.message,
      hints: ["free some space, or write to another disk with --output"],
      cause: error,
    });
  }
  return null;
}

export function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? "");
}
