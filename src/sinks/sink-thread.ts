/**
 * The main thread's side of a sink that lives on a thread of its own. The thread is never terminated from outside (a native call cut
 * short takes the whole process with it): it ends by itself after finish or abort.
 */
import fs from "node:fs";
import type { Worker } from "node:worker_threads";
import { BatchPredictError, fromWire, toWire } from "../core/errors.ts";
import type { RunRecord, SinkBatch, SinkFormat, SinkOpened, SinkOptions, SinkResult } from "../core/sink.ts";
import { startThread, type ThreadsAhead } from "../core/thread.ts";
import { heapLimits } from "../core/thread-heap.ts";
import { buffersOf } from "../core/wire-batch.ts";
import type { SinkAnswer, SinkReply, SinkRequest, SinkThreadData, Suspended } from "./sink-protocol.ts";

export interface SinkHandle {
  /** What was found when the output was opened. With `opened.done` the thread has ended and nothing may be asked any more. */
  readonly opened: SinkOpened;
  /**
   * Transfers the buffers of `batch.columns`: they are empty afterwards. Resolves when the rows have been taken, so the number of unresolved
   * writes bounds the memory in flight. After a failed write the others fail with the same error; only `abort` is left.
   */
  write(batch: SinkBatch): Promise<void>;
  /** Resolves when the output is visible and the thread has ended. After a failure call `abort`. */
  finish(record: RunRecord): Promise<SinkResult>;
  /** What was written so far survives this process. */
  commit(): Promise<void>;
  /** Leaves what was committed for the next run of the same work. Never rejects. */
  suspend(): Promise<Suspended>;
  /** The run was told to its user: its journal goes. Never throws; after `finish` or `opened.done`. */
  release(): void;
  /** Everything this run made is removed. Never rejects; does nothing after `finish`. */
  abort(): Promise<void>;
  /** Aborts what was not finished and waits for the thread's end. */
  close(): Promise<void>;
}

/** A thread that loads its library while the run is still planned. */
export interface WarmSink {
  /** Once. @throws what the sink's `open` throws; nothing is left behind then */
  open(options: SinkOptions): Promise<SinkHandle>;
  /** Ends the thread when it was never opened. */
  dismiss(): Promise<void>;
}

/** @param smallHeap collect garbage sooner */
export function warmSinkThread(format: SinkFormat, smallHeap = false, ahead?: ThreadsAhead): WarmSink {
  return new SinkThread(format, smallHeap, ahead);
}

/** @throws what the sink's `open` throws; nothing is left behind then */
export function startSinkThread(options: SinkOptions): Promise<SinkHandle> {
  return warmSinkThread(options.format).open(options);
}

interface Waiting {
  resolve(result: SinkReply): void;
  reject(error: unknown): void;
}

class SinkThread implements SinkHandle, WarmSink {
  opened!: SinkOpened;
  readonly ended: Promise<void>;
  private readonly worker: Worker;
  /** Requests without an answer yet, oldest first; answers come in order. */
  private readonly waiting: Waiting[] = [];
  private failure: unknown = null;
  private gone = false;
  private over = false;
  private options: SinkOptions | null = null;

  constructor(format: SinkFormat, smallHeap: boolean, ahead?: ThreadsAhead) {
    const data: SinkThreadData = { format };
    this.worker = startThread("#sink-worker", { data, limits: heapLimits(smallHeap) }, ahead);
    this.ended = new Promise((resolve) => {
      this.worker.once("exit", () => {
        this.gone = true;
        this.failAll(new BatchPredictError("BP_INTERNAL", "the thread that writes the output ended before its work was done"));
        resolve();
      });
    });
    this.worker.on("message", (answer: SinkAnswer) => this.settle(answer));
    for (const event of ["error", "messageerror"]) {
      this.worker.on(event, (error: unknown) => {
        this.failure ??= threadError(error, this.options);
        this.failAll(this.failure);
      });
    }
  }

  async open(options: SinkOptions): Promise<SinkHandle> {
    this.options = options;
    try {
      this.opened = (await this.ask({ kind: "open", options })) as SinkOpened;
    } catch (error) {
      await this.ended;
      throw error;
    }
    if (this.opened.done !== null) {
      this.over = true;
      await this.ended;
    }
    return this;
  }

  async dismiss(): Promise<void> {
    if (this.options !== null) return;
    this.worker.postMessage({ kind: "dismiss" } satisfies SinkRequest);
    await this.ended;
  }

  async write(batch: SinkBatch): Promise<void> {
    if (this.failure !== null) throw this.failure;
    await this.ask({ kind: "write", batch }, buffersOf(batch.columns)).catch((error: unknown) => {
      this.failure ??= error;
      throw error;
    });
  }

  async finish(record: RunRecord): Promise<SinkResult> {
    if (this.failure !== null) throw this.failure;
    const result = await this.ask({ kind: "finish", record });
    this.over = true;
    await this.ended;
    return result as SinkResult;
  }

  async commit(): Promise<void> {
    if (this.failure !== null) throw this.failure;
    await this.ask({ kind: "commit" });
  }

  async suspend(): Promise<Suspended> {
    const nothing = { resumable: false, bytes: 0 };
    if (this.over || this.gone) return nothing;
    this.over = true;
    const suspended = await this.ask({ kind: "suspend" }).catch(() => null);
    await this.ended;
    return (suspended as Suspended | null) ?? nothing;
  }

  release(): void {
    fs.rmSync(this.opened.journal, { force: true });
  }

  async abort(): Promise<void> {
    if (!this.over && !this.gone) {
      this.over = true;
      // Only a thread that died of something else fails here; its error went to those who waited for it.
      await this.ask({ kind: "abort" }).catch(() => null);
    }
    await this.ended;
  }

  async close(): Promise<void> {
    await this.abort();
  }

  private ask(request: SinkRequest, transfer: ArrayBuffer[] = []): Promise<SinkReply> {
    if (this.gone) {
      const error = this.failure ?? new BatchPredictError("BP_INTERNAL", "the thread that writes the output has ended already");
      return Promise.reject(error);
    }
    const promise = this.answer();
    this.worker.postMessage(request, transfer);
    return promise;
  }

  private answer(): Promise<SinkReply> {
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  private settle(answer: SinkAnswer): void {
    const next = this.waiting.shift();
    if (answer.ok) next?.resolve(answer.result);
    else next?.reject(fromWire(answer.error));
  }

  private failAll(error: unknown): void {
    for (const { reject } of this.waiting.splice(0)) reject(this.failure ?? error);
  }
}

function threadError(error: unknown, options: SinkOptions | null): BatchPredictError {
  const { message, code, stack: _stack, ...details } = toWire(error);
  const where = details.where ?? (options ? { file: options.path } : {});
  if ((error as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY") {
    return new BatchPredictError("BP_OUTPUT_WRITE", "the thread that writes the output ran out of memory", {
      where,
      actual: message,
      hints: ["use a smaller --batch-size or fewer --workers"],
      cause: error,
    });
  }
  return new BatchPredictError(code, `the thread that writes the output failed: ${message}`, { ...details, where, cause: error });
}
