/**
 * No room for the output, at any point of its life: exit 1, the output is named and how much is needed is said, the old output is as
 * it was, and when there is room again the same command goes on to what an undisturbed run gives. By a limit on the size of files;
 * test/cli/full-disk.test.ts fills a real small disk.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CASES, type CrashCase, contentOf, leftovers, makeInput, prepare, run } from "../crash/crash-cases.ts";

const ROWS = 9_000;
const CHUNKS = ["--chunk-bytes", "8KiB", "--workers", "1"];
/** Parts of what the whole output takes: before its first byte, in its middle, at its last bytes. */
const POINTS = [0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.97];
const IN_CI: Record<string, number[]> = { Parquet: [0, 0.55], "SQLite append": [0.7] };
const TRIED = CASES.map((made) => ({ made, points: process.env.BATCHPREDICT_FAULTS ? POINTS : (IN_CI[made.name] ?? []) }));

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "batchpredict-no-room-"));
  makeInput(path.join(folder, "in.csv"), ROWS);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe.skipIf(process.platform === "win32").each(TRIED.filter(({ points }) => points.length > 0))(
  "$made.name",
  ({ made, points }) => {
    const place = (name: string): string => path.join(folder, made.name.replace(" ", "-"), name);
    const given = (): { input: string; args: string[] } => ({ input: path.join(folder, "in.csv"), args: CHUNKS });
    let expected: unknown;
    let bytes: number;
    beforeAll(async () => {
      fs.mkdirSync(place("before"), { recursive: true });
      await prepare(place("before"), made);
      fs.cpSync(place("before"), place("whole"), { recursive: true });
      const ended = await run(place("whole"), made, given());
      expect(ended.stderr + ended.code).toMatch(/0$/);
      expected = await contentOf(place("whole"), made);
      bytes = fs.statSync(path.join(place("whole"), made.output)).size;
    });

    it.each(points)("full at %d of what it needs", async (part) => {
      const here = place(`at-${part}`);
      fs.cpSync(place("before"), here, { recursive: true });
      const output = path.join(here, made.output);
      const old = made.before ? fs.statSync(output).size : 0;
      const limit = Math.floor((part === 0 ? 0 : old + part * (bytes - old)) / 1024);
      const full = await run(here, made, { ...given(), maxFileKiB: limit });
      // The history of runs has no room either, and says so in a line of its own.
      const [said, where, ...more] = full.stderr
        .split("\n")
        .filter((line) => !line.startsWith("warning: this run is not in the history"));
      expect(said).toMatch(/^error BP_DISK_FULL: no space left to write /);
      expect(said).toContain(output);
      expect(where).toBe(`  at ${output}`);
      expect(more.join("\n")).toMatch(
        /\n {2}fix: about \d+ MiB (more )?are needed for (the rest of the rows|(the other )?\d+ rows)\n/,
      );
      expect(more.join("\n")).toContain("\n  fix: free some space");
      expect(full.code).toBe(1);
      expectOld(here, made, place("before"));
      if (part === 0) expect(leftovers(here)).toEqual([]);
      const ended = await run(here, made, given());
      expect({ code: ended.code, said: ended.stderr.includes("error") ? ended.stderr : "" }).toEqual({ code: 0, said: "" });
      if (part >= 0.4) expect(ended.told!.resumed_from_row).toBeGreaterThan(0);
      expect(await contentOf(here, made)).toEqual(expected);
      expect(leftovers(here)).toEqual([]);
    });
  },
);

/** A file byte for byte; of a database the rows that were there, which other programs see. */
function expectOld(here: string, { output, before, flags }: CrashCase, then: string): void {
  if (before === undefined) {
    expect(fs.existsSync(path.join(here, output))).toBe(false);
    return;
  }
  if (!output.endsWith(".db")) {
    expect(fs.readFileSync(path.join(here, output)).equals(fs.readFileSync(path.join(then, output)))).toBe(true);
    return;
  }
  const rows = (file: string): unknown[] => {
    const db = new Database(file, { readonly: true });
    try {
      expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
      return db.prepare("SELECT * FROM predictions ORDER BY rowid").all();
    } finally {
      db.close();
    }
  };
  const [now, old] = [rows(path.join(here, output)), rows(path.join(then, output))];
  // Added and renewed rows may be there as far as they are committed; the old ones are.
  if (flags.includes("replace")) expect(now).toEqual(old);
  else expect(now.slice(0, old.length).map(idOf)).toEqual(old.map(idOf));
}

function idOf(row: unknown): unknown {
  return (row as { id: unknown }).id;
}
