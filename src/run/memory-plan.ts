/**
 * Sizes that keep a run under its memory limit, chosen before it begins. What the user set stays as it is; of the rest the fastest choice that
 * fits is taken, and where none does the run is refused with the smallest limit that can be met. Pure.
 */
import { BatchPredictError } from "../core/errors.ts";
import type { Origin, RunSettings } from "../core/settings.ts";
import { type Sizing, type SizingFacts, sizeRun } from "./machine.ts";
import { estimateMemory, type FactsInput, type Load, type MemoryFacts, memoryFacts, memoryKind } from "./memory-estimate.ts";

/**
 * Rows of a Parquet row group, an Arrow record batch, a SQLite transaction: large enough to compress and to read in one go. Small enough that
 * a death costs less than 200,000 rows of those that had been taken from the workers, a tenth of two million: at most the unit that was not
 * full, the chunk just taken, and what the sink was given and has not written (executor.ts). For that a chunk may have 66,000 rows; only of
 * Parquet input one can have more, a row group being a chunk.
 */
export const COMMIT_ROWS = 98_304;
export const COMMIT_BYTES = 16 << 20;
/** One running, one waiting in the port, and two behind the last worker: nobody waits for the main thread. */
const CHUNKS_PER_WORKER = 2;
const CHUNKS_AHEAD = 2;
/** A container's limit kills, so a plan leaves room for what it did not foresee. */
const CONTAINER_SHARE = 0.8;
/** Small heaps cost a fifth more processor time where many short texts are read: for a container, only where it is small. */
const TIGHT_BELOW_BYTES = 2 ** 30;
/** Chunks are halved down to this. */
const MIN_CHUNK_BYTES = { text: 64 << 10, jsonl: 64 << 10, arrow: 128 << 10, parquet: 1 << 20 };
/** Smaller than this, a chunk costs time. */
const GOOD_CHUNK_BYTES = { text: 256 << 10, jsonl: 256 << 10, arrow: 1 << 20, parquet: 8 << 20 };

export interface MemoryLimit {
  bytes: number;
  origin: Origin;
  /** What the container has in all, where it is the container's. */
  container: number | null;
}

export interface RunSizing extends Sizing {
  /** Chunks handed out and not yet written. */
  inFlight: number;
  commitRows: number;
  commitBytes: number;
  /** Threads keep their heaps small. */
  tight: boolean;
  memory: { limit: MemoryLimit | null; plannedBytes: number };
}

/** The user's limit, else a share of the container's; null: as much as the machine has. */
export function memoryLimitOf(
  settings: Pick<RunSettings, "memoryLimitBytes">,
  origins: Partial<Record<string, Origin>>,
  containerBytes: number | null,
): MemoryLimit | null {
  const bytes = settings.memoryLimitBytes ?? null;
  if (bytes !== null) return { bytes, origin: origins.memoryLimitBytes ?? "settings", container: null };
  if (containerBytes === null) return null;
  return {
    bytes: Math.floor(containerBytes * CONTAINER_SHARE),
    origin: "80 % of the container's memory",
    container: containerBytes,
  };
}

/** Known before anything is: threads are started with it. */
export function wantsSmallHeaps(limit: MemoryLimit | null): boolean {
  return limit !== null && (limit.container === null || limit.bytes < TIGHT_BELOW_BYTES);
}

/** A job's own module sees the first chunk before binding is planned, so its chunks depend on nothing but that there is a limit. */
export function chunkBytesBeforeBinding(sizing: Sizing, format: SizingFacts["source"]["format"], limited: boolean): number {
  if (!limited) return sizing.chunkBytes;
  return Math.min(sizing.chunkBytes, GOOD_CHUNK_BYTES[memoryKind(format)]);
}

type Chosen = Pick<RunSettings, "batchSize" | "workers" | "threads" | "chunkBytes" | "shard">;

export interface MemoryPlanInput {
  settings: Chosen;
  origins: Partial<Record<string, Origin>>;
  facts: SizingFacts;
  memory: Omit<FactsInput, "plan" | "modelBytes">;
  limit: MemoryLimit | null;
  /** For tests that commit often. */
  commitRows?: number;
}

/** @throws BP_MEMORY_LIMIT naming the smallest limit that these settings can meet */
export function planMemory({ settings, origins, facts, memory, limit, commitRows = COMMIT_ROWS }: MemoryPlanInput): RunSizing {
  const sizing = sizeRun(settings, origins, facts);
  const known = memoryFacts({ ...memory, plan: facts.plan, modelBytes: facts.modelBytes });
  const tight = wantsSmallHeaps(limit);
  const wanted: Load = {
    workers: sizing.workers,
    inFlight: inFlightOf(sizing.workers, CHUNKS_PER_WORKER),
    chunkBytes: sizing.chunkBytes,
    batchSize: sizing.batchSize,
    commitRows,
    commitBytes: COMMIT_BYTES,
    tight,
  };
  const result = (load: Load, changed: boolean): RunSizing => {
    const { workers, chunkBytes, batchSize } = load;
    const from = (name: "workers" | "chunkBytes" | "batchSize"): Origin =>
      changed && load[name] !== wanted[name] ? `auto: the memory limit (${limit?.origin})` : sizing.origins[name];
    const origin = { ...sizing.origins, workers: from("workers"), chunkBytes: from("chunkBytes"), batchSize: from("batchSize") };
    const { inFlight, commitBytes } = load;
    const planned = { limit, plannedBytes: estimateMemory(load, known) };
    return {
      ...sizing,
      workers,
      chunkBytes,
      batchSize,
      inFlight,
      commitRows,
      commitBytes,
      tight,
      memory: planned,
      origins: origin,
    };
  };
  if (limit === null) return result(wanted, false);

  const free = { workers: settings.workers === "auto", chunkBytes: settings.chunkBytes === "auto" };
  const batchFree = settings.batchSize === "auto" && facts.fixedBatch === null;
  let best: { load: Load; worth: number } | null = null;
  let smallest = Number.POSITIVE_INFINITY;
  for (const { load, worth } of candidates(wanted, known.kind, free, batchFree)) {
    const bytes = estimateMemory(load, known);
    smallest = Math.min(smallest, bytes);
    if (bytes <= limit.bytes && worth > (best?.worth ?? 0)) best = { load, worth };
  }
  if (best === null) throw refusal(limit, smallest, known, { ...free, batchSize: batchFree }, origins);
  return result(best.load, true);
}

/** Every choice with what it is worth: about the share of the full speed that is left. */
function* candidates(
  wanted: Load,
  kind: MemoryFacts["kind"],
  free: { workers: boolean; chunkBytes: boolean },
  batchFree: boolean,
): Generator<{ load: Load; worth: number }> {
  const good = GOOD_CHUNK_BYTES[kind];
  const chunks = free.chunkBytes
    ? halves(wanted.chunkBytes, Math.min(wanted.chunkBytes, MIN_CHUNK_BYTES[kind]))
    : [wanted.chunkBytes];
  const batches = batchFree ? halves(wanted.batchSize, 1, 4) : [wanted.batchSize];
  for (let workers = wanted.workers; workers >= (free.workers ? 1 : wanted.workers); workers--) {
    for (const [c, chunkBytes] of chunks.entries()) {
      const small = Math.max(0, Math.log2(Math.min(good, wanted.chunkBytes) / chunkBytes));
      for (const perWorker of [CHUNKS_PER_WORKER, 1]) {
        for (const [k, commitBytes] of halves(wanted.commitBytes, 1 << 20, 4).entries()) {
          for (const [b, batchSize] of batches.entries()) {
            const worth = workers * 0.8 ** small * 0.999 ** c * (perWorker === 1 ? 0.85 : 1) * 0.97 ** k * 0.75 ** b;
            yield {
              load: { ...wanted, workers, chunkBytes, batchSize, commitBytes, inFlight: inFlightOf(workers, perWorker) },
              worth,
            };
          }
        }
      }
    }
  }
}

function inFlightOf(workers: number, perWorker: number): number {
  return workers * perWorker + (perWorker === 1 ? 0 : CHUNKS_AHEAD);
}

/** value, value / by, ... down to min. */
function halves(value: number, min: number, by = 2): number[] {
  const values = [value];
  for (let next = Math.floor(value / by); next >= min; next = Math.floor(next / by)) values.push(next);
  return values;
}

function refusal(
  limit: MemoryLimit,
  smallest: number,
  { indivisible, modelBytes }: MemoryFacts,
  free: Record<"workers" | "chunkBytes" | "batchSize", boolean>,
  origins: Partial<Record<string, Origin>>,
): BatchPredictError {
  // Rounded up, so that what is said is accepted.
  const enough = Math.ceil(smallest / 1e6);
  const flags = { workers: "--workers", chunkBytes: "--chunk-bytes", batchSize: "--batch-size" };
  const set = (["workers", "chunkBytes", "batchSize"] as const).filter(
    (name) => !free[name] && origins[name] !== undefined && origins[name] !== "default",
  );
  const hints =
    limit.container === null
      ? [`raise the limit: --memory-limit ${enough}MB (job file: memoryLimit)`]
      : [
          `give the container at least ${Math.ceil(enough / CONTAINER_SHARE)} MB`,
          ...(smallest <= limit.container ? [`or let the run take more of it: --memory-limit ${enough}MB`] : []),
        ];
  if (set.length > 0)
    hints.push(`leave ${set.map((name) => flags[name]).join(" and ")} to batchpredict: they are held to what was given`);
  const causes = [
    ...(indivisible !== null && indivisible.bytes > 4e6
      ? [`${indivisible.what} (${megabytes(indivisible.bytes)}) must be in memory at once: write the input in smaller pieces`]
      : []),
    ...(modelBytes > 20e6 ? [`the model alone takes ${megabytes(modelBytes)} on disk, and more than twice that in memory`] : []),
  ];
  return new BatchPredictError("BP_MEMORY_LIMIT", `this run cannot be kept under the memory limit of ${megabytes(limit.bytes)}`, {
    expected: `a limit of at least ${enough} MB`,
    actual: `${megabytes(limit.bytes)} (${limit.origin})`,
    hints: [...hints, ...causes],
    exitCode: 2,
  });
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 1e6)} MB`;
}
