import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planRowChunks, rowsPerChunk } from "../../../src/sources/parquet/plan-row-ranges.ts";

const MiB = 1 << 20;

describe("chunks of row groups", () => {
  it("makes one chunk of each group that has rows", () => {
    const files = [
      [{ rows: 10, bytes: 100 }],
      [
        { rows: 0, bytes: 0 },
        { rows: 5, bytes: 50 },
      ],
    ];
    expect([...planRowChunks(files, 8 * MiB)]).toEqual([
      { kind: "rows", index: 0, file: 0, unit: 0, rowStart: 0, rowEnd: 10 },
      { kind: "rows", index: 1, file: 1, unit: 1, rowStart: 0, rowEnd: 5 },
    ]);
  });

  it("cuts a group when a small chunk was asked for, down to one row", () => {
    expect(rowsPerChunk({ rows: 1000, bytes: 100_000 }, 10_000)).toBe(100);
    expect(rowsPerChunk({ rows: 1000, bytes: 100_000 }, 1)).toBe(1);
    expect(rowsPerChunk({ rows: 1000, bytes: 100_000 }, 200_000)).toBe(1000);
  });

  it("cuts a group of more rows or bytes than memory should hold at once, into even parts", () => {
    expect(rowsPerChunk({ rows: 3 * MiB, bytes: 12 * MiB }, 64 * MiB)).toBe(MiB);
    expect(rowsPerChunk({ rows: MiB + 1, bytes: MiB }, 8 * MiB)).toBe(MiB / 2 + 1);
    expect(rowsPerChunk({ rows: 1000, bytes: 640 * MiB }, 1024 * MiB)).toBe(100);
    expect(rowsPerChunk({ rows: 1000, bytes: 640 * MiB }, 8 * MiB)).toBe(12);
    expect(rowsPerChunk({ rows: 10, bytes: 64 * 100 * MiB }, 8 * MiB)).toBe(1);
  });

  it("covers every row once and in order, whatever the sizes", () => {
    const group = fc.record({ rows: fc.nat(5000), bytes: fc.nat(10_000_000) });
    fc.assert(
      fc.property(
        fc.array(fc.array(group, { maxLength: 4 }), { maxLength: 3 }),
        fc.integer({ min: 1000, max: 2 * MiB }),
        (files, chunkBytes) => {
          const seen = files.map((groups) => groups.map(() => 0));
          let inOrder = true;
          let index = 0;
          for (const chunk of planRowChunks(files, chunkBytes)) {
            const row = seen[chunk.file]![chunk.unit];
            inOrder &&= chunk.index === index++ && chunk.rowStart === row && chunk.rowEnd > chunk.rowStart;
            seen[chunk.file]![chunk.unit] = chunk.rowEnd;
          }
          expect(inOrder).toBe(true);
          expect(seen).toEqual(files.map((groups) => groups.map(({ rows }) => rows)));
        },
      ),
      { numRuns: 60 },
    );
  });
});
