/** What the planner must know of a job: its file, resolved, without anything that only a run needs. JSON-able; the ledger keeps a copy. */
import { createHash } from "node:crypto";
import type { Job } from "../config/job-schema.ts";
import { parseDuration } from "../config/units.ts";
import type { Schedule } from "./slots.ts";

export type NotifyEvent = NonNullable<Job["notify"]>[number]["on"][number];

export interface JobDefinition {
  name: string;
  /** null: runs only by hand. */
  schedule: Schedule | null;
  /** IANA name. */
  timeZone: string;
  catchup: "latest" | "all" | "none";
  overlap: "queue" | "skip" | "replace";
  /** `max` counts failures that may be followed by another attempt. */
  retries: { max: number; initialMs: number; longestMs: number };
  timeoutMs: number | null;
  /** Local time "HH:MM" by which the slot's output must be there; the next day when earlier than the slot itself. */
  expectBy: string | null;
  /** Events that each entry of the job file's `notify` wants, by its position there. */
  notify: NotifyEvent[][];
  /** Of what decides the slots: when it changes, the cursor moves to now and nothing is replayed. */
  scheduleHash: string;
}

export const DEFAULT_RETRIES = { max: 0, initialMs: 30_000, longestMs: 15 * 60_000 } as const;

/** @param job as read with templates kept; defaults: catchup latest, overlap queue, no retries, no timeout */
export function jobDefinition(name: string, timeZone: string, job: Job): JobDefinition {
  const schedule = job.schedule ?? null;
  const duration = (text: string | undefined, fallback: number): number =>
    text === undefined ? fallback : (parseDuration(text) ?? fallback);
  const initialMs = duration(job.retries?.initial, DEFAULT_RETRIES.initialMs);
  return {
    name,
    schedule,
    timeZone,
    catchup: job.catchup ?? "latest",
    overlap: job.overlap ?? "queue",
    retries: {
      max: job.retries?.max ?? DEFAULT_RETRIES.max,
      initialMs,
      longestMs: Math.max(initialMs, duration(job.retries?.longest, DEFAULT_RETRIES.longestMs)),
    },
    timeoutMs: job.timeout === undefined ? null : parseDuration(job.timeout),
    expectBy: job.expect?.by ?? null,
    notify: (job.notify ?? []).map((entry) => [...entry.on]),
    scheduleHash: createHash("sha256")
      .update(JSON.stringify([canonical(schedule), timeZone]))
      .digest("hex"),
  };
}

/** Keys in one order, so that a reordered file is no edit. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, canonical(inner)]),
  );
}
