/**
 * The offsets of a zone as a table, read out of Intl once per zone and year (about a hundred Intl calls), so that the calendar of a
 * thousand jobs costs nothing per tick. A wall time is a number, as in config/zoned-time.ts: a clock on the wall read as if it were UTC.
 */
import { wallTimeOf } from "../config/zoned-time.ts";

/** One offset of a zone, valid in startMs <= instant < endMs. */
interface Stretch {
  startMs: number;
  endMs: number;
  /** wall time - instant */
  offsetMs: number;
}

/** Where a wall time lies on the axis of instants. */
export type Instants =
  | { kind: "once"; utcMs: number }
  /** The clock jumped over it; `utcMs` is the first instant after the jump. */
  | { kind: "gap"; utcMs: number }
  | { kind: "twice"; utcMs: number; secondMs: number };

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Offsets lie between -12 h and +14 h; Samoa once skipped a whole day. */
const REACH_MS = 27 * HOUR_MS;
/** A pair of changes that cancel each other within this time would be overlooked; no zone has had one. */
const STEP_MS = 4 * DAY_MS;

const tables = new Map<string, Map<number, Stretch[]>>();

export function wallAt(utcMs: number, timeZone: string): number {
  for (const stretch of stretchesOf(new Date(utcMs).getUTCFullYear(), timeZone)) {
    if (utcMs < stretch.endMs) return utcMs + stretch.offsetMs;
  }
  return wallTimeOf(utcMs, timeZone);
}

export function instantsOf(wallMs: number, timeZone: string): Instants {
  const year = new Date(wallMs).getUTCFullYear();
  let near: Stretch[] = stretchesOf(year, timeZone);
  for (const { startMs, endMs, offsetMs } of near) {
    if (wallMs - REACH_MS >= startMs && wallMs + REACH_MS < endMs) return { kind: "once", utcMs: wallMs - offsetMs };
  }
  const from = new Date(wallMs - REACH_MS).getUTCFullYear();
  const to = new Date(wallMs + REACH_MS).getUTCFullYear();
  if (from < year) near = [...stretchesOf(from, timeZone), ...near];
  if (to > year) near = [...near, ...stretchesOf(to, timeZone)];
  const found: number[] = [];
  for (const { startMs, endMs, offsetMs } of near) {
    const utcMs = wallMs - offsetMs;
    if (startMs <= utcMs && utcMs < endMs) found.push(utcMs);
  }
  if (found.length > 1) return { kind: "twice", utcMs: found[0]!, secondMs: found[1]! };
  if (found.length === 1) return { kind: "once", utcMs: found[0]! };
  // Between two stretches: the wall reads less than wallMs just before the second begins, and more at its beginning.
  const after = near.find(({ startMs, offsetMs }) => startMs + offsetMs > wallMs);
  return { kind: "gap", utcMs: after?.startMs ?? wallMs };
}

function stretchesOf(year: number, timeZone: string): Stretch[] {
  const years = tables.get(timeZone) ?? new Map<number, Stretch[]>();
  tables.set(timeZone, years);
  const known = years.get(year);
  if (known) return known;
  const stretches = readStretches(year, timeZone);
  years.set(year, stretches);
  return stretches;
}

function readStretches(year: number, timeZone: string): Stretch[] {
  const startMs = Date.UTC(year, 0, 1);
  const endMs = Date.UTC(year + 1, 0, 1);
  const offsetAt = (utcMs: number): number => wallTimeOf(utcMs, timeZone) - utcMs;
  const stretches: Stretch[] = [];
  let current: Stretch = { startMs, endMs, offsetMs: offsetAt(startMs) };
  for (let atMs = startMs; atMs < endMs; ) {
    const nextMs = Math.min(atMs + STEP_MS, endMs - 1000);
    if (offsetAt(nextMs) === current.offsetMs) {
      atMs = nextMs === endMs - 1000 ? endMs : nextMs;
      continue;
    }
    let before = atMs;
    let after = nextMs;
    while (after - before > 1000) {
      const middle = before + Math.floor((after - before) / 2000) * 1000;
      if (offsetAt(middle) === current.offsetMs) before = middle;
      else after = middle;
    }
    stretches.push({ ...current, endMs: after });
    current = { startMs: after, endMs, offsetMs: offsetAt(after) };
    atMs = after;
  }
  stretches.push(current);
  return stretches;
}
