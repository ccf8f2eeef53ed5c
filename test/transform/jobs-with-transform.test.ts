/** Jobs with `transform:` through the real binary: right predictions whatever the format, chunks and threads; faults with their place. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { FIXTURES } from "../corpora.ts";
import { parquetKeyValues, readParquet } from "../parquet.ts";

const IRIS = path.join(FIXTURES, "models/features4_linear");
const ROWS = readFileSync(path.join(IRIS, "input.csv"), "utf8").trimEnd().split("\n");

/** The model wants petal_length; the data has it in millimetres, as text with a unit. */
const MODULE = `
/** @param {import("batchpredict").TransformBatch} batch */
export default async function ({ rows, columns }) {
  const petal_length = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const [, digits] = /^(\\d+) mm$/.exec(columns.petal_mm[row]) ?? [];
    if (digits === undefined) throw Object.assign(new RangeError("no millimetres: " + columns.petal_mm[row]), { row });
    petal_length[row] = Number(digits) / 10;
  }
  return { columns: { petal_length } };
}
`;

let dir: Workdir;
let wanted: unknown[];
beforeAll(async () => {
  dir = workdir();
  writeFileSync(dir.file("features.mjs"), MODULE);
  writeFileSync(
    dir.file("data.csv"),
    raw(() => null),
  );
  writeFileSync(dir.file("iris.yaml"), job("./features.mjs"));
  const plain = dir.file("plain.parquet");
  const columns = "sepal_length,sepal_width,petal_length,petal_width";
  const data = ["-m", path.join(IRIS, "model.onnx"), "-i", path.join(IRIS, "input.csv"), "--bind", `features=${columns}`];
  expect((await batchpredict(["run", ...data, "-o", plain])).code).toBe(0);
  wanted = (await readParquet(plain)).map((row) => row.variable);
});
afterAll(() => dir.remove());

/** @param cell replaces the text of one row, counted from 0 */
function raw(cell: (row: number) => string | null): string {
  const lines = ROWS.slice(1).map((line, row) => {
    const [id, sl, sw, pl, pw, species] = line.split(",");
    return [id, sl, sw, cell(row) ?? `${Math.round(Number(pl) * 10)} mm`, pw, species].join(",");
  });
  return `id,sepal_length,sepal_width,petal_mm,petal_width,species\n${lines.join("\n")}\n`;
}

function job(transform: string, input = "data.csv"): string {
  return `version: 1
name: iris
model: {path: ${JSON.stringify(path.join(IRIS, "model.onnx"))}}
input: {path: ${input}}
transform: ${transform}
bind: {inputs: {features: [sepal_length, sepal_width, petal_length, petal_width]}}
output: {path: out.parquet, ifExists: replace}
`;
}

const run = (args: string[]) => batchpredict(["run", "./iris.yaml", ...args, "--json"], { cwd: dir.path });

describe("predictions of transformed columns", () => {
  for (const [what, args] of [
    ["in one chunk", []],
    ["in many chunks, by three workers", ["--chunk-bytes", "1000", "--workers", "3"]],
    ["decoded by the reference", ["--chunk-bytes", "5000"]],
  ] as const) {
    it(`are those of the plain columns, ${what}`, async () => {
      const env = what.includes("reference") ? { BATCHPREDICT_KERNEL: "off" } : {};
      const finished = await batchpredict(["run", "./iris.yaml", ...args, "--json"], { cwd: dir.path, env });
      expect(finished.stderr).not.toContain("error");
      expect(finished.json()).toMatchObject({ status: "succeeded", rows: { read: 1000, predicted: 1000 } });
      const rows = await readParquet(dir.file("out.parquet"));
      expect(rows.map((row) => row.variable)).toEqual(wanted);
      expect(rows.map((row) => Number(row.id))).toEqual(ROWS.slice(1).map((line) => Number(line.split(",")[0])));
      expect(Object.keys(rows[0]!)).toEqual(["id", "petal_mm", "species", "variable"]);
    });
  }

  it("are the same from Parquet and from Arrow", async () => {
    for (const name of ["copy.parquet", "copy.arrow"]) {
      // Every input column is kept, so the output of a run is the same data in another format.
      const to = ["--keep", "*", "-o", dir.file(name), "--if-exists", "replace"];
      expect((await run(to)).code).toBe(0);
      const finished = await run([
        "-i",
        dir.file(name),
        "-o",
        dir.file("again.parquet"),
        "--if-exists",
        "replace",
        "--outputs",
        "variable=again",
      ]);
      expect(finished.code).toBe(0);
      expect((await readParquet(dir.file("again.parquet"))).map((row) => row.again)).toEqual(wanted);
    }
  });

  it("carry the module's hash in the plan and in the output", async () => {
    const planned = await batchpredict(["plan", "./iris.yaml", "--json"], { cwd: dir.path });
    const { transform, inputs } = planned.json<{
      transform: { path: string; sha256: string };
      inputs: { columns: string[] }[];
    }>();
    expect(transform.path).toBe(dir.file("features.mjs"));
    expect(inputs[0]!.columns[2]).toBe("petal_length");
    expect((await run([])).code).toBe(0);
    const record = JSON.parse(parquetKeyValues(dir.file("out.parquet")).batchpredict!) as { transform_sha256: string };
    expect(record.transform_sha256).toBe(transform.sha256);
  });

  it("an input without rows gives an output without rows", async () => {
    writeFileSync(dir.file("empty.csv"), `${raw(() => null).split("\n")[0]}\n`);
    const finished = await run(["-i", dir.file("empty.csv"), "-o", dir.file("empty.parquet")]);
    expect(finished.stderr).not.toContain("error");
    expect(finished.code).toBe(0);
  });
});

describe("faults of the module", () => {
  it("of a row fail the run at that row, or put it aside", async () => {
    writeFileSync(
      dir.file("data.csv"),
      raw((row) => (row === 700 ? "tiny" : null)),
    );
    const failed = await run(["--chunk-bytes", "2000", "--workers", "2"]);
    expect(failed.code).toBe(1);
    expect(failed.json<{ error: object }>().error).toMatchObject({
      code: "BP_TRANSFORM",
      message: "the transform refuses this row: no millimetres: tiny",
      where: { row: 700, line: 702 },
    });
    const rest = await run(["--chunk-bytes", "2000", "--on-error", "reject"]);
    expect(rest.json()).toMatchObject({ rows: { read: 1000, predicted: 999, rejected: 1 } });
    expect((await readParquet(dir.file("out.parquet"))).map((row) => row.variable)).toEqual(
      wanted.filter((_, row) => row !== 700),
    );
    expect(readFileSync(dir.file("out.rejects.csv"), "utf8")).toMatch(/\n700,702,\d+,,BP_TRANSFORM,/);
    writeFileSync(
      dir.file("data.csv"),
      raw(() => null),
    );
  });

  it.each([
    ["is absent", null, "the transform does not exist"],
    ["is no JavaScript", "export default (", "the transform cannot be loaded"],
    ["exports nothing", "export const features = 1;", "the transform has no function as its default export"],
    ["fails on everything", "export default () => { throw new TypeError('oh'); }", "the transform failed: oh"],
    ["gives columns that the model does not take", "export default () => ({ columns: {} })", "petal_length"],
  ])("stop the run before its first row when it %s", async (what, text, message) => {
    const name = `${what.replaceAll(" ", "-")}.mjs`;
    if (text !== null) writeFileSync(dir.file(name), text);
    writeFileSync(dir.file("bad.yaml"), job(`./${name}`));
    const finished = await batchpredict(["run", "./bad.yaml", "--json"], { cwd: dir.path });
    expect(finished.code).toBe(2);
    expect(finished.json<{ error: { message: string } }>().error.message).toContain(message);
  });

  it("a file that is no module is refused by the job file", async () => {
    writeFileSync(dir.file("bad.yaml"), job("./features.py"));
    const finished = await batchpredict(["plan", "./bad.yaml"], { cwd: dir.path });
    expect(finished.code).toBe(2);
    expect(finished.stderr).toContain("error BP_JOB_FILE");
    expect(finished.stderr).toContain(".mjs");
  });
});

it("a copy of the job elsewhere takes the module beside itself", async () => {
  copyFileSync(dir.file("iris.yaml"), dir.file("copy.yaml"));
  const planned = await batchpredict(["plan", path.relative(FIXTURES, dir.file("copy.yaml")), "--json"], { cwd: FIXTURES });
  expect(planned.json<{ transform: { path: string } }>().transform.path).toBe(dir.file("features.mjs"));
});
