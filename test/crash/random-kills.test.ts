/** SIGKILL at random moments, again and again, until the run is done. A few kills here; `npm run test:crash` makes hundreds over 200,000 rows. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CASES, contentOf, leftovers, makeInput, prepare, run } from "./crash-cases.ts";

const long = process.env.BATCHPREDICT_CRASH !== undefined;
const ROWS = long ? 200_000 : 10_000;
const KILLS = Number(process.env.BATCHPREDICT_CRASH || 1);
const CHUNKS = ["--chunk-bytes", "32KiB"];

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "batchpredict-kills-"));
  makeInput(path.join(folder, "in.csv"), ROWS);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Of each format one, in the short version. */
const TRIED = CASES.filter(({ name }) => long || ["Parquet", "CSV append", "Arrow", "SQLite append"].includes(name));

describe.each(TRIED)("$name", (made) => {
  it(
    "killed at random and gone on with is the output of an undisturbed run",
    async () => {
      const place = path.join(folder, made.name.replace(" ", "-"));
      const given = { input: path.join(folder, "in.csv"), args: CHUNKS };
      const [before, calm] = [`${place}-before`, `${place}-calm`];
      fs.mkdirSync(before);
      await prepare(before, made);
      fs.cpSync(before, calm, { recursive: true });
      const started = performance.now();
      expect((await run(calm, made, given)).code).toBe(0);
      const wholeMs = performance.now() - started;
      const expected = await contentOf(calm, made);
      let kills = 0;
      let resumed = 0;
      for (let round = 0; kills < KILLS && round < KILLS * 4 + 4; round++) {
        const here = `${place}-${round}`;
        fs.cpSync(before, here, { recursive: true });
        for (let attempt = 0; ; attempt++) {
          // The last attempts are left alone, so that every round comes to its end.
          const killAfterMs = attempt < 4 ? wholeMs * (0.3 + 0.6 * Math.random()) : undefined;
          const ended = await run(here, made, killAfterMs === undefined ? given : { ...given, killAfterMs });
          if (ended.signal === "SIGKILL") kills++;
          if (ended.told?.resumed_from_row) resumed++;
          if (ended.told) {
            expect(ended.told.rows.read).toBe(ROWS);
            // Killed after its word, the process may leave its journal to the next run.
            if (ended.signal === null) expect(leftovers(here)).toEqual([]);
            break;
          }
          if (ended.signal === null) expect({ code: ended.code, said: ended.stderr }).toEqual({ code: 0, said: "" });
        }
        expect(await contentOf(here, made)).toEqual(expected);
        fs.rmSync(here, { recursive: true });
      }
      expect(kills).toBeGreaterThanOrEqual(KILLS);
      if (long) process.stderr.write(`${made.name}: ${kills} kills, ${resumed} resumed\n`);
    },
    6 * 3_600_000,
  );
});
