/** The memory of the next slot gives what the calendar gives, at any instant and in any order of asking. */
import { expect, it } from "vitest";
import { nextSlotMs } from "../../src/schedule/next-slot.ts";
import { nextSlots } from "../../src/schedule/slots.ts";
import { at, definition } from "./bench.ts";
import { dice, madeJobs } from "./made-jobs.ts";

it("is the calendar's, also at the very instant of a slot", () => {
  const daily = definition("daily", { schedule: { daily: "02:30" } });
  expect(nextSlotMs(daily, at("2026-11-21T00:00Z"))).toBe(at("2026-11-21T02:30Z"));
  expect(nextSlotMs(daily, at("2026-11-21T02:29:59.999Z"))).toBe(at("2026-11-21T02:30Z"));
  expect(nextSlotMs(daily, at("2026-11-21T02:30Z"))).toBe(at("2026-11-22T02:30Z"));
  expect(nextSlotMs(daily, at("2026-11-20T00:00Z"))).toBe(at("2026-11-20T02:30Z"));
  expect(nextSlotMs(definition("hand", {}), 0)).toBe(Number.POSITIVE_INFINITY);
});

it("is the calendar's for many jobs and instants", () => {
  const random = dice(11);
  for (const job of madeJobs(40, random)) {
    for (let times = 0; times < 20; times++) {
      const afterMs = at("2026-10-01T00:00Z") + Math.floor(random() * 60 * 24) * 3_600_000 * 0.5;
      expect(nextSlotMs(job, afterMs)).toBe(nextSlots(job.schedule!, job.timeZone, afterMs, 1)[0]!.utcMs);
    }
  }
});
