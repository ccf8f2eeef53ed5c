/** Every zone that changes its offset in 2024-2028: fixed times have exactly one slot per local date, strictly increasing. */
import { describe, expect, it } from "vitest";
import { checkFixedTimes } from "../schedule/zone-law.ts";
import { changingZones } from "../schedule/zones.ts";

const zones = changingZones();

describe("fixed times in every zone that changes", () => {
  it("finds them all", () => {
    console.log(`${zones.length} zones with ${zones.reduce((sum, { changes }) => sum + changes.length, 0)} changes`);
    expect(zones.length).toBeGreaterThan(100);
  });

  it.each(zones)("$timeZone", ({ timeZone, changes }) => {
    expect(checkFixedTimes(timeZone, changes)).toBeGreaterThan(4 * 1_826);
  });
});
