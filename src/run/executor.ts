/**
 * The run's loop: pull chunks, keep a bounded number in flight, take results in input order, hand them to the sink. It parses
 * nothing and computes nothing, so the main thread answers signals at once.
 */
import type { Chunk } from "../core/chunk.ts";
import type { Host } from "../core/host.ts";
import type { SinkBatch } from "../core/sink.ts";
import type { ChunkResult, StageTimes } from "../predict/protocol.ts";
import type { Accounting } from "./accounting.ts";

/** Batches posted to the sink and not yet written: enough that it never waits, little enough that memory stays flat. */
const MAX_SINK_BATCHES = 3;

export interface ExecutorParts {
  chunks: AsyncIterator<Chunk>;
  predict(chunk: Chunk): Promise<ChunkResult>;
  /** Records and line feeds of a chunk that belongs to another shard. */
  count(chunk: Chunk): Promise<{ rows: number; lines: number }>;
  /** Chunks handed out and not yet written. */
  maxInFlight: number;
  write(batch: SinkBatch): Promise<void>;
  accounting: Accounting;
  rowColumn: string | null;
  shard: { index: number; count: number } | null;
  /** Aborting stops handing out; what is in flight is awaited, never torn down. */
  signal: AbortSignal;
  host: Pick<Host, "nowMs">;
  onAdvance(): void;
}

type Outcome =
  | { kind: "result"; result: ChunkResult }
  | { kind: "counted"; rows: number; lines: number }
  | { kind: "failed"; error: unknown };

interface InFlight {
  chunk: Chunk;
  outcome: Promise<Outcome>;
}

export interface Executed {
  chunks: number;
  times: StageTimes & { waitForWorkersMs: number; waitForSinkMs: number };
}

/**
 * @throws the first error in input order, whatever the threads did meanwhile; returns early when the signal aborts
 */
export async function execute(parts: ExecutorParts): Promise<Executed> {
  const executor = new Executor(parts);
  try {
    return await executor.run();
  } finally {
    await executor.drain();
  }
}

class Executor {
  readonly #parts: ExecutorParts;
  readonly #flight: InFlight[] = [];
  readonly #writing: Promise<unknown>[] = [];
  readonly #times = { decodeMs: 0, inferMs: 0, encodeMs: 0, waitForWorkersMs: 0, waitForSinkMs: 0 };
  #sinkError: unknown = null;
  #chunks = 0;

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
  }

  async run(): Promise<Executed> {
    const { signal, maxInFlight } = this.#parts;
    let more = true;
    while (!signal.aborted) {
      while (more && this.#flight.length < maxInFlight && !signal.aborted) more = await this.#handOut();
      const next = this.#flight.shift();
      if (!next) break;
      const complete = await this.#take(next);
      if (complete) break;
    }
    await this.#settleWrites(0);
    return { chunks: this.#chunks, times: this.#times };
  }

  /** Awaits what is still running; its results are not wanted any more. */
  async drain(): Promise<void> {
    await Promise.all(this.#flight.map(({ outcome }) => outcome));
    await Promise.allSettled(this.#writing);
    await this.#parts.chunks.return?.();
  }

  async #handOut(): Promise<boolean> {
    const next = await this.#pull();
    if (next === null) return false;
    this.#flight.push(next);
    return next.chunk.index >= 0;
  }

  /** A planning error takes its place in the order: the chunks before it are written or fail first. */
  async #pull(): Promise<InFlight | null> {
    const { chunks, shard } = this.#parts;
    try {
      const { value: chunk, done } = await chunks.next();
      if (done) return null;
      this.#chunks++;
      const mine = !shard || chunk.index % shard.count === shard.index - 1;
      return { chunk, outcome: mine ? this.#predict(chunk) : this.#count(chunk) };
    } catch (error) {
      const chunk: Chunk = { kind: "bytes", index: -1, file: 0, byteStart: 0, byteEnd: 0 };
      return { chunk, outcome: Promise.resolve({ kind: "failed", error }) };
    }
  }

  #predict(chunk: Chunk): Promise<Outcome> {
    return this.#parts.predict(chunk).then(
      (result) => ({ kind: "result", result }),
      (error: unknown) => ({ kind: "failed", error }),
    );
  }

  #count(chunk: Chunk): Promise<Outcome> {
    return this.#parts.count(chunk).then(
      ({ rows, lines }) => ({ kind: "counted", rows, lines }),
      (error: unknown) => ({ kind: "failed", error }),
    );
  }

  /** @returns whether no later chunk is wanted */
  async #take({ chunk, outcome }: InFlight): Promise<boolean> {
    const { host, accounting, rowColumn } = this.#parts;
    const asked = host.nowMs();
    const done = await outcome;
    this.#times.waitForWorkersMs += host.nowMs() - asked;
    if (this.#parts.signal.aborted) return true;
    if (done.kind === "failed") throw done.error;
    if (done.kind === "counted") {
      accounting.skip(chunk, done.rows, done.lines);
      return false;
    }
    const { result } = done;
    const { rowBase, rowStart, rowEnd, rejects, complete } = accounting.accept(chunk, result);
    this.#times.decodeMs += result.times.decodeMs;
    this.#times.inferMs += result.times.inferMs;
    this.#times.encodeMs += result.times.encodeMs;
    await this.#write({ ipc: result.ipc, rows: result.rows, rowStart, rowEnd, rowBase, rowColumn, rejects });
    this.#parts.onAdvance();
    return complete;
  }

  async #write(batch: SinkBatch): Promise<void> {
    const writing = this.#parts.write(batch).catch((error: unknown) => {
      this.#sinkError ??= error;
    });
    this.#writing.push(writing);
    await this.#settleWrites(MAX_SINK_BATCHES);
  }

  async #settleWrites(allowed: number): Promise<void> {
    const asked = this.#parts.host.nowMs();
    while (this.#writing.length > allowed) {
      await this.#writing[0];
      this.#writing.shift();
    }
    this.#times.waitForSinkMs += this.#parts.host.nowMs() - asked;
    if (this.#sinkError !== null) throw this.#sinkError;
  }
}
