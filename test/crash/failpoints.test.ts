/** A process that dies at each of the named places, once per output: what comes out in the end is what an undisturbed run gives. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FAILPOINTS } from "../../src/core/failpoint.ts";
import { CASES, type CrashCase, contentOf, leftovers, makeInput, prepare, run } from "./crash-cases.ts";

const ROWS = 9_000;
const CHUNKS = ["--chunk-bytes", "8KiB", "--workers", "1"];
/** On the way, where a place is passed many times, the process dies in the middle of the run: at which time. */
const LATER: Record<string, number> = {
  "chunk-handed-out": 20,
  "worker-decoded": 20,
  "worker-done": 20,
  "chunk-accounted": 20,
  "sink-took": 20,
  "commit-begun": 3,
  "commit-written": 3,
  "commit-done": 3,
};
/** One output of each format; all ways of writing with `npm run test:crash`. */
const TRIED = CASES.filter(
  ({ name }) => process.env.BATCHPREDICT_CRASH || ["Parquet", "CSV append", "Arrow", "SQLite append"].includes(name),
);

/** Every place for Parquet, every fifth for the others; all of them for all with `npm run test:crash`. */
function pointsFor({ name }: CrashCase): string[] {
  return FAILPOINTS.filter((_, at) => process.env.BATCHPREDICT_CRASH || name === "Parquet" || at % 5 === 2);
}

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "batchpredict-failpoints-"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe.each(TRIED)("$name, killed at", (made: CrashCase) => {
  let expected: unknown;
  let before: unknown = null;
  const place = (name: string): string => path.join(folder, made.name.replace(" ", "-"), name);

  beforeAll(async () => {
    fs.mkdirSync(place("undisturbed"), { recursive: true });
    makeInput(place("in.csv"), ROWS);
    fs.mkdirSync(place("before"));
    await prepare(place("before"), made);
    if (made.before) before = fs.readFileSync(path.join(place("before"), made.output));
    fs.cpSync(place("before"), place("undisturbed"), { recursive: true });
    const ended = await run(place("undisturbed"), made, { input: place("in.csv"), args: CHUNKS });
    expect(ended.stderr + ended.code).toMatch(/0$/);
    expected = await contentOf(place("undisturbed"), made);
  });

  it.each(pointsFor(made))("%s: the same output, nothing twice, nothing left", async (name) => {
    const here = place(name);
    fs.cpSync(place("before"), here, { recursive: true });
    const given = { input: place("in.csv"), args: CHUNKS };
    const spec = `${name}:${LATER[name] ?? 1}`;
    const killed = await run(here, made, { ...given, env: { BATCHPREDICT_FAILPOINT: spec } });
    expect({ signal: killed.signal, said: killed.stderr }).toMatchObject({ signal: "SIGKILL" });
    if (before !== null && !made.output.endsWith(".db") && !["published", "told"].includes(name))
      expect(fs.readFileSync(path.join(here, made.output)).equals(before as Buffer)).toBe(true);
    const ended = await run(here, made, given);
    expect({ code: ended.code, said: ended.stderr.includes("error") ? ended.stderr : "" }).toEqual({ code: 0, said: "" });
    expect(ended.told!.rows).toEqual({ read: ROWS, predicted: ROWS - 22, rejected: 22 });
    if (name in LATER) expect(ended.told!.resumed_from_row).toBeGreaterThan(0);
    expect(await contentOf(here, made)).toEqual(expected);
    expect(leftovers(here)).toEqual([]);
  });
});

describe("a batch that is lost on its way", () => {
  it.each(["drop-result-rows", "drop-batch", "drop-sink-rows"])(
    "(%s) fails the run, whatever the output, and nothing appears",
    async (name) => {
      for (const made of CASES.filter((one) => one.before === undefined)) {
        const here = path.join(folder, `lost-${name}-${made.output}`);
        fs.mkdirSync(here);
        makeInput(path.join(here, "in.csv"), ROWS);
        const ended = await run(here, made, { args: CHUNKS, env: { BATCHPREDICT_FAILPOINT: `${name}:3` } });
        expect(ended.code).toBe(1);
        expect(JSON.parse(ended.stdout)).toMatchObject({ status: "failed", error: { code: "BP_ACCOUNTING" } });
        expect(fs.readdirSync(here).filter((entry) => entry !== "in.csv" && entry !== "state")).toEqual([]);
      }
    },
  );
});
