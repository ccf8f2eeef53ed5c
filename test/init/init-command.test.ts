/** `init` through the real binary: what it writes, what it says, how it ends, and that what it wrote runs. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { InitReport } from "../../src/init/init-job.ts";
import { batchpredict, type Finished, type Workdir, workdir } from "../cli/batchpredict.ts";
import { linearModel } from "../onnx-builder.ts";

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
  writeFileSync(dir.file("prices.onnx"), linearModel({ weights: [1, 10], bias: 0 }));
  writeFileSync(dir.file("prices.csv"), "id,rooms,area,price\n1,2,3,9\n2,4,5,9\n");
});
afterAll(() => dir.remove());

const init = (...args: string[]): Promise<Finished> => batchpredict(["init", ...args], { cwd: dir.path });
const run = (...args: string[]): Promise<Finished> => batchpredict(["run", ...args], { cwd: dir.path });
const PRICES = ["-m", "prices.onnx", "-i", "prices.csv"];

describe("a model and a dataset", () => {
  it("become a job that runs as it is, and say what was guessed and what was left out", async () => {
    const wrote = await init(...PRICES);
    expect(wrote.stderr).toMatch(/^wrote jobs\/prices\.yaml\n/);
    expect(wrote.stderr).toMatch(/guessed: x takes rooms, area: 2 numeric columns in file order/);
    expect(wrote.stderr).toContain("not used: price (looks like the answer)");
    expect({ code: wrote.code, stdout: wrote.stdout }).toEqual({ code: 0, stdout: "" });
    const job = readFileSync(dir.file("jobs/prices.yaml"), "utf8");
    expect(job).toContain("# Written by batchpredict init on ");
    expect(job).toMatch(/# 2 numeric columns in file order.*\n {4}x: \[rooms, area\]/);
    expect(job).toContain("#   not used: id (looks like an identifier)");
    const [, command] = /run it: batchpredict run (.+)$/m.exec(wrote.stderr)!;
    expect((await run(command!, "-o", "scores.csv")).code).toBe(0);
    expect(readFileSync(dir.file("scores.csv"), "utf8")).toBe("id,price,y\n1,9,32\n2,9,54\n");
  });

  it("never overwrite a job file, but with --force; --quiet says nothing, --json one document", async () => {
    const file = dir.file("jobs/mine.yaml");
    expect((await init(...PRICES, "--output-job", "jobs/mine.yaml", "--quiet")).code).toBe(0);
    writeFileSync(file, "# mine\n");
    const refused = await init(...PRICES, "--output-job", "jobs/mine.yaml");
    expect(refused.stderr).toMatch(/^error BP_OUTPUT_EXISTS: the job file exists already\n {2}at \S*jobs\/mine\.yaml\n/);
    expect(refused.stderr).toContain("--force");
    expect(refused.code).toBe(2);
    expect(readFileSync(file, "utf8")).toBe("# mine\n");
    const forced = await init(...PRICES, "--output-job", "jobs/mine.yaml", "--force", "--quiet", "--json");
    expect({ code: forced.code, stderr: forced.stderr }).toEqual({ code: 0, stderr: "" });
    expect(forced.json<InitReport>()).toMatchObject({
      path: file,
      name: "mine",
      runnable: true,
      inputs: [{ input: "x", columns: ["rooms", "area"], named: false }],
      open: [],
      left_out: [{ column: "id" }, { column: "price" }],
      error: null,
    });
    expect(readFileSync(file, "utf8")).toContain("name: mine");
  });
});

describe("what only a person knows", () => {
  it("is marked TO FILL IN, said, and ends with 2; the job runs when it is filled in", async () => {
    writeFileSync(dir.file("wide.csv"), "rooms,area,age,floor\n2,3,1,1\n4,5,1,1\n");
    const wrote = await init("-m", "prices.onnx", "-i", "wide.csv", "--output-job", "jobs/wide.yaml");
    expect(wrote.code).toBe(2);
    expect(wrote.stderr).toContain("to fill in: x (float32 [N, 2]): it takes 2 columns, and 4 numeric columns are left");
    expect(wrote.stderr).toContain("not ready: fill in what is marked TO FILL IN in ");
    const file = dir.file("jobs/wide.yaml");
    const job = readFileSync(file, "utf8");
    expect(job).toMatch(/# NOT READY: 1 model input to fill in/);
    expect(job).toMatch(/# TO FILL IN: x .*\n {4}x: \[\] # for example \[rooms, area\]/);
    const unready = await run("jobs/wide.yaml");
    expect(unready.stderr).toMatch(/error BP_/);
    expect(unready.code).toBe(2);
    writeFileSync(file, job.replace("x: []", "x: [rooms, area]"));
    expect((await run("jobs/wide.yaml")).code).toBe(0);
  });

  it("data that the model cannot read is found by the trial, and noted in the file", async () => {
    writeFileSync(dir.file("bad.csv"), "x\n1\nmuch\n");
    writeFileSync(dir.file("one.onnx"), linearModel({ weights: [1], bias: 0 }));
    const wrote = await init("-m", "one.onnx", "-i", "bad.csv", "--output-job", "jobs/bad.yaml");
    expect(wrote.code).toBe(2);
    expect(wrote.stderr).toContain('cannot read "much" as float32');
    expect(wrote.stderr).toContain("not ready: a trial of the job failed; mend it in ");
    expect(readFileSync(dir.file("jobs/bad.yaml"), "utf8")).toMatch(
      /# NOT READY: a trial on the first rows failed: BP_SOURCE_CELL/,
    );
  });
});

it.each(["arrow", "parquet", "jsonl"])("%s data gives a job that runs", async (format) => {
  const copy = ["--features", "rooms,area", "--keep", "id,rooms,area", "-o", `copy.${format}`];
  expect((await run(...PRICES, ...copy, "--outputs", "y=price")).code).toBe(0);
  const wrote = await init("-m", "prices.onnx", "-i", `copy.${format}`, "--output-job", `jobs/${format}.yaml`, "--json");
  expect(wrote.json<InitReport>().inputs[0]!.columns).toEqual(["rooms", "area"]);
  expect(wrote.code).toBe(0);
  expect((await run(`jobs/${format}.yaml`)).code).toBe(0);
  expect(existsSync(dir.file(`predictions/${format}.parquet`))).toBe(true);
});

it("mistakes are told before anything is written", async () => {
  for (const [args, said] of [
    [["-m", "prices.onnx", "-i", "-", "--output-job", "jobs/never.yaml"], "a job cannot read standard input"],
    [["-m", "prices.onnx", "-i", "none.csv", "--output-job", "jobs/never.yaml"], "none.csv"],
    [[...PRICES, "--output-job", "jobs/never.txt"], "--output-job jobs/never.yaml"],
  ] as const) {
    const failed = await init(...args);
    expect(failed.stderr).toMatch(/^error BP_/);
    expect(failed.stderr).toContain(said);
    expect(failed.code).toBe(2);
  }
  expect(existsSync(dir.file("jobs/never.yaml"))).toBe(false);
});
