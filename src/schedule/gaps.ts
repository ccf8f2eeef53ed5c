/** Which slots have no success, and what to run to fill them. Pure. */
import type { JobDefinition } from "./definition.ts";
import type { RunRow } from "./run-row.ts";
import { type Slot, slotsBetween, slotsOnDates } from "./slots.ts";
import { isTerminal } from "./states.ts";

/** `run`: the row that counts for the key, null when there is none at all. */
export interface Gap {
  slot: Slot;
  run: RunRow | null;
}

/** Slots in (afterMs, untilMs] without a success; queued and active ones are no gaps. @param byKey rows that count now */
export function gapsBetween(
  definition: JobDefinition,
  byKey: ReadonlyMap<string, RunRow>,
  afterMs: number,
  untilMs: number,
): Gap[] {
  if (definition.schedule === null) return [];
  const gaps: Gap[] = [];
  for (const slot of slotsBetween(definition.schedule, definition.timeZone, afterMs, untilMs)) {
    const run = byKey.get(slot.runKey) ?? null;
    if (run === null || (isTerminal(run.state) && run.state !== "succeeded")) gaps.push({ slot, run });
  }
  return gaps;
}

export interface BackfillStep {
  slot: Slot;
  /** run: to be requested; done: has succeeded; open: queued or active already; future: not due yet. */
  what: "run" | "done" | "open" | "future";
  run: RunRow | null;
}

/** Every slot with a logical date in from..to (YYYY-MM-DD, both included), oldest first, and what a backfill does with it. */
export function planBackfill(
  definition: JobDefinition,
  byKey: ReadonlyMap<string, RunRow>,
  fromDate: string,
  toDate: string,
  nowMs: number,
): BackfillStep[] {
  if (definition.schedule === null) return [];
  return slotsOnDates(definition.schedule, definition.timeZone, fromDate, toDate).map((slot) => {
    const run = byKey.get(slot.runKey) ?? null;
    if (run?.state === "succeeded") return { slot, what: "done", run };
    if (run !== null && !isTerminal(run.state)) return { slot, what: "open", run };
    return { slot, what: slot.utcMs > nowMs ? "future" : "run", run };
  });
}
