/** Slots that have come due for one job, and what becomes of each. Pure. */
import type { JobDefinition } from "./definition.ts";
import { nextSlotMs } from "./next-slot.ts";
import type { JobQueue } from "./plan-queue.ts";
import { type Action, CATCHUP_MS, CATCHUP_SLOTS, ON_TIME_MS } from "./planner.ts";
import type { LedgerJob } from "./run-row.ts";
import { instantOn, type Slot, slotsBetween } from "./slots.ts";
import type { Reason } from "./states.ts";

/** Newest slots that get a row of their own; older ones of the same kind share one, so a year of minutes stays a tick. */
export const MAX_RECORDED = 1_000;

/** Slots of one kind, oldest first; `older` stands for those before the newest `MAX_RECORDED`. */
interface SlotList {
  newest: Slot[];
  older: { first: Slot; slots: number } | null;
}

export interface DueSlots {
  onTime: Slot[];
  late: SlotList;
  /** Fell into a pause. */
  paused: SlotList;
  nowMs: number;
}

/** Slots after the cursor and up to now. @param isDecided keys that an earlier plan, or somebody by hand, has dealt with */
export function dueSlots(definition: JobDefinition, job: LedgerJob, nowMs: number, isDecided: (slot: Slot) => boolean): DueSlots {
  const due: DueSlots = { onTime: [], late: { newest: [], older: null }, paused: { newest: [], older: null }, nowMs };
  const { pausedMs, resumedMs, cursorMs } = job;
  if (definition.schedule === null || cursorMs >= nowMs || nextSlotMs(definition, cursorMs) > nowMs) return due;
  for (const slot of slotsBetween(definition.schedule, definition.timeZone, cursorMs, nowMs)) {
    if (isDecided(slot)) continue;
    if (pausedMs !== null && slot.utcMs > pausedMs && slot.utcMs <= (resumedMs ?? nowMs)) append(due.paused, slot);
    else if (slot.utcMs >= nowMs - ON_TIME_MS) due.onTime.push(slot);
    else append(due.late, slot);
  }
  trim(due.late);
  trim(due.paused);
  return due;
}

export function decidesAnything({ onTime, late, paused }: DueSlots): boolean {
  return onTime.length + late.newest.length + paused.newest.length > 0;
}

/** @param missedAs every late slot is a miss for this reason, whatever the job's catch-up says; null: as it says */
export function planSlots(definition: JobDefinition, due: DueSlots, queue: JobQueue, missedAs: Reason | null): Action[] {
  const { name, catchup } = definition;
  const { run, missed, reason } =
    missedAs === null ? catchUp(catchup, due) : { run: [], missed: due.late.newest, reason: missedAs };
  const actions = recordAll(name, { newest: missed, older: due.late.older }, "missed", reason);
  actions.push(...recordAll(name, due.paused, "skipped", "paused"));
  for (const slot of run) actions.push(...queue.catchUp(definition, slot, dueByMs(definition, slot)));
  for (const slot of due.onTime) actions.push(...queue.offer(definition, slot, dueByMs(definition, slot)));
  return actions;
}

export function recordMisses(job: string, { onTime, late, paused }: DueSlots, reason: Reason): Action[] {
  const missed = { newest: [...late.newest, ...onTime], older: late.older };
  return [...recordAll(job, missed, "missed", reason), ...recordAll(job, paused, "skipped", "paused")];
}

/** Late slots that still run, the newest ones; everything before them is missed. */
function catchUp(catchup: JobDefinition["catchup"], due: DueSlots): { run: Slot[]; missed: Slot[]; reason: Reason } {
  const { newest } = due.late;
  if (catchup === "none") return { run: [], missed: newest, reason: "no-catchup" };
  if (catchup === "latest") {
    const count = due.onTime.length > 0 ? 0 : 1;
    return { run: newest.slice(newest.length - count), missed: newest.slice(0, newest.length - count), reason: "newer-due" };
  }
  const recent = newest.filter((slot) => slot.utcMs >= due.nowMs - CATCHUP_MS).slice(-CATCHUP_SLOTS);
  return { run: recent, missed: newest.slice(0, newest.length - recent.length), reason: "catchup-limit" };
}

function recordAll(job: string, { newest, older }: SlotList, state: "skipped" | "missed", reason: Reason): Action[] {
  const actions: Action[] = newest.map((slot) => ({ kind: "record", job, slot, state, reason, slots: 1 }));
  if (older) actions.unshift({ kind: "record", job, slot: older.first, state, reason, slots: older.slots });
  return actions;
}

function append(list: SlotList, slot: Slot): void {
  list.newest.push(slot);
  if (list.newest.length >= 2 * MAX_RECORDED) trim(list);
}

function trim(list: SlotList): void {
  const count = list.newest.length - MAX_RECORDED;
  if (count <= 0) return;
  list.older = { first: list.older?.first ?? list.newest[0]!, slots: (list.older?.slots ?? 0) + count };
  list.newest = list.newest.slice(count);
}

/** `expect.by` on the logical date; on the day after when the slot itself comes later than that. */
function dueByMs({ expectBy, timeZone }: JobDefinition, slot: Slot): number | null {
  if (expectBy === null) return null;
  const sameDay = instantOn(slot.logicalDate, expectBy, timeZone);
  if (sameDay > slot.utcMs) return sameDay;
  const nextDate = new Date(Date.parse(`${slot.logicalDate}T00:00Z`) + 86_400_000).toISOString().slice(0, 10);
  return instantOn(nextDate, expectBy, timeZone);
}
