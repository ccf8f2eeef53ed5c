/**
 * The run's loop: pull chunks, keep a bounded number in flight, take results in input order, hand them to the sink. It parses
 * nothing and computes nothing, so the main thread answers signals at once.
 */
import { crc32 } from "node:zlib";
import type { Checkpoint } from "../core/checkpoint.ts";
import { type ByteChunk, type Chunk, WrongCut } from "../core/chunk.ts";
import { BatchPredictError } from "../core/errors.ts";
import { failpoint, losspoint } from "../core/failpoint.ts";
import type { Host } from "../core/host.ts";
import type { SinkBatch } from "../core/sink.ts";
import type { ChunkResult, StageTimes } from "../predict/protocol.ts";
import type { Accounting } from "./accounting.ts";
import type { ChunkSequence } from "./chunk-sequence.ts";

/** Batches posted to the sink and not yet written: enough that it never waits, little enough that memory stays flat. */
const MAX_SINK_BATCHES = 3;
/** Of large batches fewer wait, for they are lost by a death; while one is written the workers' results wait here. */
const MAX_SINK_ROWS = 32_768;

export interface ExecutorParts {
  chunks: AsyncIterator<Chunk>;
  /** Cuts the input anew, without guessing, from the first byte of a chunk that was cut wrongly. */
  recut(chunk: ByteChunk): Promise<AsyncIterator<Chunk>>;
  predict(chunk: Chunk): Promise<ChunkResult>;
  /** Records and line feeds of a chunk that belongs to another shard. */
  count(chunk: Chunk): Promise<{ rows: number; lines: number }>;
  /** Chunks handed out and not yet written. */
  maxInFlight: number;
  write(batch: SinkBatch): Promise<void>;
  accounting: Accounting;
  sequence: ChunkSequence;
  rowColumn: string | null;
  shard: { index: number; count: number } | null;
  /** Chunks before `nextChunk` are in the output already; of those that are given all the same, the bytes must be the same. */
  resume?: ResumeFrom | null;
  /** Aborting stops handing out; what is in flight is predicted and written, never torn down. */
  signal: AbortSignal;
  host: Pick<Host, "nowMs">;
  onAdvance(): void;
}

/** @property position given: `chunks` begins at `nextChunk` */
type ResumeFrom = Pick<Checkpoint, "nextChunk" | "inputCrc" | "position">;

type Outcome =
  | { kind: "result"; result: ChunkResult }
  | { kind: "counted"; rows: number; lines: number }
  | { kind: "failed"; error: unknown };

interface InFlight {
  chunk: Chunk;
  /** Of all inline bytes up to and with this chunk. */
  inputCrc: number;
  outcome: Promise<Outcome>;
}

export interface Executed {
  /** false: stopped before the input's end. */
  complete: boolean;
  chunks: number;
  times: StageTimes & { waitForWorkersMs: number; waitForSinkMs: number };
}

/**
 * @throws the first error in input order, whatever the threads did meanwhile; after an abort it returns what had been in flight written
 */
export async function execute(parts: ExecutorParts): Promise<Executed> {
  const executor = new Executor(parts);
  try {
    return await executor.run();
  } finally {
    await executor.drain();
  }
}

/** Stands where a chunk would: planning failed there. */
const PLAN_FAILED = -1;
const NO_BYTES = new Uint8Array(0);

class Executor {
  readonly #parts: ExecutorParts;
  #source: AsyncIterator<Chunk>;
  /** The source may have chunks that were not handed out. */
  #more = true;
  readonly #flight: InFlight[] = [];
  readonly #writing: { rows: number; done: Promise<unknown> }[] = [];
  readonly #times = { decodeMs: 0, inferMs: 0, encodeMs: 0, waitForWorkersMs: 0, waitForSinkMs: 0 };
  #sinkError: unknown = null;
  #chunks = 0;
  #inputCrc = 0;
  /** Chunks that the input was cut into so far. */
  #planned = 0;
  /** Planning ended because of the abort. */
  #cutShort = false;

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    this.#source = parts.chunks;
  }

  async run(): Promise<Executed> {
    const { signal, maxInFlight } = this.#parts;
    let complete = false;
    while (!complete) {
      while (this.#more && this.#flight.length < maxInFlight && !signal.aborted) this.#more = await this.#handOut();
      const next = this.#flight.shift();
      if (next) complete = await this.#take(next);
      else if (this.#more || this.#cutShort) break;
      else {
        this.#parts.sequence.end();
        complete = true;
      }
    }
    await this.#settleWrites(0);
    return { complete, chunks: this.#chunks, times: this.#times };
  }

  /** Awaits what is still running; its results are not wanted any more. */
  async drain(): Promise<void> {
    await Promise.all(this.#flight.map(({ outcome }) => outcome));
    await Promise.allSettled(this.#writing.map(({ done }) => done));
    await this.#source.return?.();
  }

  async #handOut(): Promise<boolean> {
    const next = await this.#pull();
    if (next === null) return false;
    this.#flight.push(next);
    return next.chunk.index !== PLAN_FAILED;
  }

  /** A planning error takes its place in the order: the chunks before it are written or fail first. */
  async #pull(): Promise<InFlight | null> {
    const { shard } = this.#parts;
    try {
      const chunk = await this.#nextChunk();
      if (chunk === null) return null;
      if (losspoint("drop-chunk")) return await this.#pull();
      this.#chunks++;
      failpoint("chunk-handed-out");
      const mine = !shard || chunk.index % shard.count === shard.index - 1;
      // The bytes are gone to the worker after this.
      const place = chunk.inline ? { ...chunk, inline: NO_BYTES } : chunk;
      return { chunk: place, inputCrc: this.#inputCrc, outcome: mine ? this.#predict(chunk) : this.#count(chunk) };
    } catch (error) {
      const chunk: Chunk = { kind: "bytes", index: PLAN_FAILED, file: 0, byteStart: 0, byteEnd: 0 };
      return { chunk, inputCrc: 0, outcome: Promise.resolve({ kind: "failed", error }) };
    }
  }

  /** Passes over what an earlier process of this run has committed. */
  async #nextChunk(): Promise<Chunk | null> {
    const { resume, signal } = this.#parts;
    for (;;) {
      const { value: chunk, done } = await this.#source.next();
      if (!done && chunk.inline) this.#inputCrc = crc32(chunk.inline, this.#inputCrc);
      if (done) {
        this.#cutShort = signal.aborted;
        // An input that ends before the rows that are in the output already cannot be theirs.
        if (resume && resume.position === null && this.#planned < resume.nextChunk && !signal.aborted)
          throw notSameInput(resume, `it ends after ${this.#planned} chunks`);
        return null;
      }
      this.#planned = chunk.index + 1;
      if (!resume || chunk.index >= resume.nextChunk) return chunk;
      if (chunk.index === resume.nextChunk - 1 && resume.inputCrc !== this.#inputCrc)
        throw notSameInput(resume, `CRC-32 ${this.#inputCrc.toString(16)}`);
      if (signal.aborted) throw new BatchPredictError("BP_INTERRUPTED", "reading the input was stopped");
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
  async #take({ chunk, inputCrc, outcome }: InFlight): Promise<boolean> {
    const { host, accounting, rowColumn } = this.#parts;
    const asked = host.nowMs();
    const done = await outcome;
    this.#times.waitForWorkersMs += host.nowMs() - asked;
    // Being stopped while the next chunk was looked for is no error of the data.
    if (done.kind === "failed" && this.#parts.signal.aborted && chunk.index === PLAN_FAILED) {
      this.#cutShort = true;
      return false;
    }
    if (done.kind === "failed" && done.error instanceof WrongCut && chunk.kind === "bytes") {
      await this.#recut(chunk);
      return false;
    }
    if (done.kind === "failed") throw done.error;
    this.#parts.sequence.take(chunk);
    if (done.kind === "counted") {
      accounting.skip(chunk, done.rows, done.lines);
      return false;
    }
    const { result } = done;
    const { rowBase, rowStart, rowEnd, rejects, complete } = accounting.accept(chunk, result);
    this.#times.decodeMs += result.times.decodeMs;
    this.#times.inferMs += result.times.inferMs;
    this.#times.encodeMs += result.times.encodeMs;
    const checkpoint = accounting.checkpoint(chunk, inputCrc);
    failpoint("chunk-accounted");
    if (losspoint("drop-batch")) return complete;
    await this.#write({ columns: result.columns, rows: result.rows, rowStart, rowEnd, rowBase, rowColumn, rejects, checkpoint });
    this.#parts.onAdvance();
    return complete;
  }

  /** All before the chunk was cut rightly, whatever is in flight behind it was not. */
  async #recut(chunk: ByteChunk): Promise<void> {
    await Promise.all(this.#flight.map(({ outcome }) => outcome));
    this.#chunks -= 1 + this.#flight.splice(0).filter((other) => other.chunk.index !== PLAN_FAILED).length;
    await this.#source.return?.();
    this.#source = await this.#parts.recut(chunk);
    this.#more = true;
    this.#cutShort = false;
  }

  async #write(batch: SinkBatch): Promise<void> {
    const done = this.#parts.write(batch).catch((error: unknown) => {
      this.#sinkError ??= error;
    });
    this.#writing.push({ rows: batch.rows, done });
    await this.#settleWrites(MAX_SINK_BATCHES);
  }

  async #settleWrites(allowed: number): Promise<void> {
    const asked = this.#parts.host.nowMs();
    while (this.#writing.length > allowed || (this.#writing.length > 1 && this.#rowsWaiting() > MAX_SINK_ROWS)) {
      await this.#writing[0]!.done;
      this.#writing.shift();
    }
    this.#times.waitForSinkMs += this.#parts.host.nowMs() - asked;
    if (this.#sinkError !== null) throw this.#sinkError;
  }

  #rowsWaiting(): number {
    return this.#writing.reduce((sum, { rows }) => sum + rows, 0);
  }
}

/** A pipe is known again by its bytes alone. The interrupted run stays for the right ones. */
function notSameInput(resume: ResumeFrom, actual: string): BatchPredictError {
  return new BatchPredictError("BP_RESUME_MISMATCH", "the input is not the one that the interrupted run read", {
    expected: `${resume.nextChunk} chunks of CRC-32 ${resume.inputCrc.toString(16)}`,
    actual,
    hints: [
      "pipe the same data again to go on with the interrupted run",
      "or start over with --fresh: what the interrupted run has done is dropped",
    ],
    exitCode: 2,
  });
}
