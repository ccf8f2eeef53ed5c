/** Threads that start before the command line is read: which, for what, and what becomes of those that nobody takes. */
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { likelyThreads, StartedThreads } from "../../src/start/threads-ahead.ts";
import { batchpredict } from "../cli/batchpredict.ts";
import { FIXTURES } from "../corpora.ts";

let folder: string;
let small: string;
let large: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "batchpredict-ahead-"));
  small = path.join(folder, "small.csv");
  large = path.join(folder, "large.parquet");
  writeFileSync(small, "a\n1\n");
  writeFileSync(large, Buffer.alloc(2 << 20));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const machine = { cores: 3, cwd: tmpdir(), env: {} };
const said = (...argv: string[]): string[] =>
  likelyThreads(argv, machine).map(({ entry, settings }) => `${entry.slice(1, 5)} ${settings.data.format}`);

describe("the guess", () => {
  it("knows formats and workers of a run by flags, however they are written", () => {
    expect(said("run", "-m", "x.onnx", "-i", small, "-o", "out.db")).toEqual(["pred csv", "sink sqlite"]);
    expect(said("run", `--input=${large}`, "--model=x", "--output=a/b.PARQUET", "--quiet")).toEqual([
      "pred parquet",
      "pred parquet",
      "pred parquet",
      "sink parquet",
    ]);
    expect(said("run", "-i", small, small, "-m", "x", "-o", "o.jsonl")).toEqual(["pred csv", "sink jsonl"]);
    // Of a pipe nobody knows how much will come.
    expect(said("run", "-i", "-", "-m", "x", "-o", "o.csv")).toEqual(["pred csv", "pred csv", "pred csv", "sink csv"]);
  });

  it.each([
    ["another command", ["plan", "-m", "x", "-i", "a.csv", "-o", "b.csv"]],
    ["a job", ["run", "job", "-i", "a.csv", "-o", "b.csv", "-m", "x"]],
    ["help", ["run", "-m", "x", "-i", "a.csv", "-o", "b.csv", "--help"]],
    ["a dry run", ["run", "-m", "x", "-i", "a.csv", "-o", "b.csv", "--dry-run"]],
    ["no output", ["run", "-m", "x", "-i", "a.csv"]],
    ["no value of a flag", ["run", "-m", "-i", "a.csv", "-o", "b.csv"]],
    ["an output of no known kind", ["run", "-m", "x", "-i", "a.csv", "-o", "b.txt"]],
    ["a limit of memory", ["run", "-m", "x", "-i", "a.csv", "-o", "b.csv", "--memory-limit=1GB"]],
    ["nothing", []],
  ])("does not guess at %s", (_, argv) => {
    expect(said(...argv)).toEqual([]);
  });

  it("names the model, so that its session is opened meanwhile, where that is small and kernels may be used", () => {
    const model = path.join(FIXTURES, "models/features4_linear/model.onnx");
    const models = (file: string, env = {}): unknown[] =>
      likelyThreads(["run", "-m", path.relative(folder, file), "-i", small, "-o", "o.csv"], { cores: 1, cwd: folder, env }).map(
        ({ settings }) => settings.data.model,
      );
    expect(models(model)).toEqual([model, undefined]);
    expect(models(model, { BATCHPREDICT_KERNEL: "off" })).toEqual([undefined, undefined]);
    expect(models("absent.onnx")).toEqual([undefined, undefined]);
    const huge = path.join(folder, "huge.onnx");
    writeFileSync(huge, "");
    truncateSync(huge, 65 << 20);
    expect(models(huge)).toEqual([undefined, undefined]);
    rmSync(huge);
  });

  it("does not guess where the environment plans for less", () => {
    const argv = ["run", "-m", "x", "-i", small, "-o", "o.csv"];
    expect(likelyThreads(argv, { ...machine, containerMemoryBytes: 1e9 })).toEqual([]);
    expect(likelyThreads(argv, { ...machine, env: { BATCHPREDICT_MEMORY_LIMIT: "1GB" } })).toEqual([]);
    expect(likelyThreads(argv, machine)).toHaveLength(2);
  });
});

describe("a thread", () => {
  it("is given once, and only for what it was started for; the others end by themselves", async () => {
    const likely = likelyThreads(["run", "-m", "x", "-i", small, "-o", "o.csv"], machine);
    const started = new StartedThreads(likely);
    const csv = { data: { format: "csv" }, limits: {} };
    expect(started.take("#predict-worker", { ...csv, limits: { maxYoungGenerationSizeMb: 3 } })).toBeNull();
    expect(started.take("#predict-worker", { ...csv, data: { format: "parquet" } })).toBeNull();
    const taken = started.take("#predict-worker", csv);
    expect(taken).not.toBeNull();
    expect(started.take("#predict-worker", csv)).toBeNull();
    taken!.postMessage({ kind: "stop" });
    started.dismiss();
    expect(started.take("#sink-worker", csv)).toBeNull();
    expect(await once(taken!, "exit")).toEqual([0]);
  });

  it("that was started in vain does not keep a command that failed from ending, nor from its words", async () => {
    const flags = ["-i", path.join(FIXTURES, "models/features4_linear/input.csv"), "-o", "out.parquet"];
    const { code, stderr } = await batchpredict(["run", "-m", "absent.onnx", ...flags], { cwd: folder });
    expect(stderr).toMatch(/^error BP_MODEL_NOT_FOUND: there is no model at .*absent\.onnx\n/);
    expect(code).toBe(2);
    const typo = await batchpredict(["run", "-m", "absent.onnx", ...flags, "--kepe", "id"], { cwd: folder });
    expect(typo.stderr).toMatch(/^error BP_USAGE: unknown option '--kepe'\n {2}fix: did you mean --keep\?\n/);
    expect(typo.code).toBe(2);
    expect(readdirSync(folder).sort()).toEqual(["large.parquet", "small.csv"]);
  });
});
