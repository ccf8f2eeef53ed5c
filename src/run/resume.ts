/** Going on behind what an interrupted run had committed, and what is left behind for the next one when a run stops. */
import type { Checkpoint } from "../core/checkpoint.ts";
import type { Chunk } from "../core/chunk.ts";
import type { ErrorCode, WireError } from "../core/errors.ts";
import type { ChunkPlanOptions } from "../core/source.ts";
import type { PreparedRun } from "./prepare-run.ts";
import type { Kept } from "./room-needed.ts";

/**
 * Failures behind which the same work can be gone on with: the cause lies outside of the data, the model and the settings. Behind
 * all others (a bad row, too many rejects, an input that changed) the work itself must change, so nothing is kept.
 */
const RESUMABLE: readonly ErrorCode[] = [
  "BP_INTERRUPTED",
  "BP_DISK_FULL",
  "BP_OUTPUT_WRITE",
  "BP_OUTPUT_BUSY",
  "BP_INPUT_UNREADABLE",
  // Another pipe than the one the interrupted run read: found only while it is read.
  "BP_RESUME_MISMATCH",
  "BP_MEMORY_LIMIT",
  "BP_WORKER_DIED",
  "BP_INTERNAL",
];

export function isResumable(code: ErrorCode): boolean {
  return RESUMABLE.includes(code);
}

/**
 * Chunks from the checkpoint on where the input can be read by range; else all of them, those before it to be skipped.
 * Planning again costs nothing for Arrow and Parquet, and reading the stream again for everything that is piped or packed.
 */
export async function chunksFrom(
  prepared: PreparedRun,
  { nextChunk, position }: Pick<Checkpoint, "nextChunk" | "position">,
  options: Pick<ChunkPlanOptions, "signal" | "mayGuess">,
): Promise<AsyncIterator<Chunk>> {
  if (position === null) return prepared.chunks;
  await prepared.chunks.return?.();
  const from = { index: nextChunk, ...position };
  return prepared.source.chunks({ chunkBytes: prepared.sizing.chunkBytes, from, ...options })[Symbol.asyncIterator]();
}

/** Says in the error how to go on. */
export function explainKept(error: WireError, kept: Kept | null): void {
  if (kept === null || error.code === "BP_RESUME_MISMATCH") return;
  error.hints = [
    ...(error.code === "BP_INTERRUPTED" ? [] : (error.hints ?? [])),
    "run the same command again: it goes on behind the last rows that were committed (--fresh starts over)",
  ];
}
