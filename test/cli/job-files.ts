/** Job files over the flowers of the fixtures, in a folder of their own, as a user would keep them. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Workdir } from "./batchpredict.ts";
import { FLOWERS, MODEL } from "./iris.ts";

/** Puts the model, the data and an empty jobs folder into the working folder. */
export function prepareJobs(dir: Workdir): void {
  for (const folder of ["jobs", "data", "out"]) mkdirSync(dir.file(folder), { recursive: true });
  copyFileSync(MODEL, dir.file("model.onnx"));
  copyFileSync(FLOWERS, dir.file("data/flowers.csv"));
}

/** @param more YAML lines beside the ones that every job needs */
export function writeJob(dir: Workdir, name: string, more: readonly string[], changes: Record<string, string> = {}): string {
  const lines: Record<string, string> = {
    version: "1",
    name,
    model: "{path: ../model.onnx}",
    input: "{path: ../data/flowers.csv}",
    bind: "{features: [sepal_length..petal_width]}",
    output: `{path: "../out/${name}-{{ date }}.csv", ifExists: replace}`,
    ...changes,
  };
  const file = path.join(dir.file("jobs"), `${name}.yaml`);
  writeFileSync(file, [...Object.entries(lines).map(([key, value]) => `${key}: ${value}`), ...more, ""].join("\n"));
  return file;
}
