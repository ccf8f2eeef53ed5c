/** `verify` through the real binary: what it says, and what a CI step sees of it. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { VerifyReport } from "../../src/verify/verify-run.ts";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { bindFlags, readAbout } from "../conformance/about.ts";
import { FIXTURES } from "../corpora.ts";
import { input, modelBytes, node, output } from "../model/made-model.ts";

const LINEAR = path.join(FIXTURES, "models/features4_linear");
const DATA = [
  "-m",
  path.join(LINEAR, "model.onnx"),
  "-i",
  path.join(LINEAR, "input.csv"),
  "--features",
  "sepal_length..petal_width",
];

let dir: Workdir;
/** header and rows of the predictions, as CSV: id, variable */
let lines: string[];
beforeAll(async () => {
  dir = workdir();
  const output = dir.file("predictions.csv");
  expect((await batchpredict(["run", ...DATA, "--keep", "id", "-o", output])).code).toBe(0);
  lines = readFileSync(output, "utf8").trimEnd().split("\n");
});
afterAll(() => dir.remove());

function expected(name: string, rows: string[]): string {
  writeFileSync(dir.file(name), `${rows.join("\n")}\n`);
  return dir.file(name);
}

const verify = (args: string[]) => batchpredict(["verify", ...DATA, ...args]);

describe("equal predictions", () => {
  it("from Parquet, by place, with the batch probe and nothing left behind", async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith("batchpredict-verify-"));
    const finished = await verify(["--expected", path.join(LINEAR, "expected.parquet"), "--json"]);
    expect(finished.stderr).toContain("equal: 1,000 rows compared by the order of rows");
    expect(finished.code).toBe(0);
    const report = finished.json<VerifyReport>();
    expect(report).toMatchObject({
      status: "equal",
      dependence: "rows",
      rows: { expected: 1000, compared: 1000, missing: 0, extra: 0 },
    });
    expect(report.batch).toMatchObject({ rows: 256, within_tolerance: true, label_mismatches: 0 });
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith("batchpredict-verify-"))).toEqual(before);
    expect(existsSync(path.join(dir.path, ".batchpredict"))).toBe(false);
  });

  it("from CSV, by key, in another order", async () => {
    const file = expected("shuffled.csv", [lines[0]!, ...lines.slice(1).reverse()]);
    const finished = await verify(["--expected", file, "--key", "id"]);
    expect(finished.stderr).toContain("equal: 1,000 rows compared by key id");
    expect(finished.code).toBe(0);
    // By place the same file is all wrong: the key is what made it right.
    expect((await verify(["--expected", file])).code).toBe(3);
  });

  it("of a part of the input", async () => {
    const finished = await verify(["--expected", path.join(LINEAR, "expected.parquet"), "--where-rows", "100..150", "--json"]);
    expect(finished.json<VerifyReport>().rows).toMatchObject({ expected: 50, compared: 50, missing: 0 });
    expect(finished.code).toBe(0);
  });
});

describe("different predictions", () => {
  const off = (by: number): string[] =>
    lines.map((line, at) => (at === 500 ? line.replace(/,(.*)$/, (_, value) => `,${Number(value) + by}`) : line));

  it("end with 3 and show the row with its key", async () => {
    const finished = await verify(["--expected", expected("off.csv", off(1)), "--key", "id"]);
    expect(finished.code).toBe(3);
    expect(finished.stderr).toContain("different: 1,000 rows compared");
    expect(finished.stderr).toMatch(/worst rows\n {2}id=500 {2}variable {2}expected \S+ {2}got \S+ {2}off by 1\.00/);
  });

  it("count as equal within the tolerance that is given", async () => {
    const file = expected("slightly.csv", off(0.01));
    expect((await verify(["--expected", file, "--key", "id"])).code).toBe(3);
    expect((await verify(["--expected", file, "--key", "id", "--abs-tolerance", "0.02"])).code).toBe(0);
    expect((await verify(["--expected", file, "--key", "id", "--rel-tolerance", "0.02"])).code).toBe(0);
  });

  it("missing and extra rows are no equality", async () => {
    const fewer = await verify(["--expected", expected("fewer.csv", lines.slice(0, -1)), "--key", "id", "--json"]);
    expect(fewer.code).toBe(3);
    expect(fewer.json<VerifyReport>().rows).toMatchObject({ missing: 0, extra: 1 });
    const more = await verify(["--expected", expected("more.csv", [...lines, "99999,1.5"]), "--key", "id", "--json"]);
    expect(more.code).toBe(3);
    expect(more.json<VerifyReport>().rows).toMatchObject({ missing: 1, extra: 0 });
  });
});

describe("labels", () => {
  const folder = path.join(FIXTURES, "models/wine_xgb");
  const about = readAbout(folder);
  const data = ["-m", path.join(folder, "model.onnx"), "-i", path.join(folder, "input.csv"), ...bindFlags(about)];

  it("must be the same, but for as many rows as are allowed; lists are compared element by element", async () => {
    const whole = await batchpredict(["verify", ...data, "--expected", path.join(folder, "expected.parquet"), "--json"]);
    expect(whole.code).toBe(0);
    const kinds = Object.fromEntries(whole.json<VerifyReport>().columns.map(({ name, kind }) => [name, kind]));
    expect(kinds).toEqual({ label: "exact", probabilities: "float" });

    const output = dir.file("wine.csv");
    expect((await batchpredict(["run", ...data, "--keep", "none", "--outputs", "label", "-o", output])).code).toBe(0);
    const rows = readFileSync(output, "utf8").trimEnd().split("\n");
    const file = expected(
      "labels.csv",
      rows.map((line, at) => (at === 7 || at === 9 ? line.replace(/,.*$/, ",77") : line)),
    );
    const strict = await batchpredict(["verify", ...data, "--expected", file, "--json"]);
    expect(strict.code).toBe(3);
    expect(strict.json<VerifyReport>()).toMatchObject({ label_mismatches: 2, matched_by: "the column row" });
    expect(strict.json<VerifyReport>().worst.map(({ key }) => key)).toEqual([{ row: "6" }, { row: "8" }]);
    expect((await batchpredict(["verify", ...data, "--expected", file, "--label-mismatches", "1"])).code).toBe(3);
    expect((await batchpredict(["verify", ...data, "--expected", file, "--label-mismatches", "2"])).code).toBe(0);
    expect((await batchpredict(["verify", ...data, "--expected", file, "--label-mismatches", "5%"])).code).toBe(0);
  });
});

it("rows that change with the rows around them are no equality, whatever is expected; one row per call makes them so", async () => {
  const graph = [
    node("ReduceMean", ["x"], ["mean"]),
    node("Sub", ["x", "mean"], ["y"]),
    input("x", 1, ["n", 1]),
    output("y", 1, ["n", 1]),
  ];
  writeFileSync(dir.file("mixing.onnx"), modelBytes({ graph }));
  const data = ["-m", dir.file("mixing.onnx"), "-i", expected("x.csv", ["x", "1", "2", "6"])];
  const file = expected("mixed.csv", ["y", "-2", "-1", "3"]);
  const finished = await batchpredict(["verify", ...data, "--expected", file, "--json"]);
  expect(finished.code).toBe(3);
  expect(finished.json<VerifyReport>()).toMatchObject({
    status: "different",
    dependence: "neighbours",
    batch: { within_tolerance: false },
  });
  expect(finished.stderr).toMatch(/one row per call instead of .* \(more than allowed\)/);
  const alone = expected("alone.csv", ["y", "0", "0", "0"]);
  expect((await batchpredict(["verify", ...data, "--expected", alone, "--batch-size", "1"])).code).toBe(0);
});

it("a job is verified as it runs, its output untouched", async () => {
  writeFileSync(
    dir.file("job.yaml"),
    `version: 1
name: linear
model: {path: ${JSON.stringify(path.join(LINEAR, "model.onnx"))}}
input: {path: ${JSON.stringify(path.join(LINEAR, "input.csv"))}}
bind: {features: [sepal_length..petal_width]}
output: {path: never.db, ifExists: upsert, key: [id]}
`,
  );
  const file = expected("by-id.csv", lines);
  const finished = await batchpredict(["verify", "./job.yaml", "--expected", file], { cwd: dir.path });
  expect(finished.stderr).toContain("compared by key id");
  expect(finished.code).toBe(0);
  expect(existsSync(dir.file("never.db"))).toBe(false);
});

describe("mistakes are told before anything is scored", () => {
  it.each([
    ["no --expected", [], "BP_USAGE", "--expected is missing"],
    ["no such file", ["--expected", "nowhere.csv"], "BP_INPUT_NOT_FOUND", "nowhere.csv"],
    ["a tolerance that is none", ["--expected", "x.csv", "--rel-tolerance", "much"], "BP_USAGE", "--rel-tolerance"],
  ])("%s", async (_, args, code, text) => {
    const finished = await verify(args);
    expect(finished.code).toBe(2);
    expect(finished.stderr).toContain(`error ${code}`);
    expect(finished.stderr).toContain(text);
  });

  it("a key that the expected file does not have, with the near one", async () => {
    const finished = await verify(["--expected", expected("ids.csv", lines), "--key", "ids"]);
    expect(finished.code).toBe(2);
    expect(finished.stderr).toContain("did you mean --key id?");
  });
});
