/** Models whose inputs and outputs are named as exporters like it, through the real binary. */
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { input, modelBytes, node, output } from "../model/made-model.ts";
import { readParquet } from "../parquet.ts";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";

const FLOAT = 1;

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
  const model = modelBytes({
    graph: [
      node("Sub", ["x:0", "k=1"], ["output:0"]),
      node("Mul", ["k", "k=1=2"], ["dense/BiasAdd"]),
      node("Identity", ["k"], ["p=q"]),
      ...["x:0", "k", "k=1", "k=1=2"].map((name) => input(name, FLOAT, ["n", 1])),
      ...["output:0", "dense/BiasAdd", "p=q"].map((name) => output(name, FLOAT, ["n", 1])),
    ],
  });
  writeFileSync(dir.file("odd.onnx"), model);
  writeFileSync(dir.file("data.csv"), "x,b=2,c\n10,3,5\n20,4,6\n");
});
afterAll(() => dir.remove());

const run = (...args: string[]) =>
  batchpredict(
    ["run", "-m", "odd.onnx", "-i", "data.csv", ...args, "--keep", "none", "-o", "out.parquet", "--if-exists", "replace"],
    {
      cwd: dir.path,
    },
  );

describe("names with = : and /", () => {
  it("the longest name that the model has wins, and the rest are columns or a value", async () => {
    const finished = await run("--bind", "x:0=x", "--bind", "k=b=2", "--bind", "k=1=c", "--const", "k=1=2=100");
    expect(finished.stderr).not.toContain("error");
    expect(finished.code).toBe(0);
    const rows = await readParquet(dir.file("out.parquet"));
    expect(rows.map((row) => [row["output:0"], row["dense/BiasAdd"], row["p=q"]])).toEqual([
      [5, 300, 3],
      [14, 400, 4],
    ]);
  });

  it("--outputs chooses and renames them", async () => {
    const bind = ["--bind", "x:0=x", "--bind", "k=b=2", "--bind", "k=1=c", "--const", "k=1=2=100"];
    const finished = await run(...bind, "--outputs", "output:0=difference,dense/BiasAdd,p=q=k");
    expect(finished.stderr).not.toContain("error");
    expect((await readParquet(dir.file("out.parquet"))).map(({ row: _, ...rest }) => rest)).toEqual([
      { difference: 5, "dense/BiasAdd": 300, k: 3 },
      { difference: 14, "dense/BiasAdd": 400, k: 4 },
    ]);
    expect((await run(...bind, "--outputs", "p=q")).code).toBe(0);
    expect(Object.keys((await readParquet(dir.file("out.parquet")))[0]!)).toEqual(["row", "p=q"]);
  });

  it("a name twice, and a name that the model has not, are told with what was given", async () => {
    const twice = await run("--bind", "k=1=c", "--const", "k=1=7=8");
    expect(twice.stderr).toContain('error BP_USAGE: model input "k=1" is given by --bind and by --const k=1=7=8');
    expect(twice.code).toBe(2);
    const unknown = await run("--bind", "z=1=c");
    expect(unknown.stderr).toContain('--bind names model input "z", which the model does not have');
    expect(unknown.stderr).toContain('"k=1=2"');
    expect(unknown.code).toBe(2);
  });
});
