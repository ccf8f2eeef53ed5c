/** Hostile inputs in full size: 100 MB in one quote, one line or one run of NUL bytes, and 100,000 columns. */
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Workdir, workdir } from "../cli/batchpredict.ts";
import { HOSTILE, type Measured, score, writeLarge } from "../conformance/hostile.ts";

const BYTES = 100 << 20;
const MAX_SECONDS = 60;
const MAX_BYTES = 1024 ** 3;

let dir: Workdir;
beforeEach(() => {
  dir = workdir();
});
afterEach(() => dir.remove());

function check({ seconds, peakBytes }: Measured): void {
  console.info(`  ${expect.getState().currentTestName}: ${seconds.toFixed(1)} s, ${Math.round(peakBytes / 2 ** 20)} MB`);
  expect(peakBytes).toBeLessThan(MAX_BYTES);
  expect(seconds).toBeLessThan(MAX_SECONDS);
}

describe("100 MB of", () => {
  for (const { name, ending, parts, code, says, flags } of HOSTILE) {
    it(name, async () => {
      const input = dir.file(`input.${ending}`);
      writeLarge(input, parts(BYTES));
      const finished = await score(dir, input, flags);
      check(finished);
      for (const text of says) expect(finished.stderr).toMatch(text);
      expect(finished.code).toBe(code);
    });
  }
});

describe("100,000 columns", () => {
  const names = Array.from({ length: 100_000 }, (_, k) => `column_${k}`);

  it("of CSV", async () => {
    const row = names.map((_, k) => k % 7).join(",");
    writeFileSync(dir.file("wide.csv"), `${names.join(",")}\n${`${row}\n`.repeat(20)}`);
    const finished = await score(dir, dir.file("wide.csv"), ["--features", "column_0..column_3", "--keep", "column_99999"]);
    check(finished);
    expect(finished.stderr).toContain("20 rows");
    expect(finished.code).toBe(0);
  });

  it("of JSON Lines", async () => {
    const row = JSON.stringify(Object.fromEntries(names.map((name, k) => [name, k % 7])));
    writeFileSync(dir.file("wide.jsonl"), `${row}\n`.repeat(20));
    const finished = await score(dir, dir.file("wide.jsonl"), ["--features", "column_0..column_3", "--keep", "column_99999"]);
    check(finished);
    expect(finished.stderr).toContain("20 rows");
    expect(finished.code).toBe(0);
  });
});
