import { describe, expect, it } from "vitest";
import type { Chunk } from "../../src/core/chunk.ts";
import type { BatchPredictError } from "../../src/core/errors.ts";
import { ChunkSequence } from "../../src/run/chunk-sequence.ts";

const files = [
  { path: "a.csv", sizeBytes: 100 },
  { path: "b.csv", sizeBytes: 50 },
];
const bytes = (index: number, file: number, byteStart: number, byteEnd: number): Chunk => ({
  kind: "bytes",
  index,
  file,
  byteStart,
  byteEnd,
});
const rows = (index: number, unit: number, rowStart: number, rowEnd: number): Chunk => ({
  kind: "rows",
  index,
  file: 0,
  unit,
  rowStart,
  rowEnd,
});

/** Message, expected and actual of what is thrown; null when all is well. */
function told(
  chunks: Chunk[],
  from: { nextChunk: number; position: { file: number; byte: number } | null } | null = null,
  of = files,
): string | null {
  const sequence = new ChunkSequence(of, from);
  try {
    for (const chunk of chunks) sequence.take(chunk);
    sequence.end();
    return null;
  } catch (error) {
    const { code, message, details } = error as BatchPredictError;
    return [code, message, details.where?.file, details.expected, details.actual].join(" | ");
  }
}
const LOST = "BP_ACCOUNTING | a part of the input was lost before it was read";

describe("a sequence of chunks", () => {
  it("is whole when each begins where the one before ended, and the last ends with its file", () => {
    expect(told([bytes(0, 0, 10, 60), bytes(1, 0, 60, 100), bytes(2, 1, 10, 50)])).toBeNull();
    expect(told([bytes(4, 0, 60, 100), bytes(5, 1, 0, 50)], { nextChunk: 4, position: { file: 0, byte: 60 } })).toBeNull();
    expect(told([rows(0, 0, 0, 5), rows(1, 0, 5, 8), rows(2, 3, 0, 4)])).toBeNull();
    expect(told([])).toBeNull();
    // The chunk of a shard without rows.
    expect(told([bytes(0, 1, 10, 50), { ...bytes(1, 0, 0, 0), inline: new Uint8Array(0) } as Chunk])).toBeNull();
  });

  it("misses a chunk that was left out, by its number and by its bytes", () => {
    expect(told([bytes(0, 0, 10, 60), bytes(2, 0, 80, 100)])).toBe(`${LOST} | a.csv | chunk 1 | chunk 2`);
    expect(told([bytes(0, 0, 10, 60), bytes(1, 0, 80, 100)])).toBe(
      `${LOST} | a.csv | a chunk from byte 60 on | one from byte 80 on`,
    );
    expect(told([rows(0, 0, 0, 5), rows(1, 0, 6, 8)])).toContain("a chunk from row 5 of its part on | one from row 6 on");
  });

  it("misses the end of a file, the last one's too, where its bytes are those of the disk", () => {
    expect(told([bytes(0, 0, 10, 60), bytes(1, 1, 0, 50)])).toBe(
      `${LOST} | a.csv | chunks up to byte 100 | chunks up to byte 60`,
    );
    expect(told([bytes(0, 1, 0, 49)])).toBe(`${LOST} | b.csv | chunks up to byte 50 | chunks up to byte 49`);
    expect(told([{ ...bytes(0, 0, 0, 400), inline: new Uint8Array(0) } as Chunk])).toBeNull();
    expect(told([bytes(0, 0, 0, 400)], null, [{ path: "-", sizeBytes: null as never }])).toBeNull();
  });

  it("misses what lies between an earlier process's rows and the first chunk", () => {
    const from = { nextChunk: 4, position: { file: 0, byte: 60 } };
    expect(told([bytes(4, 0, 70, 100)], from)).toBe(`${LOST} | a.csv | a chunk from byte 60 on | one from byte 70 on`);
    expect(told([bytes(5, 0, 60, 100)], from)).toBe(`${LOST} | a.csv | chunk 4 | chunk 5`);
  });
});
