/** Small versions of test/long/hostile.test.ts: the limits are lowered, what is said stays the same. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { FIXTURES } from "../corpora.ts";
import { HOSTILE, score, writeLarge } from "./hostile.ts";

const MODEL = path.join(FIXTURES, "models/features4_linear/model.onnx");
const BYTES = 3 << 20;

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
});
afterAll(() => dir.remove());

describe("hostile inputs end soon and say where", () => {
  for (const { name, ending, parts, code, says, flags } of HOSTILE) {
    it(name, async () => {
      const input = dir.file(`${name}.${ending}`);
      writeLarge(input, parts(BYTES));
      const finished = await score(dir, input, flags);
      for (const text of says) expect(finished.stderr).toMatch(text);
      expect(finished.code).toBe(code);
    });
  }

  it("10,000 columns are read and kept", async () => {
    const input = dir.file("wide.csv");
    const names = Array.from({ length: 10_000 }, (_, k) => `c${k}`);
    const row = names.map((_, k) => k % 7).join(",");
    writeFileSync(input, `${names.join(",")}\n${row}\n${row}\n`);
    const finished = await score(dir, input, ["--features", "c0..c3", "-o", dir.file("out.jsonl")]);
    expect(finished.stderr).not.toContain("error");
    const rows = readFileSync(dir.file("out.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(rows).toHaveLength(2);
    expect(Object.keys(rows[0]!)).toHaveLength(9_997);
    expect(rows[1]!.c9999).toBe(9999 % 7);
  });
});

describe("headers that name columns twice or not at all are loud", () => {
  const refused: [string, string, RegExp][] = [
    ["twice", "a,b,a,d\n1,2,3,4\n", /error BP_SOURCE_SCHEMA.*twice: "a" \(columns 1, 3\)[\s\S]*line 1/],
    ["not at all", "a,,c,d\n1,2,3,4\n", /error BP_SOURCE_SCHEMA.*no name for column 2[\s\S]*line 1/],
  ];
  it.each(refused)("%s", async (name, content, says) => {
    const input = dir.file(`${name}.csv`);
    writeFileSync(input, content);
    const finished = await score(dir, input);
    expect(finished.stderr).toMatch(says);
    expect(finished.code).toBe(2);
  });

  it("an unnamed first column is called c0, and run and plan say so", async () => {
    const input = dir.file("index.csv");
    writeFileSync(input, ",f0,f1,f2,f3\n7,1,2,3,4\n");
    const output = dir.file("named.csv");
    const finished = await batchpredict(["run", "-m", MODEL, "-i", input, "--features", "f0..f3", "-o", output]);
    expect(finished.stderr).toContain('column 1 has no name in the header and is called "c0"');
    expect(finished.code).toBe(0);
    expect(readFileSync(output, "utf8")).toMatch(/^c0,variable\n7,/);
    const planned = await batchpredict([
      "plan",
      "-m",
      MODEL,
      "-i",
      input,
      "--features",
      "f0..f3",
      "-o",
      dir.file("x.csv"),
      "--json",
    ]);
    expect(planned.json<{ notices: string[] }>().notices).toContain('column 1 has no name in the header and is called "c0"');
  });
});
