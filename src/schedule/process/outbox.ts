/** Sends what the ledger's outbox holds. At least once; a message that cannot be delivered waits, and never touches its run. */
import type { Job } from "../../config/job-schema.ts";
import type { Ledger } from "../ledger.ts";
import type { OutboxEntry, RunRow } from "../run-row.ts";
import { DELIVERY_TIMEOUT_MS, deliver, type NotifyMessage, targetAt } from "./deliver.ts";

const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 15 * 60_000;
/** News older than a day is none. */
const GIVE_UP_MS = 24 * 3_600_000;
const AT_ONCE = 8;

export interface OutboxOptions {
  ledger: Ledger;
  /** The `notify` of a job as its file says it now; undefined: no such job any more. */
  notifyOf(job: string): Job["notify"];
  env: Readonly<Record<string, string | undefined>>;
  userAgent: string;
  nowMs(): number;
  random(): number;
  onFailure(entry: OutboxEntry, detail: string, again: boolean): void;
  timeoutMs?: number;
  /** Only the messages of this run. */
  only?: string;
}

export class Outbox {
  readonly #options: OutboxOptions;
  #sending: Promise<void> | null = null;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** One pass over what is due; calls while one is going on share it. Never rejects. */
  drain(): Promise<void> {
    this.#sending ??= this.#pass().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  async #pass(): Promise<void> {
    const { ledger, nowMs, only } = this.#options;
    if (only !== undefined) {
      await Promise.all(
        ledger
          .dueOutbox(nowMs(), Number.MAX_SAFE_INTEGER)
          .filter(({ runId }) => runId === only)
          .map((entry) => this.#send(entry)),
      );
      return;
    }
    for (;;) {
      const due = ledger.dueOutbox(nowMs(), AT_ONCE);
      if (due.length === 0) return;
      await Promise.all(due.map((entry) => this.#send(entry)));
    }
  }

  async #send(entry: OutboxEntry): Promise<void> {
    const { ledger, notifyOf, env, userAgent, nowMs, random, onFailure, timeoutMs } = this.#options;
    const target = targetAt(notifyOf(entry.job), entry.target);
    const outcome = target
      ? await deliver(target, messageOf(entry), {
          env,
          idempotencyKey: entry.idempotencyKey,
          timeoutMs: timeoutMs ?? DELIVERY_TIMEOUT_MS,
          userAgent,
        })
      : { ok: false as const, retry: false, detail: "the job file has no such entry in notify any more" };
    if (outcome.ok) {
      ledger.delivered(entry.id, nowMs());
      return;
    }
    const pause = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(entry.attempts, 20));
    const dueMs = nowMs() + Math.round(pause * (0.5 + random() / 2));
    const again = outcome.retry && dueMs - entry.createdMs < GIVE_UP_MS;
    ledger.postpone(entry.id, again ? dueMs : null, outcome.detail);
    onFailure(entry, outcome.detail, again);
  }
}

function messageOf({ event, run, createdMs }: OutboxEntry): NotifyMessage {
  return {
    event,
    job: run.job,
    run_id: run.id,
    run_key: run.runKey,
    logical_date: run.logicalDate,
    reason: run.reason,
    rows: run.rows,
    attempt: run.attempt,
    text: sentence(event, run),
    at: new Date(createdMs).toISOString(),
  };
}

function sentence(event: NotifyMessage["event"], run: RunRow): string {
  const which = `${run.job} ${run.runKey}`;
  const reason = run.reason === null ? "" : ` (${run.reason})`;
  switch (event) {
    case "started":
      return `${which} started`;
    case "succeeded":
      return `${which} succeeded: ${run.rows?.predicted ?? 0} predictions`;
    case "failed":
      return `${which} failed${reason}${run.error ? `: ${run.error.code} ${run.error.message}` : ""}`;
    case "overdue":
      return `${which} is overdue: no output yet (${run.state})`;
    default:
      return `${which} was ${event}${reason}${run.slots > 1 ? `, with ${run.slots - 1} more` : ""}`;
  }
}
