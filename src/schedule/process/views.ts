/** Rows of the ledger and slots of the calendar in the shapes that people's scripts read. */
import { wallTimeOf } from "../../config/zoned-time.ts";
import type { Gap } from "../gaps.ts";
import type { RunRow } from "../run-row.ts";
import type { Slot, SlotNote } from "../slots.ts";

/** One line of `jobs history --json` and `runs`; instants are ISO 8601 in UTC. */
export function historyEntry(run: RunRow) {
  return {
    run_id: run.id,
    job: run.job,
    run_key: run.runKey,
    logical_date: run.logicalDate,
    state: run.state,
    reason: run.reason,
    trigger: run.trigger,
    attempt: run.attempt,
    scheduled_at: iso(run.scheduledMs),
    started_at: isoOrNull(run.startedMs),
    ended_at: isoOrNull(run.endedMs),
    rows: run.rows,
    output: run.output,
    error: run.error,
    slots: run.slots,
  };
}

export function gapOf(job: string, { slot, run }: Gap) {
  return {
    job,
    run_key: slot.runKey,
    logical_date: slot.logicalDate,
    state: run?.state ?? null,
    reason: run?.reason ?? null,
  };
}

const NOTES: Record<SlotNote, string> = {
  gap: "the clocks go forward over this time: runs at the first moment after",
  "overlap-first": "the clocks go back and this time comes twice: the first pass",
  "overlap-second": "the clocks go back and this time comes twice: the second pass",
  "month-end": "the month has no such day: its last one",
};

export function nextEntry(job: string, timeZone: string, { logicalDate, utcMs, note }: Slot) {
  return {
    job,
    logical_date: logicalDate,
    local: localText(utcMs, timeZone),
    utc: iso(utcMs),
    note: note === null ? null : NOTES[note],
  };
}

/** "2026-11-21T02:30:00+01:00": what the clock on the wall shows, and how far it is from UTC. */
export function localText(instantMs: number, timeZone: string): string {
  const wall = wallTimeOf(instantMs, timeZone);
  const minutes = Math.round((wall - instantMs) / 60_000);
  const two = (count: number): string => String(count).padStart(2, "0");
  const offset = `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return `${new Date(wall).toISOString().slice(0, 19)}${offset}`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
