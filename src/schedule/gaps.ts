/** Which slots have no success, and what to run to fill them. Pure. */
import { BatchPredictError } from "../core/errors.ts";
import type { JobDefinition } from "./definition.ts";
import type { RunRow } from "./run-row.ts";
import type { Slot } from "./slots.ts";

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
  throw new BatchPredictError("BP_INTERNAL", `not built yet (${[definition, byKey, afterMs, untilMs].length})`);
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
  throw new BatchPredictError("BP_INTERNAL", `not built yet (${[definition, byKey, fromDate, toDate, nowMs].length})`);
}
