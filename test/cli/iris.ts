/** The linear model of the fixtures and its flowers, as most tests of the command line use them. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { FIXTURES } from "../corpora.ts";
import type { Workdir } from "./batchpredict.ts";

export const MODEL = path.join(FIXTURES, "models/features4_linear/model.onnx");
export const FLOWERS = path.join(FIXTURES, "models/features4_linear/input.csv");
export const FEATURES = ["--features", "sepal_length..petal_width"] as const;
/** The same rows as Arrow and Parquet, with a model for them. */
export const TREE = path.join(FIXTURES, "models/tree_double_in_out");

const [head, ...records] = readFileSync(FLOWERS, "utf8").trimEnd().split("\n");
export const HEADER = head!;
/** 1,000 records without their line ends. */
export const RECORDS: readonly string[] = records;

export function run(input: string, output: string, ...more: string[]): string[] {
  return ["run", "-m", MODEL, "-i", input, "-o", output, ...FEATURES, ...more];
}

/** A CSV of `count` rows; `change` may give other text for some of them. @returns the file's path */
export function writeFlowers(dir: Workdir, name: string, count: number, change: (row: number, record: string) => string): string {
  const lines = Array.from({ length: count }, (_, row) => change(row, RECORDS[row % RECORDS.length]!));
  writeFileSync(dir.file(name), `${[HEADER, ...lines].join("\n")}\n`);
  return dir.file(name);
}
