/**
 * SIGKILL at random moments, again and again, until the run is done: what comes out is the output of an undisturbed run. 30 kills per
 * output here; `npm run test:crash` makes 500 (BATCHPREDICT_CRASH) over runs of 200,000 rows. BATCHPREDICT_CRASH_SEED repeats the draws.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { badRows, CASES, contentOf, leftovers, makeInput, prepare } from "./crash-cases.ts";
import { emptyTally, killsOf, live, measure, seeded, type Tally } from "./lives.ts";

const long = process.env.BATCHPREDICT_CRASH !== undefined;
const ROWS = long ? 200_000 : 20_000;
const KILLS = Number(process.env.BATCHPREDICT_CRASH || 30);
const SEED = Number(process.env.BATCHPREDICT_CRASH_SEED ?? Math.floor(Math.random() * 2 ** 32));
/** Outputs that are worked on at the same time. */
const AT_ONCE = Number(process.env.BATCHPREDICT_CRASH_AT_ONCE ?? 2);
const GIVEN = {
  args: ["--chunk-bytes", long ? "48KiB" : "16KiB"],
  env: { BATCHPREDICT_COMMIT_ROWS: long ? "2000" : "500" },
};
const NAMES = ["SQLite append", "SQLite replace", "SQLite upsert", "Parquet", "CSV", ...(long ? ["SQLite new", "Arrow"] : [])];

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "batchpredict-kills-"));
  makeInput(path.join(folder, "in.csv"), ROWS);
  process.stderr.write(`random kills: BATCHPREDICT_CRASH_SEED=${SEED}\n`);
});
afterAll(() => {
  if (process.env.BATCHPREDICT_CRASH_KEEP !== "1") fs.rmSync(folder, { recursive: true, force: true });
});

describe.each(CASES.filter(({ name }) => NAMES.includes(name)))("$name", (made) => {
  it(
    "killed at random and gone on with is the output of an undisturbed run",
    async () => {
      const given = { input: path.join(folder, "in.csv"), ...GIVEN };
      const place = path.join(folder, made.name.replace(" ", "-"));
      const [before, calmly] = [`${place}-before`, `${place}-calm`];
      fs.mkdirSync(before);
      await prepare(before, made);
      fs.cpSync(before, calmly, { recursive: true });
      const calm = await measure(calmly, made, given);
      const expected = await contentOf(calmly, made);
      const tally = emptyTally();
      const wanted = (): number => KILLS - killsOf(tally);
      let lives = 0;
      const next = async (): Promise<void> => {
        while (wanted() > 0) {
          const here = `${place}-${lives}`;
          const random = seeded(SEED + 1000 * CASES.indexOf(made) + lives++);
          fs.cpSync(before, here, { recursive: true });
          const told = await live({ made, folder: here, given, calm, random, tally, wanted, stride: long ? 0.15 : 0.3 });
          const rejected = badRows(ROWS);
          expect(told.rows, here).toEqual({ read: ROWS, predicted: ROWS - rejected, rejected });
          expect(await contentOf(here, made), here).toEqual(expected);
          expect(leftovers(here), here).toEqual([]);
          fs.rmSync(here, { recursive: true });
          // A run of hours says how far it is.
          if (long) tell(made.name, tally);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, next));
      if (!long) tell(made.name, tally);
      expect(killsOf(tally)).toBeGreaterThanOrEqual(KILLS);
      expect(tally.resumes).toBeGreaterThan(0);
    },
    12 * 3_600_000,
  );
});

function tell(name: string, tally: Tally): void {
  const { kills, resumes, tooLate, outputs } = tally;
  const phases = Object.entries(kills).map(([phase, count]) => `${count} ${phase}`);
  process.stderr.write(
    `${name}: ${killsOf(tally)} kills of a living run (${phases.join(", ")}); ${resumes} resumes, ` +
      `${tooLate} were done before their kill, ${outputs} outputs equal to the undisturbed one\n`,
  );
}
