/**
 * A run that dies at 95 % and is gone on with does less than a tenth of the rows again. Two million rows of twenty columns, and of two, with
 * units and chunks of the real size with `npm run test:crash`; here a fortieth of everything: rows, chunks, units.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunSummary } from "../../src/core/events.ts";
import { COMMIT_ROWS } from "../../src/run/memory-plan.ts";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { BIAS, COLUMNS, WEIGHTS, writeRows } from "../long/made-rows.ts";
import { linearModel } from "../onnx-builder.ts";

const long = process.env.BATCHPREDICT_CRASH !== undefined;
const SCALE = long ? 1 : 40;
const ROWS = 2_000_000 / SCALE;
const SMALLER = long ? [] : ["--chunk-bytes", String(Math.round(2 ** 20 / SCALE))];
const UNITS: Record<string, string> = long ? {} : { BATCHPREDICT_COMMIT_ROWS: String(Math.round(COMMIT_ROWS / SCALE)) };
const OUTPUTS = long ? ["csv", "parquet", "db", "arrow", "jsonl"] : ["csv", "parquet", "db"];
/** Of one feature, rows are so narrow that a chunk of the usual bytes would be 70,000 of them. */
const INPUTS = { wide: COLUMNS, ...(long ? { narrow: 1 } : {}) };
const DIES_AT = 0.95;
const MAX_REDONE = 0.1;
const HANG_MS = 30 * 60_000;

let dir: Workdir;
beforeAll(async () => {
  dir = workdir();
  for (const [name, columns] of Object.entries(INPUTS)) {
    fs.writeFileSync(dir.file(`${name}.onnx`), linearModel({ weights: WEIGHTS.slice(0, columns), bias: BIAS }));
    await writeRows(dir.file(`${name}.csv`), ROWS, columns);
  }
}, HANG_MS);
afterAll(() => dir.remove());

function score(input: string, output: string, env: Record<string, string> = {}): ReturnType<typeof batchpredict> {
  const args = ["run", "-m", `${input}.onnx`, "-i", `${input}.csv`, "--features", "f*", "--keep", "id", "-o", output];
  args.push("--workers", "2", ...SMALLER, "--json", "--quiet");
  return batchpredict(args, { cwd: dir.path, env: { ...UNITS, ...env } });
}

const digest = (output: string): string =>
  createHash("sha256")
    .update(fs.readFileSync(dir.file(output)))
    .digest("hex");

const CASES = Object.keys(INPUTS).flatMap((input) => OUTPUTS.map((ending) => [input, ending] as const));

describe.each(CASES)(`${ROWS} %s rows to .%s`, (input, ending) => {
  it(
    "does less than a tenth of the rows again",
    async () => {
      const calm = await score(input, `calm.${ending}`);
      expect(calm.stderr + calm.code).toMatch(/0$/);
      const { chunks } = calm.json<RunSummary>().stages!;
      expect(chunks).toBeGreaterThan(input === "narrow" ? 30 : 50);
      const dies = Math.round(chunks * DIES_AT);
      const output = `killed.${ending}`;
      const killed = await score(input, output, { BATCHPREDICT_FAILPOINT: `chunk-accounted:${dies}` });
      expect(killed.signal).toBe("SIGKILL");
      const ended = await score(input, output);
      expect(ended.stderr + ended.code).toMatch(/0$/);
      const { rows, resumed_from_row } = ended.json<RunSummary>();
      expect(rows).toEqual({ read: ROWS, predicted: ROWS, rejected: 0 });
      const accounted = (ROWS * dies) / chunks;
      const redone = (accounted - resumed_from_row!) / ROWS;
      console.log(
        `${input} ${output}: died when ${Math.round(accounted)} rows were done, went on from ${resumed_from_row}: ${(100 * redone).toFixed(1)} % again`,
      );
      expect(redone).toBeLessThan(MAX_REDONE);
      if (ending === "csv" || ending === "jsonl") expect(digest(output)).toBe(digest(`calm.${ending}`));
      for (const name of [output, `calm.${ending}`]) fs.rmSync(dir.file(name));
    },
    HANG_MS,
  );
});
