/** A process that dies at each of the named places, once per output: what comes out in the end is what an undisturbed run gives. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FAILPOINTS } from "../../src/core/failpoint.ts";
import { badRows, CASES, type CrashCase, contentOf, leftovers, makeInput, prepare, run } from "./crash-cases.ts";

/** 17 chunks, 7 units: what a place needs is to be passed, not to be passed often. */
const ROWS = 2_400;
const COUNTS = { read: ROWS, predicted: ROWS - badRows(ROWS), rejected: badRows(ROWS) };
const GIVEN = { args: ["--chunk-bytes", "4KiB", "--workers", "1"], env: { BATCHPREDICT_COMMIT_ROWS: "320" } };
/** On the way, where a place is passed many times, the process dies in the middle of the run: at which time. */
const LATER: Record<string, number> = {
  "chunk-handed-out": 14,
  "worker-decoded": 12,
  "worker-done": 12,
  "chunk-accounted": 12,
  "sink-took": 12,
  "commit-begun": 3,
  "commit-written": 3,
  "commit-done": 3,
};
/** Two runs of a second each; a hang is told, a machine that has more to do is not. */
const HANG_MS = 600_000;
/** Each format and each way of writing a table; the rest with `npm run test:crash`. */
const TRIED = CASES.filter(({ name }) => process.env.BATCHPREDICT_CRASH || name !== "CSV append");
/** Places outside the sink are the same for every table; a new database alone has a transaction open while its rows come. */
const SAMPLES: Record<string, (place: string) => boolean> = {
  "SQLite new": (place) => ["sink-took", "commit-begun", "commit-written"].includes(place),
};

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "batchpredict-failpoints-"));
  makeInput(path.join(folder, "in.csv"), ROWS);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe.each(TRIED)("$name", (made: CrashCase) => {
  const given = (env: Record<string, string> = {}): Parameters<typeof run>[2] => ({
    input: path.join(folder, "in.csv"),
    args: GIVEN.args,
    env: { ...GIVEN.env, ...env },
  });
  const place = (name: string): string => path.join(folder, made.name.replace(" ", "-"), name);
  const rowsIn = (at: string): number => {
    const db = new Database(path.join(at, made.output));
    const count = db.prepare("SELECT count(*) FROM predictions").pluck().get() as number;
    db.close();
    return count;
  };
  let before: Record<string, unknown> | null = null;
  let expected: Record<string, unknown>;

  beforeAll(async () => {
    fs.mkdirSync(place("before"), { recursive: true });
    await prepare(place("before"), made);
    if (made.before) before = await contentOf(place("before"), made);
    fs.cpSync(place("before"), place("undisturbed"), { recursive: true });
    const ended = await run(place("undisturbed"), made, given());
    expect(ended.stderr + ended.code).toMatch(/0$/);
    expect(ended.told?.rows).toEqual(COUNTS);
    expected = await contentOf(place("undisturbed"), made);
  }, HANG_MS);

  const sample = (!process.env.BATCHPREDICT_CRASH && SAMPLES[made.name]) || (() => true);
  it.concurrent.each(FAILPOINTS.filter(sample))(
    "killed at %s: the same output, nothing twice, nothing left",
    async (name) => {
      const here = place(name);
      fs.cpSync(place("before"), here, { recursive: true });
      const killed = await run(here, made, given({ BATCHPREDICT_FAILPOINT: `${name}:${LATER[name] ?? 1}` }));
      expect({ signal: killed.signal, said: killed.stderr }).toMatchObject({ signal: "SIGKILL" });
      const adds = made.name === "SQLite append" || made.name === "SQLite upsert";
      const visible = ["published", "told", ...(made.output.endsWith(".db") ? ["publish-rejects"] : [])].includes(name);
      // Staging tables stand beside the old one, and rejects of a file are out a moment before it.
      const early = {
        tables: before?.tables && expect.any(String),
        ...(name === "publish-rejects" ? { rejected: expect.any(String) } : {}),
      };
      if (before !== null && !adds && !visible) expect(await contentOf(here, made)).toEqual({ ...before, ...early });
      if (before === null && !visible) expect(fs.existsSync(path.join(here, made.output))).toBe(false);
      const shown = made.name === "SQLite append" ? rowsIn(here) - rowsIn(place("before")) : 0;
      const ended = await run(here, made, given());
      expect({ code: ended.code, said: ended.stderr.includes("error") ? ended.stderr : "" }).toEqual({ code: 0, said: "" });
      expect(ended.told!.rows).toEqual(COUNTS);
      const from = ended.told!.resumed_from_row ?? 0;
      if (name in LATER) expect(from).toBeGreaterThan(0);
      // Rows that were added could be seen, and those alone were gone on behind.
      if (made.name === "SQLite append" && !visible) expect(shown).toBe(from - badRows(from));
      expect(await contentOf(here, made)).toEqual(expected);
      expect(leftovers(here)).toEqual([]);
    },
    HANG_MS,
  );

  it.concurrent.each(["drop-chunk", "drop-result-rows", "drop-batch", "drop-sink-rows"])(
    "a batch that is lost (%s) fails the run, and the output is as it was",
    async (name) => {
      const here = place(name);
      fs.cpSync(place("before"), here, { recursive: true });
      const ended = await run(here, made, given({ BATCHPREDICT_FAILPOINT: `${name}:5` }));
      expect(ended.code).toBe(1);
      expect(JSON.parse(ended.stdout)).toMatchObject({ status: "failed", error: { code: "BP_ACCOUNTING" } });
      if (before !== null) expect(await contentOf(here, made)).toEqual(before);
      expect(fs.readdirSync(here).filter((entry) => entry !== "state")).toEqual(
        fs.readdirSync(place("before")).filter((entry) => entry !== "state"),
      );
    },
    HANG_MS,
  );
});
