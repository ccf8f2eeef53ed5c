import { BatchPredictError, fromWire } from "../core/errors.ts";
import type { RunEvent, RunSummary } from "../core/events.ts";

/**
 * A run that is going on: iterate over its events, or await its summary, or both.
 * A slow reader of events holds nothing up: progress events that were not read in time are replaced by newer ones.
 */
export class RunHandle implements AsyncIterable<RunEvent>, PromiseLike<RunSummary> {
  readonly #summary: Promise<RunSummary>;
  readonly #unread: RunEvent[] = [];
  #wake: (() => void) | null = null;
  #ended = false;

  /** @param start begins the run and resolves with its summary, failed or not */
  constructor(start: (onEvent: (event: RunEvent) => void) => Promise<RunSummary>) {
    this.#summary = start((event) => this.#push(event)).then(
      (summary) => {
        this.#end();
        if (summary.error) throw fromWire(summary.error);
        return summary;
      },
      (error: unknown) => {
        this.#end();
        throw error instanceof BatchPredictError ? error : new BatchPredictError("BP_INTERNAL", String(error), { cause: error });
      },
    );
    // Whoever only iterates sees the failure in the "finished" event; that must not count as an unhandled rejection.
    this.#summary.catch(() => {});
  }

  /** Rejects with a BatchPredictError when the run failed or was stopped. */
  // biome-ignore lint/suspicious/noThenProperty: `await run(...)` is the shortest right program.
  then<Value = RunSummary, Failure = never>(
    onFulfilled?: ((summary: RunSummary) => Value | PromiseLike<Value>) | null,
    onRejected?: ((error: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Value | Failure> {
    return this.#summary.then(onFulfilled, onRejected);
  }

  /** Ends after the "finished" event; for one reader. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RunEvent> {
    for (;;) {
      const event = this.#unread.shift();
      if (event) yield event;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #push(event: RunEvent): void {
    const last = this.#unread.at(-1);
    if (event.type === "progress" && last?.type === "progress") this.#unread.pop();
    this.#unread.push(event);
    this.#wake?.();
    this.#wake = null;
  }

  #end(): void {
    this.#ended = true;
    this.#wake?.();
    this.#wake = null;
  }
}
