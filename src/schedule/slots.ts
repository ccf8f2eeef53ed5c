/**
 * The calendar: which nominal local times a schedule has, and at which instants they fall. Pure; the zone rules come from Intl.
 *
 * - Fixed times (daily, weekly, monthly, and cron without `*` in minute and hour) have exactly one slot for each nominal time: a
 *   time that a spring gap swallows falls on the first instant after the gap and keeps its logical date; of a repeated hour the
 *   first pass counts.
 * - Wildcard cron follows the clock: times in a gap do not exist, a repeated hour runs twice (`~2` in the key of the second).
 * - Slots come in the order of their instants; those of one day-sized kind are strictly increasing.
 */
import type { Job } from "../config/job-schema.ts";
import { BatchPredictError } from "../core/errors.ts";

export type Schedule = NonNullable<Job["schedule"]>;

/**
 * `gap`: the clock jumped over the nominal time; `overlap-first`, `overlap-second`: the nominal time comes twice that night;
 * `month-end`: the month has no such day, so its last one counts.
 */
export type SlotNote = "gap" | "overlap-first" | "overlap-second" | "month-end";

export interface Slot {
  /** Local date for daily, weekly, monthly; nominal wall time `YYYY-MM-DDTHH:MM` for cron, with `~2` for a second pass. */
  runKey: string;
  /** YYYY-MM-DD in the job's zone. */
  logicalDate: string;
  /** Nominal wall time, YYYY-MM-DDTHH:MM: what the job file says, also where the clock jumped over it. */
  localTime: string;
  utcMs: number;
  note: SlotNote | null;
}

/** The first `count` slots after `fromMs` (exclusive). Fewer when a schedule has no more within ten years (`0 0 30 2 *`). */
export function nextSlots(schedule: Schedule, timeZone: string, fromMs: number, count: number): Slot[] {
  throw unbuilt(schedule, timeZone, fromMs, count);
}

/** Slots with afterMs < utcMs <= untilMs, in order, computed as they are asked for. */
export function slotsBetween(schedule: Schedule, timeZone: string, afterMs: number, untilMs: number): Iterable<Slot> {
  throw unbuilt(schedule, timeZone, afterMs, untilMs);
}

/** The newest slot before `beforeMs` (exclusive), for `interval.start`; null when there is none within ten years. */
export function previousSlot(schedule: Schedule, timeZone: string, beforeMs: number): Slot | null {
  throw unbuilt(schedule, timeZone, beforeMs);
}

/** Slots whose logical date lies in from..to, both YYYY-MM-DD and included: what backfill and `jobs run --date` mean by a date. */
export function slotsOnDates(schedule: Schedule, timeZone: string, fromDate: string, toDate: string): Slot[] {
  throw unbuilt(schedule, timeZone, fromDate, toDate);
}

function unbuilt(...given: unknown[]): BatchPredictError {
  return new BatchPredictError("BP_INTERNAL", `not built yet (${given.length})`);
}
