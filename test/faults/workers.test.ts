/** Predict workers that die in the middle of a run: the error names the chunk, the run ends, and the same command goes on. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { MODEL, writeFlowers } from "../cli/iris.ts";

const ROWS = 3_000;
/** Behind several commits of 500 rows. */
const FATAL_ROW = 2_000;

/** Dies at one row for as long as a file of this name lies there. `leak` fills the heap of its thread with real objects. */
const MODULE = `
import { existsSync } from "node:fs";
const kept = [];
export default function ({ rows, columns }) {
  if ([...columns.id].includes(${FATAL_ROW})) {
    while (existsSync("leak")) for (let i = 0; i < 100; i++) kept.push(Array.from({ length: 1000 }, (_, k) => ({ k })));
    if (existsSync("exit")) process.exit(7);
  }
  return { columns: { double: new Float64Array(rows) } };
}
`;

let dir: Workdir;
let input: string;
beforeAll(() => {
  dir = workdir();
  input = writeFlowers(dir, "in.csv", ROWS, (row, record) => [row, ...record.split(",").slice(1)].join(","));
  writeFileSync(dir.file("features.mjs"), MODULE);
  writeFileSync(
    dir.file("flowers.yaml"),
    `version: 1
name: flowers
model: {path: ${JSON.stringify(MODEL)}}
input: {path: in.csv}
transform: ./features.mjs
bind: {inputs: {features: [sepal_length, sepal_width, petal_length, petal_width]}}
keep: [id, double]
output: {path: out.csv, ifExists: replace}
`,
  );
});
afterAll(() => dir.remove());

const score = () =>
  batchpredict(["run", "./flowers.yaml", "--json", "--chunk-bytes", "4KiB", "--workers", "1"], {
    cwd: dir.path,
    env: { BATCHPREDICT_WORKER_HEAP_MB: "48", BATCHPREDICT_COMMIT_ROWS: "500" },
  });

interface Failed {
  error: { code: string; message: string; where: { file: string; byte: number }; actual: string };
}

describe("a worker", () => {
  it.each([
    ["leak", "BP_MEMORY_LIMIT", "a predict worker ran out of memory"],
    ["exit", "BP_WORKER_DIED", "a predict worker ended by itself (exit 7)"],
  ])(
    "that dies (%s) ends the run with its chunk, and the run goes on behind the last commit",
    async (way, code, message) => {
      writeFileSync(dir.file(way), "");
      const failed = await score();
      expect(failed.code, failed.stderr).toBe(1);
      const { error } = failed.json<Failed>();
      expect(error).toMatchObject({ code, message, where: { file: input } });
      const [from = 0, to = 0] = /^it was at bytes (\d+) to (\d+)$/.exec(error.actual)?.slice(1).map(Number) ?? [];
      expect(error.where.byte).toBe(from);
      const fatal = readFileSync(input, "utf8").indexOf(`\n${FATAL_ROW},`) + 1;
      expect([from <= fatal, fatal <= to, to - from < 8192]).toEqual([true, true, true]);

      rmSync(dir.file(way));
      const done = await score();
      expect(done.code, done.stderr).toBe(0);
      const { resumed_from_row: from_row, rows } = done.json<{ resumed_from_row: number; rows: { predicted: number } }>();
      expect(from_row).toBeGreaterThanOrEqual(500);
      expect(rows.predicted).toBe(ROWS);
      const ids = readFileSync(dir.file("out.csv"), "utf8")
        .trimEnd()
        .split("\n")
        .slice(1)
        .map((line) => Number(line.split(",")[0]));
      expect(ids).toEqual(Array.from({ length: ROWS }, (_, row) => row));
      rmSync(dir.file("out.csv"));
    },
    60_000,
  );
});
