/** Chunks and their results without files or threads. */
import type { ByteChunk, ChunkReject } from "../../src/core/chunk.ts";
import type { RunSettings } from "../../src/core/settings.ts";
import type { ChunkResult } from "../../src/predict/protocol.ts";
import { Accounting } from "../../src/run/accounting.ts";

export const FILES = ["/data/a.csv", "/data/b.csv"].map((path) => ({ path, sizeBytes: 1, mtimeMs: 0 }));

export type Limits = Pick<RunSettings, "onError" | "maxRejects" | "limit" | "whereRows">;

export function accountingOf(given: Partial<Limits> = {}): Accounting {
  const settings: Limits = { onError: "reject", maxRejects: null, limit: null, whereRows: null, ...given };
  return new Accounting(settings, { files: FILES, dialect: null });
}

export function chunk(index: number, file = 0): ByteChunk {
  return { kind: "bytes", index, file, byteStart: index * 100, byteEnd: index * 100 + 100 };
}

export function reject(rowInChunk: number, given: Partial<ChunkReject> = {}): ChunkReject {
  return {
    rowInChunk,
    lineInChunk: rowInChunk,
    byte: rowInChunk * 10,
    column: "age",
    columnIndex: 3,
    code: "BP_SOURCE_CELL",
    message: 'cannot read "x" as float32 for model input "age"',
    raw: `raw ${rowInChunk}`,
    ...given,
  };
}

/** `bad`: rows of the chunk that were rejected. */
export function result(index: number, rowsRead: number, bad: number[] = [], given: Partial<ChunkResult> = {}): ChunkResult {
  const good = Array.from({ length: rowsRead }, (_, row) => row).filter((row) => !bad.includes(row));
  return {
    index,
    rowsRead,
    rows: good.length,
    lines: rowsRead,
    bytes: 100,
    rejects: bad.map((row) => reject(row)),
    counts: [],
    columns: { rows: good.length, bytes: 0, schema: new Uint8Array(0), columns: [] },
    sourceRows: bad.length === 0 ? null : Uint32Array.from(good),
    times: { decodeMs: 1, inferMs: 2, encodeMs: 3 },
    ...given,
  };
}
