/** The loop between chunks, workers and sink, with parts whose timing the test decides. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Chunk, WrongCut } from "../../src/core/chunk.ts";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { SinkBatch } from "../../src/core/sink.ts";
import type { ChunkResult } from "../../src/predict/protocol.ts";
import { ChunkSequence } from "../../src/run/chunk-sequence.ts";
import { type Executed, type ExecutorParts, execute } from "../../src/run/executor.ts";
import { accountingOf, chunk, type Limits, result } from "./made-results.ts";

interface Made {
  chunks: number;
  rowsPerChunk?: number;
  /** Planning fails instead of giving this chunk. */
  planFailsAt?: number;
  /** Chunks whose prediction fails. */
  fails?: number[];
  sinkFailsAt?: number;
  /** Bad rows by chunk. */
  bad?: Record<number, number[]>;
  limits?: Partial<Limits>;
  maxInFlight?: number;
  shard?: ExecutorParts["shard"];
  /** Delays predictions and writes; default: done at once. */
  later?<T>(promise: Promise<T>, what: string): Promise<T>;
  onPredict?(index: number): void;
  /** The chunk ends within a record: from it on there are other chunks, as many as `recutTo` in all. */
  wrongCutAt?: number;
  recutTo?: number;
}

class Workshop {
  readonly written: { index: number; rows: number; rowBase: number }[] = [];
  readonly rejects: number[] = [];
  readonly predicted: number[] = [];
  readonly counted: number[] = [];
  planned = 0;
  inFlight = 0;
  mostInFlight = 0;
  writing = 0;
  mostWriting = 0;
  recuts = 0;
  returned = false;
  advanced = 0;
  readonly controller = new AbortController();
  readonly parts: ExecutorParts;

  constructor(made: Made) {
    const { rowsPerChunk = 10, later = (promise) => promise } = made;
    const accounting = accountingOf(made.limits);
    this.parts = {
      chunks: this.#chunks(made),
      predict: (given) => {
        this.inFlight++;
        this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
        this.predicted.push(given.index);
        made.onPredict?.(given.index);
        return later(this.#predict(given, made, rowsPerChunk), `predict ${given.index}`).finally(() => this.inFlight--);
      },
      recut: async ({ index }) => {
        expect(index).toBe(made.wrongCutAt);
        expect(this.inFlight).toBe(0);
        expect(this.returned).toBe(true);
        this.recuts++;
        return this.#chunks({ chunks: made.recutTo! }, index);
      },
      count: (given) => {
        this.counted.push(given.index);
        return later(Promise.resolve({ rows: rowsPerChunk, lines: rowsPerChunk }), `count ${given.index}`);
      },
      maxInFlight: made.maxInFlight ?? 4,
      write: (batch) => {
        this.writing++;
        this.mostWriting = Math.max(this.mostWriting, this.writing);
        return later(this.#write(batch, made), "write").finally(() => this.writing--);
      },
      accounting,
      sequence: new ChunkSequence([{ path: "a.csv", sizeBytes: null }]),
      rowColumn: null,
      shard: made.shard ?? null,
      signal: this.controller.signal,
      host: { nowMs: () => 0 },
      onAdvance: () => this.advanced++,
    };
  }

  async *#chunks({ chunks, planFailsAt }: Made, from = 0): AsyncGenerator<Chunk> {
    try {
      for (let index = from; index < chunks; index++) {
        if (index === planFailsAt) throw new BatchPredictError("BP_INPUT_FORMAT", `planning fails at ${index}`);
        this.planned++;
        yield chunk(index);
      }
    } finally {
      this.returned = true;
    }
  }

  async #predict({ index }: Chunk, { fails = [], bad = {}, wrongCutAt = -1 }: Made, rows: number): Promise<ChunkResult> {
    if (this.recuts === 0 && index === wrongCutAt) throw new WrongCut();
    // Behind a wrong cut every chunk begins at a wrong place.
    if (this.recuts === 0 && wrongCutAt >= 0 && index > wrongCutAt && index % 2 === 0)
      throw new BatchPredictError("BP_SOURCE_CELL", `chunk ${index} is not what it seems`);
    if (fails.includes(index)) throw new BatchPredictError("BP_INFERENCE", `chunk ${index} fails`);
    return result(index, rows, bad[index] ?? [], { columns: { rows: index, bytes: 0, schema: new Uint8Array(0), columns: [] } });
  }

  async #write(batch: SinkBatch, { sinkFailsAt }: Made): Promise<void> {
    const index = batch.columns.rows;
    this.written.push({ index, rows: batch.rowEnd - batch.rowStart, rowBase: batch.rowBase });
    this.rejects.push(...batch.rejects.map((one) => one.row));
    if (index === sinkFailsAt) throw new BatchPredictError("BP_DISK_FULL", `no space at ${index}`);
  }

  run(): Promise<Executed> {
    return execute(this.parts);
  }

  async failed(): Promise<BatchPredictError> {
    return this.run().then(
      () => expect.fail("nothing was thrown"),
      (error: unknown) => error as BatchPredictError,
    );
  }

  /** Nothing may go on behind the caller's back. */
  expectIdle(): void {
    expect(this.inFlight).toBe(0);
    expect(this.writing).toBe(0);
    expect(this.returned).toBe(true);
  }
}

const upTo = (end: number): number[] => Array.from({ length: end }, (_, index) => index);
const indexes = (workshop: Workshop): number[] => workshop.written.map(({ index }) => index);

describe("a chunk that was cut wrongly", () => {
  it("is cut anew once all behind it has come back, of which nothing counts", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 0, max: 11 }),
        fc.integer({ min: 1, max: 14 }),
        fc.integer({ min: 1, max: 6 }),
        fc.scheduler(),
        async (chunks, at, after, maxInFlight, scheduler) => {
          const wrongCutAt = at % chunks;
          const recutTo = wrongCutAt + after;
          const later = <T>(promise: Promise<T>, what: string): Promise<T> => scheduler.schedule(promise, what);
          const shop = new Workshop({ chunks, wrongCutAt, recutTo, maxInFlight, later });
          const executed = shop.run();
          await scheduler.waitFor(executed);
          expect(shop.recuts).toBe(1);
          expect(shop.written.map(({ index }) => index)).toEqual(Array.from({ length: recutTo }, (_, index) => index));
          expect(shop.written.map(({ rowBase }) => rowBase)).toEqual(Array.from({ length: recutTo }, (_, index) => index * 10));
          expect(await executed).toMatchObject({ complete: true, chunks: recutTo });
          shop.expectIdle();
        },
      ),
    );
  });

  it("does not hide an error that stands before it, nor one that is met again behind it", async () => {
    const before = new Workshop({ chunks: 6, fails: [1], wrongCutAt: 2, recutTo: 6 });
    expect((await before.failed()).message).toBe("chunk 1 fails");
    expect(before.recuts).toBe(0);
    before.expectIdle();
    const behind = new Workshop({ chunks: 6, fails: [4], wrongCutAt: 2, recutTo: 6 });
    expect((await behind.failed()).message).toBe("chunk 4 fails");
    expect(behind.recuts).toBe(1);
    expect(behind.written.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    behind.expectIdle();
  });

  it("takes back a plan that failed, or ended, for having been cut wrongly", async () => {
    const shop = new Workshop({ chunks: 5, planFailsAt: 4, wrongCutAt: 2, recutTo: 7 });
    expect(await shop.run()).toMatchObject({ complete: true, chunks: 7 });
    expect(shop.written.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    shop.expectIdle();
  });

  it("ends the run where it is stopped", async () => {
    const shop: Workshop = new Workshop({
      chunks: 6,
      wrongCutAt: 2,
      recutTo: 6,
      onPredict: (index) => index === 2 && shop.controller.abort(),
    });
    expect(await shop.run()).toMatchObject({ complete: false });
    expect(shop.written.map(({ index }) => index)).toEqual([0, 1]);
    shop.expectIdle();
  });
});

describe("the executor", () => {
  it("writes in input order and within its bounds, whenever predictions and writes are done", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 0, max: 14 }),
        fc.integer({ min: 1, max: 5 }),
        async (scheduler, chunks, maxInFlight) => {
          const workshop = new Workshop({ chunks, maxInFlight, later: (promise, what) => scheduler.schedule(promise, what) });
          const run = workshop.run();
          await scheduler.waitFor(run);
          expect((await run).chunks).toBe(chunks);
          expect(indexes(workshop)).toEqual(upTo(chunks));
          expect(workshop.written.map(({ rowBase }) => rowBase)).toEqual(upTo(chunks).map((index) => index * 10));
          expect(workshop.mostInFlight).toBeLessThanOrEqual(maxInFlight);
          expect(workshop.mostWriting).toBeLessThanOrEqual(4);
          expect(workshop.advanced).toBe(chunks);
          expect(workshop.parts.accounting.totals.read).toBe(chunks * 10);
          workshop.expectIdle();
        },
      ),
      { numRuns: 60 },
    );
  });

  it("throws the first error in input order, whichever thread was first, after writing all before it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 4 }),
        fc.option(fc.nat(9)),
        async (scheduler, fails, planFailsAt) => {
          const workshop = new Workshop({
            chunks: 10,
            fails,
            ...(planFailsAt === null ? {} : { planFailsAt }),
            later: (promise, what) => scheduler.schedule(promise, what),
          });
          const failed = workshop.failed();
          await scheduler.waitFor(failed);
          const first = Math.min(...fails, planFailsAt ?? Number.POSITIVE_INFINITY);
          const message = first === planFailsAt ? `planning fails at ${first}` : `chunk ${first} fails`;
          expect((await failed).message).toBe(message);
          expect(indexes(workshop)).toEqual(upTo(first));
          workshop.expectIdle();
        },
      ),
      { numRuns: 60 },
    );
  });

  it("throws a bad row of an earlier chunk rather than the failure of a later one", async () => {
    const workshop = new Workshop({ chunks: 10, bad: { 2: [4] }, fails: [3], limits: { onError: "fail" } });
    const error = await workshop.failed();
    expect(error.details.where).toMatchObject({ row: 24 });
    expect(indexes(workshop)).toEqual([0, 1]);
    workshop.expectIdle();
  });

  it("stops for a sink that fails, with the sink's error", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.nat(9), async (scheduler, sinkFailsAt) => {
        const workshop = new Workshop({ chunks: 200, sinkFailsAt, later: (promise, what) => scheduler.schedule(promise, what) });
        const failed = workshop.failed();
        await scheduler.waitFor(failed);
        expect(await failed).toMatchObject({ code: "BP_DISK_FULL", message: `no space at ${sinkFailsAt}` });
        expect(workshop.written.length).toBeLessThanOrEqual(sinkFailsAt + 5);
        workshop.expectIdle();
      }),
      { numRuns: 30 },
    );
  });

  it("notices a sink that fails at the very last write", async () => {
    expect(await new Workshop({ chunks: 3, sinkFailsAt: 2 }).failed()).toMatchObject({ code: "BP_DISK_FULL" });
  });

  it("after an abort hands out nothing more, writes what was in flight, throws nothing, and says that it is not complete", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.nat(20), async (scheduler, abortAt) => {
        const workshop: Workshop = new Workshop({
          chunks: 50,
          later: (promise, what) => scheduler.schedule(promise, what),
          onPredict: (index) => {
            if (index === abortAt) workshop.controller.abort();
          },
        });
        const run = workshop.run();
        await scheduler.waitFor(run);
        expect((await run).complete).toBe(false);
        expect(Math.max(...workshop.predicted)).toBe(abortAt);
        expect(indexes(workshop)).toEqual(upTo(abortAt + 1));
        workshop.expectIdle();
      }),
      { numRuns: 30 },
    );
  });

  it("does nothing when it was aborted before it began", async () => {
    const workshop = new Workshop({ chunks: 5 });
    workshop.controller.abort();
    await workshop.run();
    expect(workshop.predicted).toEqual([]);
  });

  it("reads no further than --limit needs", async () => {
    const workshop = new Workshop({ chunks: 1000, limits: { limit: 25 }, maxInFlight: 3 });
    await workshop.run();
    expect(workshop.written.map(({ rows }) => rows)).toEqual([10, 10, 5]);
    expect(workshop.planned).toBeLessThanOrEqual(6);
    workshop.expectIdle();
  });

  it("predicts the chunks of its shard and counts the others, so that rows keep their numbers", async () => {
    const seen: number[] = [];
    for (const index of [1, 2, 3]) {
      const workshop = new Workshop({ chunks: 8, shard: { index, count: 3 } });
      await workshop.run();
      expect(workshop.predicted).toEqual(upTo(8).filter((at) => at % 3 === index - 1));
      expect(workshop.counted).toEqual(upTo(8).filter((at) => at % 3 !== index - 1));
      for (const { index: at, rowBase } of workshop.written) expect(rowBase).toBe(at * 10);
      seen.push(...indexes(workshop));
    }
    expect(seen.sort((a, b) => a - b)).toEqual(upTo(8));
  });

  it("hands rejects to the sink with the batch they belong to", async () => {
    const workshop = new Workshop({ chunks: 3, bad: { 1: [0, 9] } });
    await workshop.run();
    expect(workshop.rejects).toEqual([10, 19]);
    expect(workshop.written.map(({ rows }) => rows)).toEqual([10, 8, 10]);
  });
});
