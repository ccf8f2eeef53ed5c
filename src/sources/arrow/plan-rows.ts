/** Row ranges of a record batch: pure, so that the borders of a run never depend on I/O. */

/** A chunk's tensors are in memory at once, however few bytes its rows take in the file (columns of nulls, repeated values). */
const MAX_CHUNK_ROWS = 1 << 20;
/** Splitting a compressed batch decodes it once per part that goes to another worker, so up to this size it stays whole. */
const WHOLE_COMPRESSED_BYTES = 32 << 20;
/** An explicit --chunk-bytes below this means it. */
const SMALL_CHUNK_BYTES = 1 << 20;

/** @returns ranges [rowStart, rowEnd) of about `chunkBytes`, of equal length but for the last; none for a batch without rows */
export function* planRows(
  size: { rows: number; bytes: number; compressed: boolean },
  chunkBytes: number,
): Generator<{ rowStart: number; rowEnd: number }> {
  const { rows, bytes, compressed } = size;
  const target = compressed && chunkBytes >= SMALL_CHUNK_BYTES ? Math.max(chunkBytes, WHOLE_COMPRESSED_BYTES) : chunkBytes;
  const fitting = Math.max(1, Math.floor(target / Math.max(1, bytes / rows)));
  const step = Math.ceil(rows / Math.ceil(rows / Math.min(fitting, MAX_CHUNK_ROWS)));
  for (let rowStart = 0; rowStart < rows; rowStart += step) yield { rowStart, rowEnd: Math.min(rows, rowStart + step) };
}
