/** The predict workers as the main thread sees them: set up, probe one, hand out chunks, stop. */
import type { ResourceLimits, Worker } from "node:worker_threads";
import { type Chunk, WrongCut } from "../core/chunk.ts";
import { BatchPredictError, type ErrorPlace, fromWire, toWire } from "../core/errors.ts";
import { workerHeapLimit } from "../core/failpoint.ts";
import type { SourceDescription } from "../core/source.ts";
import { startThread, type ThreadsAhead } from "../core/thread.ts";
import { heapLimits } from "../core/thread-heap.ts";
import type { Learned } from "../transform/transform-step.ts";
import type { ChunkResult, FromWorker, LearnRequest, ProbeResult, ToWorker, WorkerAhead, WorkerSetup } from "./protocol.ts";

type BeginMessage = Omit<Extract<ToWorker, { kind: "begin" }>, "kind">;

interface Waiting {
  resolve(message: FromWorker): void;
  reject(error: unknown): void;
}

class WorkerSlot {
  readonly #thread: Worker;
  readonly #pending = new Map<number | "reply", Waiting>();
  #dead: unknown = null;
  readonly exited: Promise<void>;

  constructor(limits: ResourceLimits = {}, data: WorkerAhead = {}, ahead?: ThreadsAhead) {
    this.#thread = startThread("#predict-worker", { data, limits }, ahead);
    this.#thread.on("message", (message: FromWorker) => this.#settle(message));
    this.#thread.on("messageerror", (error) => this.#die(error));
    this.#thread.on("error", (error) => this.#die(error));
    this.exited = new Promise((resolve) => {
      this.#thread.on("exit", (code) => {
        this.#die(
          new BatchPredictError("BP_WORKER_DIED", `a predict worker ended by itself (exit ${code})`, {
            hints: ["if it ran out of memory, lower --workers, or plan for less with --memory-limit and --fresh"],
          }),
        );
        resolve();
      });
    });
  }

  get load(): number {
    return this.#pending.size;
  }

  /** Messages that are answered by one reply ("setup", "probe") or by the result of their chunk. */
  ask(message: ToWorker, transfer: ArrayBuffer[] = []): Promise<FromWorker> {
    if (this.#dead !== null) return Promise.reject(this.#dead);
    const key = message.kind === "chunk" || message.kind === "count" ? message.chunk.index : "reply";
    return new Promise((resolve, reject) => {
      this.#pending.set(key, { resolve, reject });
      this.#thread.postMessage(message, transfer);
    });
  }

  tell(message: ToWorker): void {
    if (this.#dead === null) this.#thread.postMessage(message);
  }

  #settle(message: FromWorker): void {
    const key = keyOf(message);
    const waiting = this.#pending.get(key);
    this.#pending.delete(key);
    if (message.kind === "failed") waiting?.reject(fromWire(message.error));
    else if (message.kind === "wrong-cut") waiting?.reject(new WrongCut());
    else waiting?.resolve(message);
  }

  #die(error: unknown): void {
    this.#dead ??= outOfMemory(error);
    for (const waiting of this.#pending.values()) waiting.reject(this.#dead);
    this.#pending.clear();
  }
}

function keyOf(message: FromWorker): number | "reply" {
  if (message.kind === "result") return message.result.index;
  if (message.kind === "counted" || message.kind === "wrong-cut") return message.index;
  return message.kind === "failed" ? (message.index ?? "reply") : "reply";
}

export class PredictPool {
  readonly #limits: ResourceLimits;
  readonly #threadsAhead: ThreadsAhead | undefined;
  #setup: WorkerSetup | null;
  /** Threads that load their libraries while the main thread still decides what they will do. */
  readonly #warm: WorkerSlot[] = [];
  #ahead: WorkerAhead = {};
  #slots: WorkerSlot[] = [];
  #ready: Promise<unknown>[] = [];

  /** @param options.smallHeaps collect garbage sooner: less memory, and for many short texts more time */
  constructor(setup: WorkerSetup | null = null, options: { smallHeaps?: boolean; ahead?: ThreadsAhead | undefined } = {}) {
    this.#setup = setup;
    this.#limits = { ...heapLimits(options.smallHeaps ?? false), ...workerHeapLimit() };
    this.#threadsAhead = options.ahead;
  }

  /** Starts threads ahead of their set-up. @param ahead what they can load meanwhile */
  warm(count: number, ahead: WorkerAhead = {}): void {
    this.#ahead = ahead;
    while (this.#warm.length < count) this.#warm.push(this.#slot());
  }

  #slot(): WorkerSlot {
    return new WorkerSlot(this.#limits, this.#ahead, this.#threadsAhead);
  }

  /** What every worker is told first; before `grow`. */
  prepare(setup: WorkerSetup): void {
    this.#setup = setup;
  }

  /** Has `count` workers, each with its session loaded. @throws what the first failing one met */
  async grow(count: number): Promise<void> {
    const setup = this.#setup;
    if (!setup) throw new BatchPredictError("BP_INTERNAL", "workers were asked for before their set-up");
    while (this.#slots.length < count) {
      const slot = this.#warm.shift() ?? this.#slot();
      this.#slots.push(slot);
      const ready = slot.ask({ kind: "setup", setup });
      // Whoever grows the pool hears of it; growing ahead of time must not count as an unhandled rejection.
      ready.catch(() => {});
      this.#ready.push(ready);
    }
    await Promise.all(this.#ready.slice(0, count));
  }

  /** @param outputs those that will be written: what becomes of the others is nobody's business */
  async probe(chunk: Chunk | null, fixedBatch: number | null, outputs: string[]): Promise<ProbeResult> {
    // Inline bytes are copied, not transferred: the run predicts the same chunk again.
    const reply = await this.#slots[0]!.ask({ kind: "probe", chunk, fixedBatch, outputs });
    if (reply.kind !== "probed") throw new BatchPredictError("BP_INTERNAL", `unexpected answer to a probe: ${reply.kind}`);
    return reply.probe;
  }

  begin(message: BeginMessage): void {
    for (const slot of this.#slots) slot.tell({ kind: "begin", ...message });
  }

  /** Hands the chunk to the least busy worker; its inline bytes are transferred. @throws WrongCut, and what its reading and prediction throw */
  async predict(chunk: Chunk): Promise<ChunkResult> {
    const reply = await this.#ask({ kind: "chunk", chunk });
    if (reply.kind !== "result") throw new BatchPredictError("BP_INTERNAL", `unexpected answer to a chunk: ${reply.kind}`);
    return reply.result;
  }

  /** Records and line feeds of a chunk of another shard. @throws WrongCut */
  async count(chunk: Chunk): Promise<{ rows: number; lines: number }> {
    const reply = await this.#ask({ kind: "count", chunk });
    if (reply.kind !== "counted") throw new BatchPredictError("BP_INTERNAL", `unexpected answer to a count: ${reply.kind}`);
    return reply;
  }

  /** A thread that dies takes all its chunks with it; the first of them, which it was at, is the one whose error is told. */
  async #ask(message: Extract<ToWorker, { kind: "chunk" | "count" }>): Promise<FromWorker> {
    const { chunk } = message;
    try {
      return await this.#leastBusy().ask(message, chunk.inline ? [chunk.inline.buffer] : []);
    } catch (error) {
      throw isDeath(error) && this.#setup ? atChunk(error, chunk, this.#setup.source) : error;
    }
  }

  #leastBusy(): WorkerSlot {
    return this.#slots.reduce((best, other) => (other.load < best.load ? other : best));
  }

  /** Cooperative: each worker ends after the chunk it is at. Resolves when all threads are gone. */
  async stop(): Promise<void> {
    const all = [...this.#slots, ...this.#warm.splice(0)];
    for (const slot of all) slot.tell({ kind: "stop" });
    await Promise.all(all.map((slot) => slot.exited));
    this.#slots = [];
    this.#ready = [];
  }
}

/**
 * Asks a thread of its own what the job's module makes of the first rows; the thread is gone afterwards, and with it the module.
 * @throws BP_TRANSFORM, and what reading the first rows throws
 */
export async function learnInThread(request: LearnRequest): Promise<Learned> {
  const slot = new WorkerSlot();
  try {
    const reply = await slot.ask({ kind: "learn", request });
    if (reply.kind !== "learned") throw new BatchPredictError("BP_INTERNAL", `unexpected answer to a question: ${reply.kind}`);
    return reply.learned;
  } finally {
    slot.tell({ kind: "stop" });
    await slot.exited;
  }
}

function outOfMemory(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException | null)?.code !== "ERR_WORKER_OUT_OF_MEMORY")
    return error instanceof Error ? error : fromWire(toWire(error));
  return new BatchPredictError("BP_MEMORY_LIMIT", "a predict worker ran out of memory", {
    hints: ["lower --workers, or plan for less with --memory-limit and --fresh"],
  });
}

function isDeath(error: unknown): error is BatchPredictError {
  return error instanceof BatchPredictError && (error.code === "BP_MEMORY_LIMIT" || error.code === "BP_WORKER_DIED");
}

function atChunk(error: BatchPredictError, chunk: Chunk, { files, format }: SourceDescription): BatchPredictError {
  const file = files[chunk.file]?.path;
  const where: ErrorPlace = {
    ...(file === undefined ? {} : { file }),
    ...(chunk.kind === "bytes" ? { byte: chunk.byteStart } : {}),
  };
  const unit = format === "parquet" ? "row group" : "record batch";
  const actual =
    chunk.kind === "bytes"
      ? `it was at bytes ${chunk.byteStart} to ${chunk.byteEnd - 1}`
      : `it was at rows ${chunk.rowStart} to ${chunk.rowEnd - 1} of ${unit} ${chunk.unit}`;
  return new BatchPredictError(error.code, error.message, { ...error.details, where, actual });
}
