/**
 * The zone of the machine decides nothing: not slots, not keys, not templates, not what is shown. `TZ=Asia/Tokyo npx vitest run --config
 * test/vitest.config.ts test/schedule` runs the whole suite in another zone.
 */
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nextSlots, previousSlot, slotsOnDates } from "../../src/schedule/slots.ts";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { prepareJobs, writeJob } from "./job-files.ts";

const ZONES = ["UTC", "Asia/Tokyo", "America/New_York"];

describe.each(ZONES)("on a machine in %s", (zone) => {
  let dir: Workdir;
  const before = process.env.TZ;
  beforeAll(() => {
    process.env.TZ = zone;
    dir = workdir();
    prepareJobs(dir);
    writeJob(dir, "daily", ['schedule: {daily: "02:30"}', "timezone: Europe/Berlin"]);
  });
  afterAll(() => {
    dir.remove();
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  });

  it("the calendar is the job's", () => {
    expect(new Date(0).getTimezoneOffset()).toBe({ UTC: 0, "Asia/Tokyo": -540, "America/New_York": 300 }[zone]);
    const at = (schedule: Parameters<typeof nextSlots>[0], timeZone: string, from: string) =>
      new Date(nextSlots(schedule, timeZone, Date.parse(from), 1)[0]!.utcMs).toISOString();
    expect(at({ daily: "02:30" }, "America/New_York", "2026-03-08T05:00Z")).toBe("2026-03-08T07:00:00.000Z");
    expect(at({ daily: "02:30" }, "Europe/Berlin", "2026-10-24T12:00Z")).toBe("2026-10-25T00:30:00.000Z");
    expect(at({ daily: "00:00" }, "America/Havana", "2026-03-07T12:00Z")).toBe("2026-03-08T05:00:00.000Z");
    expect(at({ daily: "02:15" }, "Australia/Lord_Howe", "2026-10-03T12:00Z")).toBe("2026-10-03T15:30:00.000Z");
    expect(at({ cron: "30 2 * * *" }, "Asia/Tokyo", "2026-03-08T05:00Z")).toBe("2026-03-08T17:30:00.000Z");
    expect(at({ monthly: { on: "last", at: "23:59" } }, "UTC", "2026-02-01T00:00Z")).toBe("2026-02-28T23:59:00.000Z");
    expect(previousSlot({ daily: "02:30" }, "Europe/Berlin", Date.parse("2026-10-25T00:30Z"))?.runKey).toBe("2026-10-24");
    expect(slotsOnDates({ daily: "00:30" }, "Asia/Tokyo", "2026-03-08", "2026-03-08")[0]?.localTime).toBe("2026-03-08T00:30");
  });

  it("the binary shows and writes the job's dates", async () => {
    const next = ["jobs", "next", "daily", "-n", "2", "--from", "2026-10-24T12:00:00Z", "--json"];
    expect((await batchpredict(next, { cwd: dir.path })).json()).toMatchObject([
      { logical_date: "2026-10-25", local: "2026-10-25T02:30:00+02:00", utc: "2026-10-25T00:30:00Z" },
      { logical_date: "2026-10-26", local: "2026-10-26T02:30:00+01:00", utc: "2026-10-26T01:30:00Z" },
    ]);
    expect((await batchpredict(["jobs", "run", "daily", "--date", "2026-10-25"], { cwd: dir.path })).code).toBe(0);
    expect(readdirSync(dir.file("out"))).toEqual(["daily-2026-10-25.csv"]);
  });
});
