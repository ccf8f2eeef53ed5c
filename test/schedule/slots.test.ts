import fc from "fast-check";
import { createTask } from "node-cron";
import { describe, expect, it } from "vitest";
import { nextSlots, previousSlot, type Schedule, type Slot, slotsBetween, slotsOnDates } from "../../src/schedule/slots.ts";
import { checkFixedTimes } from "./zone-law.ts";
import { changingZones } from "./zones.ts";

const ms = (text: string): number => Date.parse(text);
const iso = (slot: Slot | undefined): string | undefined =>
  slot && `${slot.runKey} ${new Date(slot.utcMs).toISOString().slice(0, 16)}Z${slot.note ? ` ${slot.note}` : ""}`;
const lines = (schedule: Schedule, zone: string, from: string, until: string): (string | undefined)[] =>
  [...slotsBetween(schedule, zone, ms(from), ms(until))].map(iso);

describe("named nights", () => {
  const on = (date: string, at: string, zone: string): Slot | undefined => slotsOnDates({ daily: at }, zone, date, date)[0];

  it("run at the first instant after a spring gap, under the date that was meant", () => {
    expect(iso(on("2026-03-08", "02:30", "America/New_York"))).toBe("2026-03-08 2026-03-08T07:00Z gap");
    expect(iso(on("2026-03-08", "00:00", "America/Havana"))).toBe("2026-03-08 2026-03-08T05:00Z gap");
    expect(iso(on("2026-10-04", "02:15", "Australia/Lord_Howe"))).toBe("2026-10-04 2026-10-03T15:30Z gap");
  });

  it("run on the first pass of an autumn overlap", () => {
    expect(iso(on("2026-10-25", "02:30", "Europe/Berlin"))).toBe("2026-10-25 2026-10-25T00:30Z overlap-first");
    expect(iso(on("2026-11-01", "01:30", "America/New_York"))).toBe("2026-11-01 2026-11-01T05:30Z overlap-first");
  });

  it("keep the nominal time of the job file", () => {
    expect(on("2026-03-08", "02:30", "America/New_York")).toMatchObject({
      logicalDate: "2026-03-08",
      localTime: "2026-03-08T02:30",
    });
  });

  it("reach around midnight: Nuuk has no 23:30 in March, two in October", () => {
    expect(lines({ daily: "23:30" }, "America/Nuuk", "2025-03-28T12:00Z", "2025-03-31T12:00Z")).toEqual([
      "2025-03-28 2025-03-29T01:30Z",
      "2025-03-29 2025-03-30T01:00Z gap",
      "2025-03-30 2025-03-31T00:30Z",
    ]);
    expect(lines({ cron: "30 * * * *" }, "America/Nuuk", "2025-10-25T23:40Z", "2025-10-26T03:00Z")).toEqual(
      [
        "2025-10-25T22:30 2025-10-25T23:30Z",
        "2025-10-25T23:30 2025-10-26T00:30Z overlap-first",
        "2025-10-25T23:30~2 2025-10-26T01:30Z overlap-second",
        "2025-10-26T00:30 2025-10-26T02:30Z",
      ].slice(1),
    );
  });
});

describe("cron", () => {
  it("with wildcards follows the clock: not in a gap, twice in an overlap", () => {
    expect(lines({ cron: "*/30 * * * *" }, "Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T01:30Z")).toEqual([
      "2026-03-29T01:30 2026-03-29T00:30Z",
      "2026-03-29T03:00 2026-03-29T01:00Z",
      "2026-03-29T03:30 2026-03-29T01:30Z",
    ]);
    expect(lines({ cron: "*/30 * * * *" }, "Europe/Berlin", "2026-10-24T23:30Z", "2026-10-25T02:00Z")).toEqual([
      "2026-10-25T02:00 2026-10-25T00:00Z overlap-first",
      "2026-10-25T02:30 2026-10-25T00:30Z overlap-first",
      "2026-10-25T02:00~2 2026-10-25T01:00Z overlap-second",
      "2026-10-25T02:30~2 2026-10-25T01:30Z overlap-second",
      "2026-10-25T03:00 2026-10-25T02:00Z",
    ]);
  });

  it("with named times is as certain as daily", () => {
    expect(lines({ cron: "30 2 * * *" }, "Europe/Berlin", "2026-03-28T12:00Z", "2026-03-30T12:00Z")).toEqual([
      "2026-03-29T02:30 2026-03-29T01:00Z gap",
      "2026-03-30T02:30 2026-03-30T00:30Z",
    ]);
    expect(lines({ cron: "30 2 * * *" }, "Europe/Berlin", "2026-10-24T12:00Z", "2026-10-25T12:00Z")).toEqual([
      "2026-10-25T02:30 2026-10-25T00:30Z overlap-first",
    ]);
  });

  it("takes days of month and of week as dayMatch says, and refuses to guess", () => {
    const dates = (schedule: Schedule): string[] =>
      [...slotsBetween(schedule, "UTC", ms("2026-11-01T00:00Z"), ms("2026-11-30T23:00Z"))].map((slot) =>
        slot.runKey.slice(8, 10),
      );
    expect(dates({ cron: "0 6 13 * fri", dayMatch: "and" })).toEqual(["13"]);
    expect(dates({ cron: "0 6 15 * fri", dayMatch: "or" })).toEqual(["06", "13", "15", "20", "27"]);
    expect(() => dates({ cron: "0 6 15 * fri" })).toThrow(/sets day of month and day of week/);
  });

  it("finds a February 29th that is a Monday, 24 years away, and gives up on none", () => {
    expect(nextSlots({ cron: "0 0 29 2 1", dayMatch: "and" }, "UTC", ms("2028-01-01T00:00Z"), 1).map(iso)).toEqual([
      "2044-02-29T00:00 2044-02-29T00:00Z",
    ]);
  });

  const field = (low: number, high: number): fc.Arbitrary<string> =>
    fc.oneof(
      fc.constant("*"),
      fc.integer({ min: 2, max: 20 }).map((step) => `*/${step}`),
      fc.uniqueArray(fc.integer({ min: low, max: high }), { minLength: 1, maxLength: 4 }).map((values) => values.join(",")),
      fc
        .tuple(fc.integer({ min: low, max: high }), fc.integer({ min: low, max: high }))
        .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    );

  it("agrees with node-cron where no clock changes (UTC)", () => {
    const expression = fc.tuple(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7), fc.boolean());
    fc.assert(
      fc.property(expression, fc.integer({ min: 0, max: 1800 }), ([minute, hour, day, month, weekday, byDay], days) => {
        const cron = byDay ? `${minute} ${hour} ${day} ${month} *` : `${minute} ${hour} * ${month} ${weekday}`;
        const from = Date.UTC(2024, 0, 1) + days * 86_400_000 + 1;
        const task = createTask(cron, () => {}, { timezone: "UTC" });
        const mine = nextSlots({ cron }, "UTC", from, 20);
        for (const slot of mine) {
          if (!task.match(new Date(slot.utcMs))) return false;
        }
        // Nothing between them matches either: every minute of the first day or so.
        const keys = new Set(mine.map((slot) => slot.utcMs));
        const last = Math.min(mine.at(-1)?.utcMs ?? from, from + 86_400_000);
        for (let at = Math.ceil(from / 60_000) * 60_000; at <= last; at += 60_000) {
          if (task.match(new Date(at)) !== keys.has(at)) return false;
        }
        return true;
      }),
      { numRuns: 60, seed: 5 },
    );
  });
});

describe("weekly and monthly", () => {
  it("take their days", () => {
    expect(
      lines({ weekly: { on: ["mon", "thu"], at: "06:00" } }, "Europe/Berlin", "2026-11-20T00:00Z", "2026-11-30T06:00Z"),
    ).toEqual(["2026-11-23 2026-11-23T05:00Z", "2026-11-26 2026-11-26T05:00Z", "2026-11-30 2026-11-30T05:00Z"]);
  });

  it("put the 29th to 31st on the last day of shorter months, once", () => {
    const monthly = { monthly: { on: [30, 31], at: "06:00" } } as Schedule;
    expect(lines(monthly, "UTC", "2028-01-15T00:00Z", "2028-05-01T00:00Z")).toEqual([
      "2028-01-30 2028-01-30T06:00Z",
      "2028-01-31 2028-01-31T06:00Z",
      "2028-02-29 2028-02-29T06:00Z month-end",
      "2028-03-30 2028-03-30T06:00Z",
      "2028-03-31 2028-03-31T06:00Z",
      "2028-04-30 2028-04-30T06:00Z",
    ]);
  });

  it("know the last day and the last business day", () => {
    const days = (on: "last" | "last-business-day"): string[] =>
      nextSlots({ monthly: { on, at: "23:00" } }, "UTC", ms("2026-01-01T00:00Z"), 12).map((slot) => slot.runKey.slice(5));
    expect(days("last").slice(0, 3)).toEqual(["01-31", "02-28", "03-31"]);
    expect(days("last-business-day")).toEqual([
      "01-30",
      "02-27",
      "03-31",
      "04-30",
      "05-29",
      "06-30",
      "07-31",
      "08-31",
      "09-30",
      "10-30",
      "11-30",
      "12-31",
    ]);
  });
});

describe("a range of slots", () => {
  it("begins after its start and holds its end", () => {
    const daily: Schedule = { daily: "06:00" };
    expect(lines(daily, "UTC", "2026-11-20T06:00Z", "2026-11-21T06:00Z")).toEqual(["2026-11-21 2026-11-21T06:00Z"]);
    expect(lines(daily, "UTC", "2026-11-21T06:00Z", "2026-11-21T06:00Z")).toEqual([]);
  });

  it("refuses what is no date, and a range that runs backwards", () => {
    expect(() => slotsOnDates({ daily: "06:00" }, "UTC", "2026-02-30", "2026-03-01")).toThrow('"2026-02-30" is no date');
    expect(() => slotsOnDates({ daily: "06:00" }, "UTC", "2026-03-02", "2026-03-01")).toThrow(
      "2026-03-02 comes after 2026-03-01",
    );
  });

  const schedules: fc.Arbitrary<Schedule> = fc.constantFrom<Schedule>(
    { daily: "02:30" },
    { daily: "00:00" },
    { weekly: { on: ["sun"], at: "02:00" } },
    { monthly: { on: [31, "last-business-day"], at: "01:15" } },
    { cron: "*/20 * * * *" },
    { cron: "15 1-3 * * *" },
    { cron: "0 0 29 2 *" },
  );
  const zones = fc.constantFrom(
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "Australia/Lord_Howe",
    "America/Nuuk",
    "Africa/Casablanca",
    "Asia/Kathmandu",
  );

  it("is the same however it is cut, and the newest before an instant is the last of what leads to it", () => {
    fc.assert(
      fc.property(
        schedules,
        zones,
        fc.integer({ min: 0, max: 1_800 * 96 }),
        fc.integer({ min: 1, max: 400 }),
        (schedule, zone, start, length) => {
          const from = Date.UTC(2024, 0, 1) + start * 900_000;
          const until = from + length * 900_000;
          const cut = from + Math.floor(length / 2) * 900_000;
          const all = [...slotsBetween(schedule, zone, from, until)];
          expect([...slotsBetween(schedule, zone, from, cut), ...slotsBetween(schedule, zone, cut, until)]).toEqual(all);
          expect(nextSlots(schedule, zone, from, all.length)).toEqual(all);
          expect(all.map((slot) => slot.utcMs)).toEqual(all.map((slot) => slot.utcMs).sort((a, b) => a - b));
          expect(new Set(all.map((slot) => slot.runKey)).size).toBe(all.length);
          if (all.length > 0) expect(previousSlot(schedule, zone, until + 1)?.utcMs).toBe(all.at(-1)!.utcMs);
        },
      ),
      { numRuns: 300, seed: 7 },
    );
  });
});

describe("fixed times, in a sample of the zones that change", () => {
  const zones = changingZones(16);

  it("finds zones to try", () => {
    expect(zones.length).toBeGreaterThan(4);
  });

  it.each(zones)("$timeZone: one slot per local date, strictly increasing", ({ timeZone, changes }) => {
    expect(checkFixedTimes(timeZone, changes)).toBeGreaterThan(4 * 1_826);
  });
});
