/** The ai.onnx.ml node tests of ONNX's backend suite through the command line, their inputs as JSON Lines and as CSV. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { material } from "../corpora.ts";
import { readParquet } from "../parquet.ts";
import { flat, valuesDiffer } from "./compare.ts";

interface Tensor {
  dtype: string;
  shape: number[];
  data: unknown[];
}

interface Case {
  inputs: Record<string, Tensor>;
  outputs: Record<string, Tensor>;
}

const root = material("ONNX backend tests");
const folder = root === null ? null : path.join(root, "onnx_backend");
const tests = folder === null ? [] : readdirSync(folder).sort();

/** Inputs that are no table of rows, by test: the second input of the extractor says which columns to take. */
const CONSTANTS: Record<string, string[]> = { test_ai_onnx_ml_array_feature_extractor: ["y"] };

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
});
afterAll(() => dir.remove());

describe.skipIf(folder === null)("ai.onnx.ml node tests", () => {
  it("are all here", () => {
    expect(tests).toHaveLength(8);
  });

  for (const name of tests) {
    const { inputs, outputs } = readCase(path.join(folder!, name, "case_0.json"));
    const constants = CONSTANTS[name] ?? [];
    const fed = Object.entries(inputs).filter(([input]) => !constants.includes(input));
    const rows = fed[0]![1].shape[0]!;
    const model = path.join(folder!, name, "model.onnx");
    const fixed = constants.flatMap((input) => ["--const", `${input}=${JSON.stringify(inputs[input]!.data)}`]);

    const check = async (input: string, flags: string[]): Promise<void> => {
      const output = dir.file(`${path.basename(input)}.parquet`);
      const finished = await batchpredict(["run", "-m", model, "-i", input, ...fixed, ...flags, "--keep", "none", "-o", output]);
      expect(finished.stderr).not.toContain("error BP_");
      expect(finished.code).toBe(0);
      const got = await readParquet(output);
      expect(got).toHaveLength(rows);
      for (const [outputName, { data }] of Object.entries(outputs)) {
        for (const [row, expected] of data.entries()) {
          const columns = Object.keys(got[row]!).filter((column) => column === outputName || column.startsWith(`${outputName}_`));
          expect(
            valuesDiffer(columns.flatMap((column) => flat(got[row]![column])).map(plain), flat(expected)),
            `${outputName} row ${row}`,
          ).toBeNull();
        }
      }
    };

    it(`${name}: JSON Lines, an array per row`, async ({ task }) => {
      const operator = name.replace("test_ai_onnx_ml_", "");
      task.meta.model = {
        from: "onnx_backend",
        name,
        exporter: "ONNX backend suite",
        features: [`ai.onnx.ml node test: ${operator}`],
        result: "equal",
      };
      const input = dir.file(`${name}.jsonl`);
      const records = Array.from({ length: rows }, (_, row) =>
        JSON.stringify(Object.fromEntries(fed.map(([input, { data }]) => [input, flat(data[row]).map(noNan)]))).replaceAll(
          '"NaN"',
          "NaN",
        ),
      );
      const scalar = fed.every(([, { shape }]) => shape.length === 1);
      writeFileSync(
        input,
        `${(scalar ? records.map((record) => record.replace("[", "").replace("]", "")) : records).join("\n")}\n`,
      );
      await check(input, []);
    });

    it(`${name}: CSV, a column per element`, async () => {
      const input = dir.file(`${name}.csv`);
      const columns = fed.flatMap(([input, { shape }]) => flat(Array(elements(shape)).fill(0)).map((_, k) => `${input}_${k}`));
      const records = Array.from({ length: rows }, (_, row) => fed.flatMap(([, { data }]) => flat(data[row])).join(","));
      writeFileSync(input, `${columns.join(",")}\n${records.join("\n")}\n`);
      const flags = fed.flatMap(([input, { shape }]) => [
        "--bind",
        `${input}=${input}_*`,
        ...(shape.length > 2 ? ["--shape", `${input}=${shape.slice(1).join("x")}`] : []),
      ]);
      await check(input, flags);
    });
  }
});

/** Python wrote them, with a bare NaN. */
function readCase(file: string): Case {
  const text = readFileSync(file, "utf8").replace(/\bNaN\b/g, '"NaN"');
  return JSON.parse(text, (_, value) => (value === "NaN" ? Number.NaN : value)) as Case;
}

function elements(shape: number[]): number {
  return shape.slice(1).reduce((all, size) => all * size, 1);
}

function noNan(value: unknown): unknown {
  return Number.isNaN(value) ? "NaN" : value;
}

function plain(value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}
