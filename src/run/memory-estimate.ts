/**
 * How much memory a run takes, from its sizes. The figures are resident megabytes of whole processes, measured on Linux x64 with Node 20
 * (10 rows, 2 and 10 million rows x 21 columns, 1 to 4 workers, chunks of 64 KiB to 32 MiB), rounded up: a plan that says less than a run takes
 * is of no use. Pure.
 */
import type { BindingPlan } from "../core/binding-plan.ts";
import type { SinkFormat } from "../core/sink.ts";
import type { SourceColumn, SourceDescription, SourceFormat } from "../core/source.ts";
import { ELEMENT_BYTES, type TensorType } from "../core/tensor-types.ts";

const MB = 1e6;

/** Node, ONNX Runtime and our own code, before the first worker. Parquet is decoded by WebAssembly, whose code stays in memory. */
const BASE_BYTES = { text: 138 * MB, jsonl: 138 * MB, arrow: 138 * MB, parquet: 205 * MB };
/** A thread with its libraries and its share of garbage that waits to be collected; JSON is parsed into objects of the heap. */
const WORKER_BYTES = { text: 30 * MB, jsonl: 50 * MB, arrow: 30 * MB, parquet: 40 * MB };
const SINK_BYTES: Record<SinkFormat, number> = {
  parquet: 26 * MB,
  sqlite: 20 * MB,
  csv: 12 * MB,
  jsonl: 12 * MB,
  arrow: 12 * MB,
};
/** With heaps as large as Node makes them, threads let more garbage wait. */
const LOOSE_HEAP_BYTES = 20 * MB;
/** A model is read, kept by the session in its own form, and read once more by the main thread. */
const MODEL_FACTOR = 1.5;
/**
 * What a chunk leaves in the main thread's heap until it is collected, and the most that gathers there. Measured over 10 million rows in chunks
 * of 64 and 128 KiB: 30 MB more than over 200,000 rows, reached after some 10,000 chunks.
 */
const CHUNK_GARBAGE_BYTES = 3_600;
const MAX_CHUNK_GARBAGE_BYTES = 36 * MB;
/** How often the bytes of a chunk lie in memory: as read, as parsed, and as garbage of the chunks before. */
const CHUNK_FACTOR = { text: 4, jsonl: 12, arrow: 5, parquet: 6 };
/** Rows of a Parquet row group wait as Arrow, are copied for the encoder, lie in its memory, and are compressed. */
const COMMIT_FACTOR: Record<SinkFormat, number> = { parquet: 4, sqlite: 2, csv: 2, jsonl: 2, arrow: 2 };
/** Results that the sink was given and has not taken yet (see executor.ts). */
const SINK_QUEUE = 3;
/** Arrays, validity and schema of one column in one chunk, whatever its rows. */
const COLUMN_BYTES = 1000;
/** Names, types, plans and encoders of one column: in the process, and once more in each worker. Measured at 10,000 columns. */
const WIDE_COLUMN_BYTES = 20_000;
const WORKER_COLUMN_BYTES = 6_000;
const TEXT_BYTES = 32;
/** A reader that decodes more than a chunk at once (Parquet) goes no lower: it would read its input again and again. */
export const MIN_WINDOW_BYTES = 4 << 20;

/** What the estimate is made from, apart from what can be chosen. Bytes. */
export interface MemoryFacts {
  kind: "text" | "jsonl" | "arrow" | "parquet";
  reference: boolean;
  sink: SinkFormat;
  modelBytes: number;
  /** One row as the source holds it, by which chunks are cut. */
  rowBytes: number;
  /** Of the input; null: unknown before it is read. */
  rows: number | null;
  /** One row as tensors, as kept columns, and as predictions. */
  tensorRowBytes: number;
  keptRowBytes: number;
  outputRowBytes: number;
  /** Columns that are read or written. */
  columns: number;
  /** What a reader must hold at once however small its chunks are; see SourceDescription.indivisible. */
  indivisible: { bytes: number; what: string } | null;
}

/** What can be chosen. */
export interface Load {
  workers: number;
  /** Chunks handed out and not yet written. */
  inFlight: number;
  chunkBytes: number;
  batchSize: number;
  commitRows: number;
  commitBytes: number;
  /** Threads with heaps as small as they can be. */
  tight: boolean;
}

/** Garbage of a worker that decodes text by the reference: 32 MB more than the kernel's, of which the factors above hold some. */
const REFERENCE_BYTES = 24 << 20;

export function estimateMemory(load: Load, facts: MemoryFacts): number {
  const { kind, sink } = facts;
  const resultRowBytes = facts.keptRowBytes + facts.outputRowBytes;
  const rows = Math.ceil(load.chunkBytes / facts.rowBytes);
  const decoded = rows * (facts.tensorRowBytes + facts.keptRowBytes);
  const result = rows * resultRowBytes + facts.columns * COLUMN_BYTES;
  const batch = 2 * load.batchSize * (facts.tensorRowBytes + facts.outputRowBytes);
  const window = kind === "parquet" ? Math.max(load.chunkBytes, MIN_WINDOW_BYTES) : load.chunkBytes;
  const reading = CHUNK_FACTOR[kind] * window + 3 * (facts.indivisible?.bytes ?? 0);
  const worker = WORKER_BYTES[kind] + facts.modelBytes * MODEL_FACTOR + reading + 2 * decoded + 2 * result + batch;
  const cells = facts.reference ? load.workers * REFERENCE_BYTES : 0;
  const heaps = load.tight ? 0 : (load.workers + 1) * LOOSE_HEAP_BYTES;
  const commit = Math.min(load.commitBytes, load.commitRows * resultRowBytes);
  const waiting = (load.inFlight + SINK_QUEUE) * result + COMMIT_FACTOR[sink] * commit;
  const wide = facts.columns * (WIDE_COLUMN_BYTES + load.workers * WORKER_COLUMN_BYTES);
  const chunks = facts.rows === null ? Number.POSITIVE_INFINITY : facts.rows / rows;
  const main = BASE_BYTES[kind] + Math.min(MAX_CHUNK_GARBAGE_BYTES, chunks * CHUNK_GARBAGE_BYTES);
  return Math.ceil(main + heaps + cells + SINK_BYTES[sink] + facts.modelBytes + wide + load.workers * worker + waiting);
}

export function memoryKind(format: SourceFormat): MemoryFacts["kind"] {
  if (format === "csv") return "text";
  return format === "jsonl" || format === "parquet" ? format : "arrow";
}

export interface FactsInput {
  source: Pick<SourceDescription, "format" | "bytes" | "rows" | "rowsEstimate" | "columns" | "rowBytes" | "indivisible">;
  sink: SinkFormat;
  plan: BindingPlan;
  modelBytes: number;
  /** Elements per row of each output, as declared. */
  outputs: readonly { type: TensorType; rowSize: number }[];
  /** false: text is decoded by the reference alone, as cells in objects. */
  kernel?: boolean;
}

export function memoryFacts({ source, sink, plan, modelBytes, outputs, kernel = true }: FactsInput): MemoryFacts {
  const kind = memoryKind(source.format);
  const column = (index: number): SourceColumn | undefined => source.columns[index];
  const keptRowBytes = plan.keep.reduce((sum, { index, type }) => sum + keptBytes(column(index), type), 0);
  const fed = plan.inputs.reduce((sum, { rowSize }) => sum + rowSize, 0);
  const tensorRowBytes = plan.inputs.reduce((sum, { type, rowSize }) => sum + rowSize * ELEMENT_BYTES[type], 0);
  const { what = "", bytes = 0, rows = 0, columnBytes = [] } = source.indivisible ?? {};
  const read = [...plan.inputs.flatMap(({ from }) => (from.kind === "list" ? [from.column] : from.columns)), ...plan.keep];
  const largest = read.reduce((most, { index }) => Math.max(most, columnBytes[index] ?? 0), 0);
  // Feeding columns are at most float64 where tensors are float32.
  const held = bytes + largest + rows * (2 * tensorRowBytes + keptRowBytes);
  return {
    kind,
    reference: kind === "text" && !kernel,
    sink,
    modelBytes,
    rowBytes: Math.max(1, source.rowBytes ?? storedRowBytes(source, kind)),
    rows: source.rows ?? source.rowsEstimate,
    tensorRowBytes,
    keptRowBytes,
    outputRowBytes: outputs.reduce((sum, { type, rowSize }) => sum + rowSize * ELEMENT_BYTES[type], 0),
    columns: fed + plan.keep.length,
    indivisible: held === 0 ? null : { bytes: held, what },
  };
}

/** Of text two bytes per cell are the least, so what is not known is taken for many rows. */
function storedRowBytes({ bytes, rows, rowsEstimate, columns }: FactsInput["source"], kind: MemoryFacts["kind"]): number {
  const count = rows ?? rowsEstimate;
  if (bytes !== null && count !== null && count > 0) return bytes / count;
  return columns.length * (kind === "text" || kind === "jsonl" ? 2 : 8);
}

function keptBytes(column: SourceColumn | undefined, type: string): number {
  const elements = column?.listSize ?? 1;
  if (type === "utf8") return TEXT_BYTES;
  if (type !== "source") return 8;
  const proven = column?.keptType ?? "source";
  if (proven !== "source") return proven === "utf8" ? TEXT_BYTES : 8;
  return column?.role === "number" || column?.role === "bool" || column?.role === "list" ? 8 * elements : TEXT_BYTES;
}
