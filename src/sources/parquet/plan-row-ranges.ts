/** Row groups into chunks: pure, so the order and the borders of a run never depend on I/O. */
import type { RowChunk } from "../../core/chunk.ts";
import type { GroupSize } from "./parquet-file.ts";

/** A chunk's tensors are in memory at once: more rows or bytes than this are cut in any case. */
const MAX_CHUNK_ROWS = 1 << 20;
const MAX_CHUNK_BYTES = 1 << 26;

/** Rows of one chunk of a group; 0 for a group without rows. */
export function rowsPerChunk(group: GroupSize, chunkBytes: number): number {
  const { rows, bytes } = group;
  if (rows === 0) return 0;
  const target = Math.max(1, Math.min(chunkBytes, MAX_CHUNK_BYTES));
  const fitting = bytes <= target ? rows : Math.max(1, Math.floor((rows / bytes) * target));
  const parts = Math.ceil(rows / Math.min(fitting, MAX_CHUNK_ROWS));
  return Math.ceil(rows / parts);
}

/** @param files sizes of the row groups of each file */
export function* planRowChunks(files: readonly (readonly GroupSize[])[], chunkBytes: number): Generator<RowChunk> {
  let index = 0;
  for (const [file, groups] of files.entries()) {
    for (const [unit, group] of groups.entries()) {
      const step = rowsPerChunk(group, chunkBytes);
      for (let rowStart = 0; rowStart < group.rows; rowStart += step) {
        yield { kind: "rows", index: index++, file, unit, rowStart, rowEnd: Math.min(group.rows, rowStart + step) };
      }
    }
  }
}
