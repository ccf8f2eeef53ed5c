import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { describe, expect, it } from "vitest";
import { loadSignature } from "../../src/model/load-signature.ts";
import { checkRowAlignment } from "../../src/model/row-alignment.ts";
import type { SessionTensor } from "../../src/model/session.ts";
import { openSession } from "../../src/model/session.ts";
import { hasMaterial, type MaterialModel, model, models, usePrivateLocale } from "./material.ts";
import { float16Value, readTable, tensorData } from "./rows-of-csv.ts";

usePrivateLocale();

/** Enough rows to see every column vary; whole files are the business of the slow tests. */
const ROWS = 64;

/** Predictions of the first rows: per output, one list of elements per row. */
async function predict({ path, folder, about }: MaterialModel, rowLimit: number): Promise<Record<string, unknown[][]>> {
  const loaded = await loadSignature(path);
  const table = readTable(`${folder}/input.csv`);
  const step = about.fixed_batch ?? Math.min(rowLimit, table.rows.length);
  const rows = Math.floor(Math.min(rowLimit, table.rows.length) / step) * step;
  const session = await openSession(loaded, { threads: 1 });
  const names = loaded.signature.outputs.map(({ name }) => name);
  const predicted: Record<string, unknown[][]> = Object.fromEntries(names.map((name) => [name, []]));
  try {
    for (let rowStart = 0; rowStart < rows; rowStart += step) {
      const feeds: Record<string, SessionTensor> = {};
      for (const input of about.inputs) {
        const { type } = loaded.signature.inputs.find(({ name }) => name === input.name)!;
        feeds[input.name] = {
          type,
          dims: [step, ...input.row_shape],
          data: tensorData(table, input, type, rowStart, rowStart + step),
        };
      }
      const outputs = await session.run(feeds, names);
      checkRowAlignment(outputs, step);
      for (const [name, { type, data }] of Object.entries(outputs)) {
        const values =
          type === "float16" ? Array.from(data as Uint16Array, float16Value) : Array.from(data as ArrayLike<unknown>);
        const perRow = values.length / step;
        for (let row = 0; row < step; row++) predicted[name]!.push(values.slice(row * perRow, (row + 1) * perRow));
      }
    }
  } finally {
    await session.release();
  }
  return predicted;
}

function same(actual: unknown, expected: unknown): boolean {
  if (typeof actual === "number" && typeof expected === "number") {
    if (Object.is(actual, expected)) return true;
    return Math.abs(actual - expected) <= 1e-4 * Math.max(1, Math.abs(expected));
  }
  if (typeof expected === "boolean") return actual === Number(expected);
  return String(actual) === String(expected);
}

describe.skipIf(!hasMaterial)("predictions equal those of another runtime", () => {
  it.each(models("models").filter(({ about }) => about.runnable))("$name", async (entry) => {
    const predicted = await predict(entry, ROWS);
    const file = await asyncBufferFromFile(`${entry.folder}/expected.parquet`);
    const expected = await parquetReadObjects({ file, compressors, rowEnd: ROWS });
    for (const [name, rows] of Object.entries(predicted)) {
      expect(rows.length).toBeGreaterThan(0);
      for (const [row, actual] of rows.entries()) {
        const cell: unknown = expected[row]![name];
        const wanted = Array.isArray(cell) ? cell.flat(Number.POSITIVE_INFINITY) : [cell];
        const equal = actual.length === wanted.length && actual.every((value, index) => same(value, wanted[index]));
        if (!equal) expect.fail(`${name}, row ${row}: got ${actual.slice(0, 8)}, expected ${wanted.slice(0, 8)}`);
      }
    }
  });
});

describe.skipIf(!hasMaterial)("models whose outputs do not follow the rows", () => {
  it.each(["rows_shrink_nonzero", "extdata_web_pad", "strnorm_drops_a_row"])(
    "%s is refused by the shapes of a run",
    async (name) => {
      await expect(predict(model(name), ROWS)).rejects.toMatchObject({ code: "BP_MODEL_ROWS" });
    },
  );
});
