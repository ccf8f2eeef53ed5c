/** Random tables, written by our sinks and read by our sources: the same values, and the same model inputs from all four formats. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { tableFromIPC } from "apache-arrow";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { run } from "../../src/index.ts";
import { linearModel } from "../onnx-builder.ts";
import { randomTable } from "./random-table.ts";
import { checkRoundTrips, FORMATS, write } from "./round-trip.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "batchpredict-trip-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("five random tables come back, and feed models alike, from CSV, JSON Lines, Arrow and Parquet", async () => {
  await checkRoundTrips(folder, 5);
});

it("a random table gives the same predictions from all four formats", async () => {
  const model = path.join(folder, "linear.onnx");
  writeFileSync(model, linearModel({ weights: [0.5, -2, 1e-3, 3], bias: 1 }));
  const [columns] = fc.sample(randomTable, 1);
  const predictions: unknown[][] = [];
  for (const format of FORMATS) {
    const output = path.join(folder, `${format} scores.arrow`);
    const input = await write(folder, format, columns!);
    const { rows } = await run({ model, input, output, features: ["f32", "i16", "u32", "f64"], keep: [] });
    const scores = tableFromIPC(readFileSync(output));
    expect(rows).toEqual({ read: scores.numRows, predicted: columns!.i8!.length, rejected: 0 });
    predictions.push([...scores.getChild("y")!]);
  }
  expect(predictions).toEqual(FORMATS.map(() => predictions[0]));
});
