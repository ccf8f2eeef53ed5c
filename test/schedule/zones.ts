/** Every zone that changes its offset between 2024 and 2028, found by asking Intl, not by asking the code under test. */
import { wallTimeOf } from "../../src/config/zoned-time.ts";

export const FROM_MS = Date.UTC(2024, 0, 1);
export const UNTIL_MS = Date.UTC(2029, 0, 1);
export const DAY_MS = 86_400_000;

export interface Change {
  /** First instant of the new offset. */
  atMs: number;
  /** Minutes that the wall clock jumps: positive is a gap. */
  jumpMinutes: number;
}

export function changesOf(timeZone: string, stepMs = 12 * 3_600_000): Change[] {
  const offset = (utcMs: number): number => wallTimeOf(utcMs, timeZone) - utcMs;
  const changes: Change[] = [];
  let before = offset(FROM_MS);
  for (let at = FROM_MS; at < UNTIL_MS; at += stepMs) {
    const after = offset(at + stepMs);
    if (after === before) continue;
    let low = at;
    let high = at + stepMs;
    while (high - low > 60_000) {
      const middle = low + Math.floor((high - low) / 120_000) * 60_000;
      if (offset(middle) === before) low = middle;
      else high = middle;
    }
    changes.push({ atMs: high, jumpMinutes: (after - before) / 60_000 });
    before = after;
  }
  return changes;
}

/** Zones with at least one change, and their changes. @param stride take every n-th zone */
export function changingZones(stride = 1): { timeZone: string; changes: Change[] }[] {
  // A zone without changes within the five years is recognised by its offsets every two weeks: Ramadan lasts four.
  const zones = Intl.supportedValuesOf("timeZone").filter((_, index) => index % stride === 0);
  return zones
    .filter((timeZone) => {
      const offsets = new Set<number>();
      for (let at = FROM_MS; at < UNTIL_MS; at += 14 * DAY_MS) offsets.add(wallTimeOf(at, timeZone) - at);
      return offsets.size > 1;
    })
    .map((timeZone) => ({ timeZone, changes: changesOf(timeZone) }));
}
