/** The law of fixed times, for one zone: exactly one slot per local date, strictly increasing, and where it must lie. */
import { expect } from "vitest";
import { wallTimeOf } from "../../src/config/zoned-time.ts";
import { slotsBetween } from "../../src/schedule/slots.ts";
import { type Change, DAY_MS, FROM_MS, UNTIL_MS } from "./zones.ts";

/** Times of day worth trying in a zone: fixed ones, and the borders and insides of its own gaps and overlaps. */
export function worthwhileTimes(timeZone: string, changes: readonly Change[]): string[] {
  const times = new Set(["00:00", "02:30", "12:00", "23:59"]);
  for (const { atMs, jumpMinutes } of changes) {
    const wall = wallTimeOf(atMs, timeZone);
    for (const minutes of [0, -1, -jumpMinutes, -jumpMinutes / 2, jumpMinutes / 2, Math.abs(jumpMinutes), 1]) {
      times.add(new Date(wall + Math.trunc(minutes) * 60_000).toISOString().slice(11, 16));
    }
  }
  return [...times];
}

/** @returns slots looked at */
export function checkFixedTimes(timeZone: string, changes: readonly Change[]): number {
  const problems: string[] = [];
  let looked = 0;
  for (const at of worthwhileTimes(timeZone, changes)) {
    let before = Number.NEGATIVE_INFINITY;
    let expectedDate: number | null = null;
    for (const slot of slotsBetween({ daily: at }, timeZone, FROM_MS, UNTIL_MS)) {
      looked++;
      const name = `${timeZone} ${slot.runKey} ${at} -> ${new Date(slot.utcMs).toISOString()}`;
      const date = Date.parse(`${slot.logicalDate}T00:00Z`);
      if (slot.utcMs <= before) problems.push(`${name}: not after the slot before`);
      if (expectedDate !== null && date !== expectedDate) problems.push(`${name}: a date left out or twice`);
      if (slot.localTime !== `${slot.logicalDate}T${at}`) problems.push(`${name}: nominal time ${slot.localTime}`);
      const nominal = date + Number(at.slice(0, 2)) * 3_600_000 + Number(at.slice(3)) * 60_000;
      const shown = wallTimeOf(slot.utcMs, timeZone);
      if (slot.note === "gap") {
        const change = changes.find(({ atMs, jumpMinutes }) => atMs === slot.utcMs && jumpMinutes > 0);
        if (!change || shown <= nominal || shown - change.jumpMinutes * 60_000 > nominal) {
          problems.push(`${name}: no first instant after a gap over it`);
        }
      } else {
        if (shown !== nominal) problems.push(`${name}: the clock shows ${new Date(shown).toISOString()}`);
        const overlap = changes.find(
          ({ atMs, jumpMinutes }) => jumpMinutes < 0 && atMs > slot.utcMs && wallTimeOf(atMs, timeZone) <= nominal,
        );
        const twice = overlap !== undefined && slot.utcMs >= overlap.atMs + overlap.jumpMinutes * 60_000;
        if (twice !== (slot.note === "overlap-first")) problems.push(`${name}: note ${slot.note}`);
        const earlier = changes.find(
          ({ atMs, jumpMinutes }) => jumpMinutes < 0 && atMs <= slot.utcMs && slot.utcMs < atMs - jumpMinutes * 60_000,
        );
        if (earlier) problems.push(`${name}: the second pass`);
      }
      before = slot.utcMs;
      expectedDate = date + DAY_MS;
    }
    if (expectedDate === null || Math.abs(expectedDate - UNTIL_MS) > DAY_MS) problems.push(`${timeZone} ${at}: ends too early`);
  }
  expect(problems.slice(0, 10)).toEqual([]);
  return looked;
}
