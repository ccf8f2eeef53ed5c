/** The decoder of zstd is loaded when it is first met. Each case is a process of its own, which has met nothing yet. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FIXTURES } from "../corpora.ts";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
});
afterAll(() => dir.remove());

const STREAM = path.join(FIXTURES, "arrow/made/plain_zstd.arrows");

it("inspects a zstd stream and a zstd file", async () => {
  for (const file of [STREAM, path.join(FIXTURES, "formats/rows.zstd.feather")]) {
    const { code, stdout, stderr } = await batchpredict(["inspect", file, "--json"]);
    expect({ code, stderr }, file).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout).preview.length).toBeGreaterThan(0);
  }
});

it.each(["disk", "stdin"])("scores zstd from %s", async (from) => {
  const file = path.join(FIXTURES, "formats/rows.zstd.feather");
  const model = path.join(FIXTURES, "models/tree_double_in_out/model.onnx");
  const input = from === "stdin" ? ["-", "--input-format", "arrow"] : [file];
  const flags = ["-m", model, "-i", ...input, "-o", dir.file(`${from}.csv`), "--features", "sepal_length..petal_width"];
  const { code, stderr } = await batchpredict(["run", ...flags], from === "stdin" ? { stdin: readFileSync(file) } : {});
  expect(stderr).not.toContain("error");
  expect(code).toBe(0);
});
