import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BindingPlan } from "../../src/core/binding-plan.ts";
import type { BatchPredictError } from "../../src/core/errors.ts";
import type { SinkFormat } from "../../src/core/sink.ts";
import type { SourceColumn, SourceDescription } from "../../src/core/source.ts";
import { estimateMemory, type Load, memoryFacts } from "../../src/run/memory-estimate.ts";
import { type MemoryPlanInput, memoryLimitOf, planMemory, type RunSizing } from "../../src/run/memory-plan.ts";

const MB = 1e6;
const AUTO = { batchSize: "auto", workers: "auto", threads: "auto", chunkBytes: "auto", shard: null } as const;

interface Made {
  format: SourceDescription["format"];
  sink: SinkFormat;
  features: number;
  kept: number;
  rows: number;
  rowBytes: number;
  cores: number;
  modelBytes: number;
  indivisible?: SourceDescription["indivisible"];
}

const COMMON: Made = {
  format: "csv",
  sink: "parquet",
  features: 20,
  kept: 1,
  rows: 1e7,
  rowBytes: 155,
  cores: 2,
  modelBytes: 14_000,
};

function input(
  given: Partial<Made>,
  limitBytes: number | null,
  settings: Partial<MemoryPlanInput["settings"]> = {},
): MemoryPlanInput {
  const { format, sink, features, kept, rows, rowBytes, cores, modelBytes, indivisible } = { ...COMMON, ...given };
  const columns = Array.from({ length: features + kept }, (_, index) => ({ name: `c${index}`, index }));
  const plan: BindingPlan = {
    inputs: [
      {
        input: "x",
        type: "float32",
        rowShape: [features],
        rowSize: features,
        from: { kind: "columns", columns: columns.slice(0, features).map((column) => ({ ...column, missing: "nan" })) },
      },
    ],
    constants: [],
    keep: columns.slice(features).map(({ name, index }) => ({ name, column: name, index, type: "source" })),
    onError: "fail",
  };
  const source = {
    format,
    bytes: rows * rowBytes,
    rows: format === "csv" || format === "jsonl" ? null : rows,
    rowsEstimate: rows,
    columns: columns.map(
      ({ name, index }) => ({ name, index, role: "number", keptType: "int64", listSize: null }) as SourceColumn,
    ),
    ...(indivisible ? { indivisible } : {}),
  };
  return {
    settings: { ...AUTO, ...settings },
    origins: Object.fromEntries(Object.keys(settings).map((name) => [name, `flag --${name}`])),
    facts: { modelBytes, fixedBatch: null, plan, source, cores },
    memory: { source, sink, outputs: [{ type: "float32", rowSize: 1 }] },
    limit: limitBytes === null ? null : { bytes: limitBytes, origin: "flag --memory-limit", container: null },
  };
}

function refused(its: MemoryPlanInput): { error: BatchPredictError; smallest: number } {
  try {
    planMemory(its);
  } catch (error) {
    const known = error as BatchPredictError;
    return { error: known, smallest: Number(/at least (\d+) MB/.exec(known.details.expected ?? "")?.[1]) * MB };
  }
  return expect.fail("the limit was accepted");
}

const sizes = ({ workers, chunkBytes, inFlight, commitBytes, batchSize }: RunSizing) => ({
  workers,
  chunkBytes,
  inFlight,
  commitBytes,
  batchSize,
});

const anything: fc.Arbitrary<Made> = fc.record({
  format: fc.constantFrom("csv", "jsonl", "arrow", "arrow-stream", "parquet"),
  sink: fc.constantFrom("parquet", "sqlite", "csv", "jsonl", "arrow"),
  features: fc.integer({ min: 1, max: 2000 }),
  kept: fc.integer({ min: 0, max: 2000 }),
  rows: fc.integer({ min: 1, max: 1e8 }),
  rowBytes: fc.integer({ min: 1, max: 100_000 }),
  cores: fc.integer({ min: 1, max: 16 }),
  modelBytes: fc.integer({ min: 100, max: 1e9 }),
});

describe("a memory limit", () => {
  it("is never passed by the plan, or refused with the smallest one, which is then accepted", () => {
    fc.assert(
      fc.property(anything, fc.integer({ min: 1, max: 20_000 }), (given, limit) => {
        const its = input(given, limit * MB);
        let sizing: RunSizing;
        try {
          sizing = planMemory(its);
        } catch {
          const { error, smallest } = refused(its);
          expect(error).toMatchObject({ code: "BP_MEMORY_LIMIT", details: { exitCode: 2 } });
          expect(smallest).toBeGreaterThan(limit * MB);
          expect(planMemory(input(given, smallest)).memory.plannedBytes).toBeLessThanOrEqual(smallest);
          refused(input(given, smallest - 2 * MB));
          return;
        }
        expect(sizing.memory.plannedBytes).toBeLessThanOrEqual(limit * MB);
        expect(sizing.workers).toBeGreaterThanOrEqual(1);
        expect(sizing.inFlight).toBeGreaterThanOrEqual(sizing.workers);
        expect(sizing.chunkBytes).toBeGreaterThanOrEqual(1);
        expect(sizing.batchSize).toBeGreaterThanOrEqual(1);
      }),
      { numRuns: 150 },
    );
  });

  it("that is large changes nothing but the heaps", () => {
    for (const format of ["csv", "arrow", "parquet"] as const) {
      const free = planMemory(input({ format }, null));
      expect(sizes(planMemory(input({ format }, 64_000 * MB)))).toEqual(sizes(free));
      expect(free.tight).toBe(false);
      expect(planMemory(input({ format }, 900 * MB)).tight).toBe(true);
    }
  });

  it("of 350 MB leaves both workers to text and to Arrow, and one to Parquet of large row groups", () => {
    expect(planMemory(input({}, 350 * MB))).toMatchObject({ workers: 2, chunkBytes: 6 << 20 });
    expect(planMemory(input({ format: "arrow" }, 350 * MB)).workers).toBe(2);
    const parquet = planMemory(input({ format: "parquet", rowBytes: 168 }, 350 * MB));
    expect(parquet.workers).toBe(1);
    expect(parquet.origins.workers).toBe("auto: the memory limit (flag --memory-limit)");
  });

  it("holds what the user set, and the refusal names it", () => {
    const kept = planMemory(input({}, 400 * MB, { workers: 4, chunkBytes: 2 << 20, batchSize: 100 }));
    expect(kept).toMatchObject({ workers: 4, chunkBytes: 2 << 20, batchSize: 100 });
    const { error, smallest } = refused(input({}, 230 * MB, { workers: 4 }));
    expect(error.details.hints).toContain("leave --workers to batchpredict: they are held to what was given");
    expect(smallest).toBeGreaterThan(refused(input({}, 100 * MB)).smallest);
  });

  it("names the piece of the input that is too large, with its size", () => {
    const what = "the largest column of row group 3 of data.parquet";
    const its = input(
      { format: "parquet", indivisible: { what, columnBytes: Array.from({ length: 21 }, () => 500 * MB) } },
      350 * MB,
    );
    const { error, smallest } = refused(its);
    expect(error.details.hints).toContain(`${what} (500 MB) must be in memory at once: write the input in smaller pieces`);
    expect(smallest).toBeGreaterThan(500 * MB);
  });
});

it("takes 80 % of a container where no limit is given, and says how large the container should be", () => {
  const limit = memoryLimitOf({ memoryLimitBytes: null }, {}, 220 * MB)!;
  expect(limit.bytes).toBe(176 * MB);
  const { error, smallest } = refused({ ...input({}, null), limit });
  expect(error.details.actual).toBe("176 MB (80 % of the container's memory)");
  const hints = error.details.hints!;
  const container = Number(/^give the container at least (\d+) MB$/.exec(hints[0]!)?.[1]) * MB;
  expect(memoryLimitOf({ memoryLimitBytes: null }, {}, container)!.bytes).toBeGreaterThanOrEqual(smallest);
  expect(hints[1]).toBe(`or let the run take more of it: --memory-limit ${smallest / MB}MB`);
  expect(memoryLimitOf({ memoryLimitBytes: 190 * MB }, { memoryLimitBytes: "flag --memory-limit" }, 200 * MB)).toMatchObject({
    bytes: 190 * MB,
    origin: "flag --memory-limit",
  });
  expect(memoryLimitOf({ memoryLimitBytes: null }, {}, null)).toBeNull();
});

it("estimates more for more of anything", () => {
  const { memory, facts } = input({}, null);
  const known = memoryFacts({ ...memory, plan: facts.plan, modelBytes: facts.modelBytes });
  const load: Load = {
    workers: 2,
    inFlight: 6,
    chunkBytes: 1 << 20,
    batchSize: 4096,
    commitRows: 1e5,
    commitBytes: 1 << 24,
    tight: true,
  };
  const less = estimateMemory(load, known);
  for (const more of [
    { workers: 3 },
    { inFlight: 8 },
    { chunkBytes: 2 << 20 },
    { batchSize: 8192 },
    { commitRows: 2e5 },
    { tight: false },
  ]) {
    expect(estimateMemory({ ...load, ...more }, known)).toBeGreaterThan(less);
  }
  // Of many chunks more garbage waits, up to a bound; a pipe may bring any number of them.
  expect(estimateMemory(load, { ...known, rows: 100 })).toBeLessThan(less);
  expect(estimateMemory(load, { ...known, rows: null })).toBe(estimateMemory(load, { ...known, rows: 1e9 }));
  expect(estimateMemory(load, { ...known, modelBytes: 100 * MB })).toBeGreaterThan(less + 100 * MB);
  expect(estimateMemory(load, { ...known, indivisible: { bytes: 50 * MB, what: "" } })).toBeGreaterThan(less + 50 * MB);
});
