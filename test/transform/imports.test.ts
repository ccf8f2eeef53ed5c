/** A transform that imports files beside it: what counts as the same transform, through the real binary. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeTransform } from "../../src/transform/transform-file.ts";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { linearModel } from "../onnx-builder.ts";

const ROWS = 20_000;
const SCALE = "export const scale = 2;\n";

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
  mkdirSync(dir.file("lib"));
  writeFileSync(
    dir.file("features.mjs"),
    'import { scaled } from "./lib/scaled.mjs";\nexport default ({ columns }) => ({ columns: { x: scaled(columns.raw) } });\n',
  );
  writeFileSync(
    dir.file("lib/scaled.mjs"),
    'import "node:os";\nimport { scale } from "../scale.mjs";\nexport const scaled = (raw) => raw.map((value) => value * scale);\nexport const more = () => import("./more.mjs?later");\n',
  );
  writeFileSync(dir.file("scale.mjs"), SCALE);
  writeFileSync(dir.file("model.onnx"), linearModel({ weights: [1], bias: 0 }));
  writeFileSync(dir.file("rows.jsonl"), Array.from({ length: ROWS }, (_, row) => `{"id":${row},"raw":${row}}\n`).join(""));
  writeFileSync(
    dir.file("job.yaml"),
    "version: 1\nname: scaled\nmodel: {path: model.onnx}\ninput: {path: rows.jsonl}\ntransform: ./features.mjs\nbind: {inputs: {x: [x]}}\nkeep: [id]\noutput: {path: out.jsonl}\n",
  );
});
afterAll(() => dir.remove());

it("is the module and all it imports by relative paths, also by import(), packages aside", async () => {
  const before = await describeTransform(dir.file("features.mjs"));
  expect(before.imports.map((file) => path.relative(dir.path, file))).toEqual(["lib/more.mjs", "lib/scaled.mjs", "scale.mjs"]);
  writeFileSync(dir.file("scale.mjs"), `${SCALE}// said otherwise\n`);
  expect((await describeTransform(dir.file("features.mjs"))).sha256).not.toBe(before.sha256);
  writeFileSync(dir.file("scale.mjs"), SCALE);
  expect(await describeTransform(dir.file("features.mjs"))).toEqual(before);
});

it("a run that died is not gone on with when an imported file has changed, and goes on when it has not", async () => {
  const args = ["run", "./job.yaml", "--chunk-bytes", "100000", "--workers", "1"];
  const env = { BATCHPREDICT_COMMIT_ROWS: "4000", BATCHPREDICT_FAILPOINT: "commit-done:2" };
  const died = await batchpredict(args, { cwd: dir.path, env });
  expect(died.signal).toBe("SIGKILL");
  writeFileSync(dir.file("scale.mjs"), "export const scale = 3;\n");
  const refused = await batchpredict(args, { cwd: dir.path });
  expect(refused.stderr).toContain("error BP_RESUME_MISMATCH");
  expect(refused.stderr).toContain("the transform");
  expect(refused.code).toBe(2);
  writeFileSync(dir.file("scale.mjs"), SCALE);
  const resumed = await batchpredict([...args, "--json"], { cwd: dir.path });
  expect(resumed.code).toBe(0);
  expect(resumed.json<{ resumed_from_row: number }>().resumed_from_row).toBeGreaterThan(0);
  const rows = readFileSync(dir.file("out.jsonl"), "utf8").trimEnd().split("\n");
  expect(rows.map((row) => (JSON.parse(row) as { y: number }).y)).toEqual(Array.from({ length: ROWS }, (_, row) => 2 * row));
});

it("the plan counts the imported files, and a faulty one is named", async () => {
  const planned = await batchpredict(["plan", "./job.yaml", "-o", "other.jsonl"], { cwd: dir.path });
  expect(planned.stdout + planned.stderr).toMatch(/features\.mjs and 3 files that it imports \(sha256 [0-9a-f]{16}\)/);
  writeFileSync(dir.file("scale.mjs"), "export const scale = ;\n");
  const failed = await batchpredict(["run", "./job.yaml", "-o", "other.jsonl"], { cwd: dir.path });
  expect(failed.stderr).toContain("error BP_TRANSFORM: the transform cannot be loaded");
  expect(failed.stderr).toContain("SyntaxError");
  expect(failed.code).toBe(2);
  writeFileSync(dir.file("scale.mjs"), SCALE);
});
