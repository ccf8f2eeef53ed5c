/** What "auto" means, from the model, the data and the machine. Pure. */
import type { BindingPlan } from "../core/binding-plan.ts";
import type { Origin, RunSettings } from "../core/settings.ts";
import { isTextFormat, type SourceDescription } from "../core/source.ts";
import { ELEMENT_BYTES } from "../core/tensor-types.ts";

/** Rows of one inference call: beyond this a small network falls out of the cache, below it the call itself costs. */
const MAX_BATCH_ROWS = 4096;
/** Input bytes of one call. */
const MAX_BATCH_BYTES = 4 << 20;
/**
 * Text per chunk. Measured on 2 million rows x 21 columns, processor time beside that of 2 MiB (peak 212 MB): 1.08 at 1 MiB, 0.92 at 4 MiB (219 MB),
 * 0.87 at 6 MiB (223 MB), no less at 8 MiB (231 MB).
 */
const MAX_TEXT_CHUNK_BYTES = 6 << 20;
/** The same of pipes and packed files, whose chunks are held and sent as bytes. */
const MAX_STREAMED_CHUNK_BYTES = 2 << 20;
/** Of the first chunk, which is probed and decoded twice: some thousand rows. */
export const FIRST_CHUNK_BYTES = 512 << 10;
const MIN_TEXT_CHUNK_BYTES = 64 << 10;
/**
 * Of wide rows a chunk takes more: every column of every chunk costs some 20 us on its way from worker to sink, as much as parsing 50 cells.
 * With this a chunk of cells of 7 bytes has 70 rows.
 */
const TEXT_CHUNK_BYTES_PER_COLUMN = 512;
const MAX_WIDE_CHUNK_BYTES = 8 << 20;
/** Rows of a record batch: less costs more than it saves, more holds more memory. */
const ROW_CHUNK_BYTES = 8 << 20;
/** Of narrow rows a chunk takes fewer bytes: what is in hand at a death is done again (see COMMIT_ROWS in memory-plan.ts). */
const MAX_CHUNK_ROWS = 60_000;
/** A row group is handed out whole up to this size, decoded: a part of it is read with all that stands before it. */
const PARQUET_CHUNK_BYTES = 64 << 20;
/** The same where a part can be read for itself: less memory, and as fast. */
const PARQUET_PART_BYTES = 12 << 20;
/** A model larger than this is loaded once, with all threads, instead of once per worker. */
const LARGE_MODEL_BYTES = 512 << 20;
/** Inputs smaller than this are done before a second worker has loaded the model. */
const ONE_WORKER_BYTES = 1 << 20;

export interface Sizing {
  batchSize: number;
  workers: number;
  threads: number;
  chunkBytes: number;
  /** Where each of them came from. */
  origins: Record<"batchSize" | "workers" | "threads" | "chunkBytes", Origin>;
}

export interface SizingFacts {
  modelBytes: number;
  fixedBatch: number | null;
  plan: BindingPlan;
  source: Pick<SourceDescription, "format" | "bytes"> &
    Partial<Pick<SourceDescription, "rows" | "rowsEstimate" | "divisible">> & { columns: { readonly length: number } };
  cores: number;
}

export function sizeRun(
  settings: Pick<RunSettings, "batchSize" | "workers" | "threads" | "chunkBytes" | "shard">,
  given: Partial<Record<string, Origin>>,
  facts: SizingFacts,
): Sizing {
  const origins = { batchSize: "", workers: "", threads: "", chunkBytes: "" };
  const choose = (name: keyof typeof origins, value: number | "auto", auto: () => [number, Origin]): number => {
    if (value !== "auto") {
      origins[name] = given[name] ?? "settings";
      return value;
    }
    const [chosen, origin] = auto();
    origins[name] = origin;
    return chosen;
  };
  const large = facts.modelBytes > LARGE_MODEL_BYTES;
  const workers = choose("workers", settings.workers, () => autoWorkers(facts.modelBytes, facts.source.bytes, facts.cores));
  const threads = choose("threads", settings.threads, () =>
    workers === 1 && large ? [facts.cores, "auto: one worker uses all cores"] : [1, "auto: one per worker"],
  );
  const batchSize = choose("batchSize", facts.fixedBatch ?? settings.batchSize, () => [
    batchRows(facts.plan),
    "auto: the width of a row",
  ]);
  if (facts.fixedBatch !== null) origins.batchSize = "the model: its first dimension is fixed";
  const chunkBytes = choose("chunkBytes", settings.chunkBytes, () => [
    autoChunkBytes(facts.source, settings.shard),
    "auto: the input's size",
  ]);
  return { batchSize, workers, threads, chunkBytes, origins };
}

/** @param sourceBytes null: not known */
export function autoWorkers(modelBytes: number, sourceBytes: number | null, cores: number): [number, Origin] {
  if (modelBytes > LARGE_MODEL_BYTES) return [1, "auto: the model is too large to load several times"];
  if ((sourceBytes ?? Number.POSITIVE_INFINITY) < ONE_WORKER_BYTES) return [1, "auto: the input is small"];
  return [Math.max(1, cores), `auto: ${cores} cores`];
}

export function tensorRowBytes(plan: BindingPlan): number {
  return plan.inputs.reduce((sum, input) => sum + input.rowSize * ELEMENT_BYTES[input.type], 0);
}

function batchRows(plan: BindingPlan): number {
  return Math.max(1, Math.min(MAX_BATCH_ROWS, Math.floor(MAX_BATCH_BYTES / Math.max(1, tensorRowBytes(plan)))));
}

/** Depends on the input alone (and the shard count), never on the machine, so that the same work has the same chunks everywhere. */
function autoChunkBytes(source: SizingFacts["source"], shard: RunSettings["shard"]): number {
  const largest = largestChunkBytes(source);
  if (source.bytes === null) return largest;
  if (shard) return Math.max(1, Math.min(largest, Math.floor(source.bytes / (shard.count * 8))));
  if (!isTextFormat(source.format)) return largest;
  return Math.min(largest, Math.max(MIN_TEXT_CHUNK_BYTES, Math.floor(source.bytes / 16)));
}

function largestChunkBytes(source: SizingFacts["source"]): number {
  if (source.format === "parquet") return source.divisible ? PARQUET_PART_BYTES : PARQUET_CHUNK_BYTES;
  const largest = isTextFormat(source.format)
    ? Math.max(
        source.bytes === null ? MAX_STREAMED_CHUNK_BYTES : MAX_TEXT_CHUNK_BYTES,
        Math.min(MAX_WIDE_CHUNK_BYTES, source.columns.length * TEXT_CHUNK_BYTES_PER_COLUMN),
      )
    : ROW_CHUNK_BYTES;
  const rows = source.rows ?? source.rowsEstimate ?? 0;
  return source.bytes === null || rows === 0 ? largest : Math.min(largest, Math.ceil((source.bytes / rows) * MAX_CHUNK_ROWS));
}
