/** What a run says and to whom: people's text to stderr, data to stdout, nothing beside the output in its folder. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FIXTURES } from "../corpora.ts";
import { readParquet } from "../parquet.ts";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { start } from "./in-the-middle.ts";
import { FEATURES, FLOWERS, HEADER, MODEL, RECORDS, run, TREE } from "./iris.ts";

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
});
afterAll(() => dir.remove());

describe.concurrent("a successful run", () => {
  it.each(["parquet", "csv", "arrow", "db"])("leaves nothing but out.%s, and says nothing under --quiet", async (ending) => {
    const { code, stdout, stderr } = await batchpredict([...run(FLOWERS, dir.file(`${ending}/out.${ending}`)), "--quiet"]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(readdirSync(dir.file(ending))).toEqual([`out.${ending}`]);
  });

  it("sums up on stderr and leaves stdout empty", async () => {
    const output = dir.file("summary/out.csv");
    const { code, stdout, stderr } = await batchpredict(run(FLOWERS, output));
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    const lines = stderr.trimEnd().split("\n");
    expect(lines[0]).toBe(`done: 1,000 predictions in ${output}`);
    expect(lines[1]).toBe("  rows    1,000 read, 1,000 predicted, 0 rejected");
    expect(stderr).toMatch(/\n {2}time {4}.* rows\/s, .* read, peak memory .*\n/);
    expect(stderr).toMatch(/\n {2}model {3}sha256 01b81e2aebba08d5, ONNX Runtime 1\.30\.0\n/);
    expect(stderr).toMatch(/\n {2}run {5}[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(stderr).not.toMatch(/\x1b/);
  });

  it("--json is one document on stdout with the promised keys", async () => {
    const output = dir.file("json/out.parquet");
    const { json } = await batchpredict([...run(FLOWERS, output), "--json"]);
    const { sha256, path: model } = json<{ model: { sha256: string; path: string } }>().model;
    expect(json()).toMatchObject({
      run_id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/),
      status: "succeeded",
      rows: { read: 1000, predicted: 1000, rejected: 0 },
      seconds: expect.any(Number),
      rows_per_second: expect.any(Number),
      peak_memory_bytes: expect.any(Number),
      output: { path: output, format: "parquet", bytes: readFileSync(output).length },
      resumed_from_row: null,
    });
    expect(model).toBe(MODEL);
    expect(sha256).toBe("01b81e2aebba08d5203975ae1b34e7fafa947e766f8d3f4c5f6f38c1130c81e6");
  });

  it("--color always colours, and NO_COLOR does not win over it", async () => {
    const { stderr } = await batchpredict([...run(FLOWERS, dir.file("color/out.csv")), "--color", "always"]);
    expect(stderr).toMatch(/\x1b\[32mdone/);
    const never = await batchpredict([...run(FLOWERS, dir.file("color/out.csv")), "--color", "never"]);
    expect(never.stderr).toMatch(/^error BP_OUTPUT_EXISTS: /);
  });

  it("--dry-run checks everything and writes nothing", async () => {
    const { code, stdout, stderr } = await batchpredict([...run(FLOWERS, dir.file("dry/out.csv")), "--dry-run"]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "dry run: everything fits; nothing was written\n" });
    expect(readdirSync(dir.path)).not.toContain("dry");
    const bad = await batchpredict(["run", "-m", MODEL, "-i", FLOWERS, "-o", dir.file("dry/out.csv"), "--dry-run"]);
    expect(bad.code).toBe(2);
  });
});

it("--progress always writes plain lines where there is no terminal", async () => {
  const piped = start(dir.path, [
    ...["run", "-m", MODEL, "-i", "-", "-o", "piped.csv", ...FEATURES],
    ...["--progress", "always", "--chunk-bytes", "65536"],
  ]);
  piped.child.stdin.end(`${HEADER}\n${`${RECORDS.join("\n")}\n`.repeat(20)}`);
  const { code, stderr } = await piped.ended;
  expect(code).toBe(0);
  // How many rows there will be is not known of a pipe.
  expect(stderr).toMatch(/^[\d,]+ rows, [\d,]+ rows\/s, .* (B|KB|MB)$/m);
  expect(stderr).not.toMatch(/[\x1b\r]|%/);
  const file = await batchpredict([...run(FLOWERS, dir.file("lines.csv")), "--progress", "always", "--chunk-bytes", "4096"]);
  expect(file.stderr).toMatch(/^\d+% {2}[\d,]+ of ~[\d,]+ rows, [\d,]+ rows\/s, /m);
  const quiet = await batchpredict([...run(FLOWERS, dir.file("quiet.csv")), "--progress", "always", "--quiet"]);
  expect(quiet.stderr).toBe("");
  const never = await batchpredict([...run(FLOWERS, dir.file("never.csv")), "--progress", "never"]);
  expect(never.stderr).not.toMatch(/%/);
});

describe.concurrent("other documents", () => {
  it("plan --json", async () => {
    const { json, code } = await batchpredict(["plan", "-m", MODEL, "-i", FLOWERS, ...FEATURES, "--json"]);
    expect(code).toBe(0);
    expect(json()).toMatchObject({
      inputs: [
        {
          name: "features",
          type: "float32",
          shape: ["N", 4],
          columns: ["sepal_length", "sepal_width", "petal_length", "petal_width"],
          casts: ["text -> float32"],
        },
      ],
      outputs: [{ name: "variable", type: "float32", columns: ["variable"] }],
      keep: [{ name: "id" }, { name: "species" }],
      chunks: 1,
      workers: 1,
      batch_size: expect.any(Number),
      origin: { features: "flag --features", workers: expect.stringMatching(/^auto: /) },
    });
  });

  it("inspect --json of a model and of data", async () => {
    const model = await batchpredict(["inspect", MODEL, "--json"]);
    expect(model.json()).toMatchObject({
      inputs: [{ name: "features", type: "float32" }],
      outputs: [{ name: "variable", type: "float32" }],
      opset: { "ai.onnx.ml": 1 },
      producer: expect.stringContaining("skl2onnx"),
      metadata: {},
    });
    const data = await batchpredict(["inspect", FLOWERS, "--json"]);
    expect(data.json()).toMatchObject({
      format: "csv",
      dialect: { delimiter: ",", header: true },
      rows_estimate: expect.any(Number),
    });
    expect(data.json<{ columns: { name: string; type: string }[] }>().columns.map(({ name }) => name)).toEqual(HEADER.split(","));
    const typed = await batchpredict(["inspect", path.join(TREE, "input.parquet"), "--json"]);
    expect(typed.json()).toMatchObject({ format: "parquet", rows: 1000 });
  });

  it("doctor --json", async () => {
    const { json, code } = await batchpredict(["doctor", "--json"]);
    expect(json()).toMatchObject({ ok: true });
    expect(json<{ checks: { name: string }[] }>().checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["node", "onnxruntime-node", "better-sqlite3", "parquet-wasm"]),
    );
    expect(code).toBe(0);
  });

  it.each(["run", "plan", "inspect", "doctor", "schema"])("%s --help has examples", async (command) => {
    const { code, stdout, stderr } = await batchpredict([command, "--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(new RegExp(`Examples?:\\n(.*\\n)*?.*batchpredict ${command} `));
    for (const flag of ["--json", "--quiet", "--color", "--state-dir"]) expect(stdout).toContain(flag);
  });

  it("--help and --version", async () => {
    const help = await batchpredict(["--help"]);
    expect({ code: help.code, stderr: help.stderr }).toEqual({ code: 0, stderr: "" });
    expect(help.stdout).toContain("Examples:");
    const version = await batchpredict(["--version"]);
    const { version: expected } = JSON.parse(readFileSync(path.join(FIXTURES, "../package.json"), "utf8")) as { version: string };
    expect(version).toMatchObject({ code: 0, stdout: `${expected}\n`, stderr: "" });
  });
});

describe.concurrent("standard input", () => {
  const output = (name: string): string => dir.file(`stdin-${name}.csv`);
  it("CSV, with or without gzip, gives what the file gives", async () => {
    const { gzipSync } = process.getBuiltinModule("node:zlib");
    await batchpredict([...run(FLOWERS, output("file")), "--quiet"]);
    const bytes = readFileSync(FLOWERS);
    for (const [name, stdin] of Object.entries({ plain: bytes, gzip: gzipSync(bytes) })) {
      const { code, stderr } = await batchpredict([...run("-", output(name)), "--quiet"], { stdin });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(readFileSync(output(name), "utf8")).toBe(readFileSync(output("file"), "utf8"));
    }
  });

  it.each([
    ["arrow-stream", "input.arrows"],
    ["arrow", "input.arrow"],
  ])("%s", async (format, file) => {
    const args = ["run", "-m", path.join(TREE, "model.onnx"), "-o", output(format), ...FEATURES, "--keep", "id", "--quiet"];
    const { code, stderr } = await batchpredict([...args, "-i", "-", "--input-format", format], {
      stdin: readFileSync(path.join(TREE, file)),
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(parse(readFileSync(output(format)), { columns: true }).length).toBe(1000);
  });

  it("nothing at all is an empty input", async () => {
    const { code, stderr } = await batchpredict(run("-", output("nothing")));
    expect(stderr).toMatch(/^error BP_INPUT_FORMAT: .*empty/);
    expect(code).toBe(2);
  });
});

describe.concurrent("parts and columns", () => {
  const scored = async (name: string, ...more: string[]): Promise<Record<string, unknown>[]> => {
    const output = dir.file(`parts-${name}.parquet`);
    const { code, stderr } = await batchpredict([...run(FLOWERS, output), "--quiet", ...more]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return readParquet(output);
  };
  const rows = (table: Record<string, unknown>[]): number[] => table.map(({ row }) => Number(row));
  const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at);

  it("--limit and --where-rows", async () => {
    expect(rows(await scored("limit", "--limit", "7", "--keep", "none"))).toEqual(range(0, 7));
    expect(rows(await scored("where", "--where-rows", "100..103", "--keep", "none"))).toEqual(range(100, 103));
    expect(rows(await scored("both", "--where-rows", "990..", "--limit", "5", "--keep", "none"))).toEqual(range(990, 995));
    expect(rows(await scored("zero", "--limit", "0", "--keep", "none"))).toEqual([]);
  });

  it("shards are disjoint and together the whole, with the rows of the whole", async () => {
    const whole = await scored("whole", "--keep", "none");
    const parts = await Promise.all([1, 2, 3].map((part) => scored(`shard${part}`, "--shard", `${part}/3`, "--keep", "none")));
    const united = parts.flat().sort((a, b) => Number(a.row) - Number(b.row));
    expect(united).toEqual(whole);
    for (const part of parts) expect(part.length).toBeGreaterThan(100);
  });

  it("--keep '*', none and names", async () => {
    const names = async (name: string, ...more: string[]): Promise<string[]> => Object.keys((await scored(name, ...more))[0]!);
    expect(await names("keep-all", "--keep", "*")).toEqual([...HEADER.split(","), "variable"]);
    expect(await names("keep-none", "--keep", "none")).toEqual(["row", "variable"]);
    expect(await names("keep-some", "--keep", "species,id")).toEqual(["id", "species", "variable"]);
    expect(await names("keep-default")).toEqual(["id", "species", "variable"]);
    expect(await names("alias", "--outputs", "variable=class", "--keep", "id")).toEqual(["id", "class"]);
    expect(await names("taken", "--outputs", "variable=id", "--keep", "id")).toEqual(["id", "pred_id"]);
  });

  it("--const feeds the same value to every row", async () => {
    const folder = path.join(FIXTURES, "models/rank1_dynamic_two_inputs");
    const { json } = await batchpredict(["inspect", path.join(folder, "model.onnx"), "--json"]);
    const [first, second] = json<{ inputs: { name: string }[] }>().inputs;
    const output = dir.file("const.csv");
    const [column] = readFileSync(path.join(folder, "input.csv"), "utf8").split("\n")[0]!.split(",");
    const { code, stderr } = await batchpredict([
      ...["run", "-m", path.join(folder, "model.onnx"), "-i", path.join(folder, "input.csv"), "-o", output],
      ...["--bind", `${first!.name}=${column}`, "--const", `${second!.name}=3`, "--keep", "none", "--quiet"],
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(parse(readFileSync(output), { columns: true }).length).toBeGreaterThan(0);
  });
});
