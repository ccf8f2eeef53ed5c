/** Random tables, written by our sinks and read by our sources: the same values, and the same model inputs from all four formats. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, it } from "vitest";
import { checkRoundTrips } from "../conformance/round-trip.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "batchpredict-trip-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("a thousand random tables come back, and feed models alike, from CSV, JSON Lines, Arrow and Parquet", async () => {
  await checkRoundTrips(folder, 1000);
});
