import { describe, expect, it } from "vitest";
import type { BindingPlan } from "../../src/core/binding-plan.ts";
import type { TensorType } from "../../src/core/tensor-types.ts";
import { type SizingFacts, sizeRun } from "../../src/run/machine.ts";

const MB = 2 ** 20;
const AUTO = { batchSize: "auto", workers: "auto", threads: "auto", chunkBytes: "auto", shard: null } as const;

function planOf(rowSize: number, type: TensorType = "float32"): BindingPlan {
  const from = { kind: "columns" as const, columns: [] };
  return { inputs: [{ input: "x", type, rowShape: [rowSize], rowSize, from }], constants: [], keep: [], onError: "fail" };
}

function facts(given: Partial<SizingFacts> = {}): SizingFacts {
  return {
    modelBytes: MB,
    fixedBatch: null,
    plan: planOf(20),
    source: { format: "csv", bytes: 1000 * MB, columns: [] },
    cores: 8,
    ...given,
  };
}

describe("auto", () => {
  it("takes one worker per core, one thread each", () => {
    const sizing = sizeRun(AUTO, {}, facts());
    expect(sizing).toMatchObject({ workers: 8, threads: 1 });
    expect(sizing.origins.workers).toBe("auto: 8 cores");
  });

  it("takes one worker for a small input, as many as cores when the size is unknown", () => {
    expect(sizeRun(AUTO, {}, facts({ source: { format: "csv", bytes: MB - 1, columns: [] } })).workers).toBe(1);
    expect(sizeRun(AUTO, {}, facts({ source: { format: "csv", bytes: null, columns: [] } })).workers).toBe(8);
  });

  it("loads a large model once, with all cores", () => {
    expect(sizeRun(AUTO, {}, facts({ modelBytes: 2000 * MB }))).toMatchObject({ workers: 1, threads: 8 });
    expect(sizeRun({ ...AUTO, workers: 2 }, {}, facts({ modelBytes: 2000 * MB }))).toMatchObject({ workers: 2, threads: 1 });
  });

  it("makes batches as long as 4 MiB of input allow, at most 4,096 rows, at least one", () => {
    expect(sizeRun(AUTO, {}, facts()).batchSize).toBe(4096);
    expect(sizeRun(AUTO, {}, facts({ plan: planOf(3 * 224 * 224) })).batchSize).toBe(6);
    expect(sizeRun(AUTO, {}, facts({ plan: planOf(10 * MB) })).batchSize).toBe(1);
    expect(sizeRun(AUTO, {}, facts({ plan: planOf(1000, "float64") })).batchSize).toBe(524);
    expect(sizeRun(AUTO, {}, facts({ plan: { ...planOf(1), inputs: [] } })).batchSize).toBe(4096);
  });

  it("cuts text into chunks by the size of the input alone, so that the same work has the same chunks on every machine", () => {
    const chunkBytes = (bytes: number | null, cores: number): number =>
      sizeRun(AUTO, {}, facts({ source: { format: "csv", bytes, columns: [] }, cores })).chunkBytes;
    for (const bytes of [null, 10_000, 5 * MB, 1000 * MB]) expect(chunkBytes(bytes, 1)).toBe(chunkBytes(bytes, 64));
    expect(chunkBytes(1000 * MB, 8)).toBe(6 * MB);
    expect(chunkBytes(8 * MB, 8)).toBe(MB / 2);
    expect(chunkBytes(10_000, 8)).toBe(64 * 1024);
    expect(chunkBytes(null, 8)).toBe(2 * MB);
  });

  it("gives chunks of wide rows enough of them: a column of a chunk costs as much as many cells", () => {
    const chunkBytes = (columns: number, bytes: number | null = 1000 * MB): number =>
      sizeRun(AUTO, {}, facts({ source: { format: "csv", bytes, columns: new Array(columns) } })).chunkBytes;
    expect(chunkBytes(100)).toBe(6 * MB);
    expect(chunkBytes(100, null)).toBe(2 * MB);
    expect(chunkBytes(15_000)).toBe(15_000 * 512);
    expect(chunkBytes(10_000, null)).toBe(10_000 * 512);
    expect(chunkBytes(1_000_000)).toBe(8 * MB);
    // 1,000 rows x 10,000 cells of 7 bytes: 16 batches, not 67.
    expect(Math.ceil((70 * MB) / chunkBytes(10_000, 70 * MB))).toBe(16);
  });

  it("cuts row groups only where their parts can be read for themselves", () => {
    const parquet = { format: "parquet", bytes: 1000 * MB, columns: [] } as const;
    expect(sizeRun(AUTO, {}, facts({ source: parquet })).chunkBytes).toBe(64 * MB);
    expect(sizeRun(AUTO, {}, facts({ source: { ...parquet, divisible: true } })).chunkBytes).toBe(12 * MB);
  });

  it("gives each shard several chunks, so that shards are about even", () => {
    const shard = { index: 1, count: 4 };
    const { chunkBytes } = sizeRun({ ...AUTO, shard }, {}, facts({ source: { format: "parquet", bytes: 64 * MB, columns: [] } }));
    expect((64 * MB) / chunkBytes).toBeGreaterThanOrEqual(32);
    expect(sizeRun({ ...AUTO, shard }, {}, facts({ source: { format: "csv", bytes: 10, columns: [] } })).chunkBytes).toBe(1);
  });
});

describe("a setting", () => {
  it("wins over auto and keeps its origin", () => {
    const given = { ...AUTO, batchSize: 10, workers: 3, threads: 2, chunkBytes: 999 };
    const sizing = sizeRun(given, { batchSize: "flag --batch-size", workers: "job file" }, facts());
    expect(sizing).toMatchObject({ batchSize: 10, workers: 3, threads: 2, chunkBytes: 999 });
    expect(sizing.origins).toMatchObject({ batchSize: "flag --batch-size", workers: "job file" });
  });

  it("of the batch size gives way to a model that fixes its own, and says so", () => {
    const sizing = sizeRun({ ...AUTO, batchSize: 100 }, { batchSize: "flag --batch-size" }, facts({ fixedBatch: 3 }));
    expect(sizing.batchSize).toBe(3);
    expect(sizing.origins.batchSize).toBe("the model: its first dimension is fixed");
  });
});
