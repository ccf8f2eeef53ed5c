/**
 * The calendar: which nominal local times a schedule has, and at which instants they fall. Pure; the zone rules come from Intl.
 *
 * - Fixed times (daily, weekly, monthly, and cron whose minute and hour name their values) have exactly one slot for each nominal time: a
 *   time that a spring gap swallows falls on the first instant after the gap and keeps its logical date; of a repeated hour the
 *   first pass counts.
 * - Wildcard cron follows the clock: times in a gap do not exist, a repeated hour runs twice (`~2` in the key of the second).
 * - Slots come in the order of their instants; those of daily, weekly and monthly are strictly increasing.
 */
import type { Job } from "../config/job-schema.ts";
import { BatchPredictError } from "../core/errors.ts";
import { midnightOf, ruleOf, type SlotRule } from "./slot-rule.ts";
import { instantsOf, wallAt } from "./zone-offsets.ts";

const DAY_MS = 86_400_000;

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

/** How far ahead and back a slot is looked for: February 29th on a given weekday comes every 28 years, or 40. */
const HORIZON_MS = 50 * 366 * DAY_MS;

/** The first `count` slots after `fromMs` (exclusive). Fewer when a schedule has no more within fifty years. */
export function nextSlots(schedule: Schedule, timeZone: string, fromMs: number, count: number): Slot[] {
  const slots: Slot[] = [];
  if (count <= 0) return slots;
  for (const slot of slotsBetween(schedule, timeZone, fromMs, fromMs + HORIZON_MS)) {
    if (slots.push(slot) === count) break;
  }
  return slots;
}

/** Slots with afterMs < utcMs <= untilMs, in order, computed as they are asked for. */
export function* slotsBetween(schedule: Schedule, timeZone: string, afterMs: number, untilMs: number): Generator<Slot, void> {
  if (afterMs >= untilMs) return;
  const rule = ruleOf(schedule);
  // A second pass can belong to the date before: of an overlap around midnight.
  const lastDate = midnightOf(wallAt(untilMs, timeZone)) + DAY_MS;
  let waiting: Slot[] = [];
  for (let dateMs = midnightOf(wallAt(afterMs, timeZone)) - DAY_MS; dateMs <= lastDate; dateMs += DAY_MS) {
    const found = slotsOf(rule, dateMs, timeZone);
    if (found.length === 0 && waiting.length === 0) continue;
    waiting = [...waiting, ...found];
    let ready = waiting.length;
    if (rule.wildcard) {
      waiting.sort((a, b) => a.utcMs - b.utcMs);
      const nextDateMs = instantsOf(dateMs + DAY_MS, timeZone).utcMs;
      while (ready > 0 && waiting[ready - 1]!.utcMs >= nextDateMs) ready--;
    }
    for (const slot of waiting.slice(0, ready)) {
      if (slot.utcMs > untilMs) return;
      if (slot.utcMs > afterMs) yield slot;
    }
    waiting = waiting.slice(ready);
  }
}

/** The newest slot before `beforeMs` (exclusive), for `interval.start`; null when there is none within fifty years. */
export function previousSlot(schedule: Schedule, timeZone: string, beforeMs: number): Slot | null {
  const rule = ruleOf(schedule);
  const today = midnightOf(wallAt(beforeMs, timeZone));
  let newest: Slot | null = null;
  for (let dateMs = today + DAY_MS; dateMs > today - HORIZON_MS; dateMs -= DAY_MS) {
    const wasFound = newest !== null;
    for (const slot of slotsOf(rule, dateMs, timeZone)) {
      if (slot.utcMs < beforeMs && (newest === null || slot.utcMs > newest.utcMs)) newest = slot;
    }
    if (wasFound) break;
  }
  return newest;
}

/**
 * Slots whose logical date lies in from..to, both YYYY-MM-DD and included: what backfill and `jobs run --date` mean by a date.
 * @throws BP_USAGE when one is no date, or the range is backwards
 */
export function slotsOnDates(schedule: Schedule, timeZone: string, fromDate: string, toDate: string): Slot[] {
  const rule = ruleOf(schedule);
  const lastDate = parseDate(toDate);
  const slots: Slot[] = [];
  if (parseDate(fromDate) > lastDate) {
    const hints = ["give the earlier date first"];
    throw new BatchPredictError("BP_USAGE", `${fromDate} comes after ${toDate}`, { hints });
  }
  for (let dateMs = parseDate(fromDate); dateMs <= lastDate; dateMs += DAY_MS) slots.push(...slotsOf(rule, dateMs, timeZone));
  return slots.sort((a, b) => a.utcMs - b.utcMs);
}

/** The instant at which a local date reads "HH:MM": the first pass, or the first instant after a gap. */
export function instantOn(date: string, time: string, timeZone: string): number {
  return instantsOf(Date.parse(`${date}T${time}Z`), timeZone).utcMs;
}

/** YYYY-MM-DD of an instant in a zone. */
export function localDate(utcMs: number, timeZone: string): string {
  return wallText(wallAt(utcMs, timeZone)).slice(0, 10);
}

function slotsOf(rule: SlotRule, dateMs: number, timeZone: string): Slot[] {
  const taken = rule.takes(dateMs);
  if (taken === null) return [];
  const slots: Slot[] = [];
  for (const timeMs of rule.timesMs) {
    const wallMs = dateMs + timeMs;
    const at = instantsOf(wallMs, timeZone);
    if (at.kind === "gap" && rule.wildcard) continue;
    const localTime = wallText(wallMs);
    const logicalDate = localTime.slice(0, 10);
    const runKey = rule.keyedByTime ? localTime : logicalDate;
    const effects: Record<typeof at.kind, SlotNote | null> = { once: null, gap: "gap", twice: "overlap-first" };
    const note = effects[at.kind] ?? (taken.monthEnd ? "month-end" : null);
    slots.push({ runKey, logicalDate, localTime, utcMs: at.utcMs, note });
    if (at.kind === "twice" && rule.wildcard) {
      slots.push({ runKey: `${runKey}~2`, logicalDate, localTime, utcMs: at.secondMs, note: "overlap-second" });
    }
  }
  return slots;
}

/** YYYY-MM-DDTHH:MM */
function wallText(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 16);
}

function parseDate(text: string): number {
  const ms = Date.parse(`${text}T00:00:00Z`);
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && wallText(ms).startsWith(text)) return ms;
  throw new BatchPredictError("BP_USAGE", `"${text}" is no date`, { expected: "YYYY-MM-DD", hints: ["for example 2026-11-21"] });
}
