/** Kinds of models that no collected file shows, made here and run through the real binary. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PlanReport } from "../../src/run/plan-report.ts";
import { initializer, input, int, message, modelBytes, node, output, text } from "../model/made-model.ts";
import { readParquet } from "../parquet.ts";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";

const [FLOAT, UINT8, INT8, INT64, STRING, UINT64] = [1, 2, 3, 7, 8, 13];
const axis = (value: number) => message(5, text(1, "axis"), int(3, value), int(20, 2));
const flag = (name: string, value: number) => message(5, text(1, name), int(3, value), int(20, 2));
const texts = (name: string, values: string[]) =>
  message(5, int(1, values.length), int(2, STRING), text(8, name), ...values.map((value) => text(6, value)));
const zero = message(5, int(2, UINT8), text(8, "zero"), int(5, 10));
const scale = message(5, int(2, FLOAT), text(8, "scale"), (writer) => writer.tag(4, 5).float(0.5));
const factor = message(5, int(1, 1), int(1, 1), int(2, FLOAT), text(8, "factor"), (writer) => writer.tag(4, 5).float(10));

const MANY = modelBytes({
  irVersion: 8,
  opset: { "": 13, "ai.onnx.ml": 2, "com.microsoft": 1 },
  graph: [
    node("Identity", ["i8"], ["small"]),
    node("Identity", ["u64"], ["large"]),
    node("Identity", ["s"], ["word"]),
    // As a voting classifier of scikit-learn ends, without ZipMap.
    node("Softmax", ["x"], ["probabilities"], "", axis(1)),
    node("ArgMax", ["probabilities"], ["place"], "", axis(1), flag("keepdims", 0)),
    node("ArrayFeatureExtractor", ["classes", "place"], ["picked"], "ai.onnx.ml"),
    node("Sub", ["one", "probabilities"], ["unlikely"]),
    node("QuantizeLinear", ["x", "scale", "zero"], ["bytes"]),
    node("DequantizeLinear", ["bytes", "scale", "zero"], ["rounded"]),
    node("Gelu", ["x"], ["gelu"], "com.microsoft"),
    node("Flatten", ["t"], ["flat"]),
    node("Mul", ["x", "factor"], ["times"]),
    texts("classes", ["no", "perhaps", "yes"]),
    initializer("one", [1]),
    scale,
    zero,
    factor,
    input("i8", INT8, ["n"]),
    input("u64", UINT64, ["n", 1]),
    input("s", STRING, ["n", 1]),
    input("x", FLOAT, ["n", 3]),
    input("t", FLOAT, ["n", 2, null]),
    input("factor", FLOAT, [null, 1]),
    ...["small", "large", "word"].map((name, at) => output(name, [INT8, UINT64, STRING][at]!, null)),
    ...["probabilities", "unlikely", "rounded", "gelu", "times"].map((name) => output(name, FLOAT, ["n", 3])),
    output("flat", FLOAT, ["n", 4]),
    output("place", INT64, ["n"]),
    output("bytes", UINT8, ["n", 3]),
  ],
});

const WORDS = ["", "Zürich", "日本 😀"];

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
  writeFileSync(dir.file("many.onnx"), MANY);
  const header = "i8,u64,s,x0,x1,x2,t0_f0,t0_f1,t1_f0,t1_f1,f\n";
  const rows = WORDS.map((word, row) => `${-128 + row},18446744073709551615,${word},${row},0,2,1,2,3,4,${row + 1}\n`);
  writeFileSync(dir.file("flat.csv"), header + rows.join(""));
  const lists = WORDS.map(
    (word, row) =>
      `{"i8":${-128 + row},"u64":18446744073709551615,"s":${JSON.stringify(word)},"x":[${row},0,2],"t":[1,2,3,4],"f":${row + 1}}\n`,
  );
  writeFileSync(dir.file("lists.jsonl"), lists.join(""));
  writeFileSync(
    dir.file("lists.yaml"),
    "version: 1\nname: lists\nmodel: {path: many.onnx}\ninput: {path: lists.jsonl}\nbind: {shapes: {t: [2, 2]}}\nkeep: none\noutput: {path: out.parquet, ifExists: replace}\n",
  );
});
afterAll(() => dir.remove());

const FLAT = [
  "-m",
  "many.onnx",
  "-i",
  "flat.csv",
  "--bind",
  "x=x0..x2",
  "--bind",
  "t=t*_f*",
  "--shape",
  "t=2x2",
  "--keep",
  "none",
];

describe("one model of many kinds", () => {
  const check = async (times: number[][]): Promise<void> => {
    const rows = await readParquet(dir.file("out.parquet"));
    expect(rows.map(({ small, large, word }) => [Number(small), String(large), word])).toEqual(
      WORDS.map((word, row) => [-128 + row, "18446744073709551615", word]),
    );
    for (const [at, row] of rows.entries()) {
      const p = ["no", "perhaps", "yes"].map((label) => row[`probabilities_${label}`] as number);
      expect(p[0]! + p[1]! + p[2]!).toBeCloseTo(1, 6);
      // The names are right when the picked place is that of the largest one.
      expect(Number(row.place)).toBe(p.indexOf(Math.max(...p)));
      expect(row.unlikely_perhaps).toBeCloseTo(1 - p[1]!, 6);
      expect([0, 1, 2].map((k) => row[`bytes_${k}`])).toEqual([10 + 2 * at, 10, 14]);
      expect([0, 1, 2].map((k) => row[`rounded_${k}`])).toEqual([at, 0, 2]);
      expect([0, 1, 2, 3].map((k) => row[`flat_${k}`])).toEqual([1, 2, 3, 4]);
      expect(row.gelu_2).toBeCloseTo(1.9545, 3);
    }
    expect(rows.map((row) => [0, 1, 2].map((k) => row[`times_${k}`]))).toEqual(times);
  };
  const byTen = WORDS.map((_, row) => [10 * row, 0, 20]);
  const byColumn = WORDS.map((_, row) => [row * (row + 1), 0, 2 * (row + 1)]);

  it("from flat columns, an input with a default left as it is: the plan says so", async () => {
    const planned = await batchpredict(["plan", ...FLAT, "--json"], { cwd: dir.path });
    expect(planned.json<PlanReport>().defaults).toEqual([{ name: "factor", type: "float32", shape: [null, 1] }]);
    const shown = await batchpredict(["plan", ...FLAT], { cwd: dir.path });
    expect(shown.stdout + shown.stderr).toMatch(/factor +float32 \[\?, 1\] +<- +its default in the model +\(not bound\)/);
    const finished = await batchpredict(["run", ...FLAT, "-o", "out.parquet"], { cwd: dir.path });
    expect(finished.stderr).not.toContain("error");
    await check(byTen);
  });

  it("the default replaced by a column, which the runtime itself would have ignored", async () => {
    const finished = await batchpredict(["run", ...FLAT, "--bind", "factor=f", "-o", "out.parquet", "--if-exists", "replace"], {
      cwd: dir.path,
    });
    expect(finished.stderr).not.toContain("error");
    await check(byColumn);
  });

  it("from lists, flattened, with their shape in the job file, from another working directory", async () => {
    mkdirSync(dir.file("elsewhere"), { recursive: true });
    const finished = await batchpredict(["run", path.join("..", "lists.yaml")], { cwd: dir.file("elsewhere") });
    expect(finished.stderr).not.toContain("error");
    await check(byTen);
  });
});

describe("fixed numbers of rows per call", () => {
  it.each([8, 64])("%i: rows are split, padded and trimmed", async (size) => {
    writeFileSync(
      dir.file("fixed.onnx"),
      modelBytes({
        graph: [
          node("Mul", ["x", "two"], ["y"]),
          initializer("two", [2]),
          input("x", FLOAT, [size, 1]),
          output("y", FLOAT, [size, 1]),
        ],
      }),
    );
    const count = 77;
    writeFileSync(dir.file("fixed.csv"), `x\n${Array.from({ length: count }, (_, row) => row).join("\n")}\n`);
    const args = [
      "run",
      "-m",
      "fixed.onnx",
      "-i",
      "fixed.csv",
      "--chunk-bytes",
      "100",
      "-o",
      "out.parquet",
      "--if-exists",
      "replace",
    ];
    const finished = await batchpredict(args, { cwd: dir.path });
    expect(finished.stderr).not.toMatch(/error|change with the rows/);
    expect((await readParquet(dir.file("out.parquet"))).map(({ y }) => y)).toEqual(
      Array.from({ length: count }, (_, row) => 2 * row),
    );
  });

  it("whose rows depend on each other are named, because padding changes them", async () => {
    writeFileSync(
      dir.file("mixing.onnx"),
      modelBytes({
        graph: [
          node("ReduceMean", ["x"], ["mean"]),
          node("Sub", ["x", "mean"], ["y"]),
          input("x", FLOAT, [8, 1]),
          output("y", FLOAT, [8, 1]),
        ],
      }),
    );
    const finished = await batchpredict(["plan", "-m", "mixing.onnx", "-i", "fixed.csv"], { cwd: dir.path });
    expect(finished.stdout + finished.stderr).toContain("predictions of a row change with the rows around it");
  });
});

describe("element types that cannot be served are refused by name", () => {
  it.each([
    [14, "complex64"],
    [16, "bfloat16"],
    [17, "float8e4m3fn"],
    [22, "int4"],
  ])("%i: %s", async (type, name) => {
    writeFileSync(
      dir.file("odd.onnx"),
      modelBytes({ graph: [node("Identity", ["x"], ["y"]), input("x", type, ["n", 1]), output("y", FLOAT, ["n", 1])] }),
    );
    const finished = await batchpredict(["inspect", "odd.onnx"], { cwd: dir.path });
    expect(finished.stderr).toContain(`error BP_MODEL_UNSUPPORTED: input "x" is a tensor of ${name}, which cannot be fed here`);
    expect(finished.code).toBe(2);
  });
});
