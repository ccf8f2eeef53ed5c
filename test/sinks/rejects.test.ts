import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parse } from "csv-parse/sync";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RejectedRow, SinkOptions } from "../../src/core/sink.ts";
import { openRejects, REJECT_COLUMNS } from "../../src/sinks/rejects.ts";

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "batchpredict-rejects-"));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

function options(more: Partial<SinkOptions> = {}): SinkOptions {
  return {
    format: "parquet",
    path: path.join(folder, "scores.parquet"),
    table: "predictions",
    ifExists: "fail",
    key: [],
    runId: "run",
    rejects: { path: null },
    commitRows: 1000,
    commitBytes: 1 << 20,
    ...more,
  };
}

const ROW: RejectedRow = {
  row: 438,
  line: 439,
  byte: 6997,
  column: "age",
  code: "BP_SOURCE_CELL",
  message: 'cannot read "n/a"',
  raw: '1,"n/a"\r\n',
};
const BARE: RejectedRow = { row: 2 ** 40, line: null, byte: null, column: null, code: "BP_INFERENCE", message: "", raw: null };

describe("openRejects", () => {
  it("writes rows that a CSV reader gets back as they were", () => {
    const rejects = openRejects(options())!;
    rejects.write([ROW]);
    rejects.write([BARE]);
    const { path: file } = rejects.publish();
    expect(file).toBe(path.join(folder, "scores.rejects.csv"));
    expect(parse(fs.readFileSync(file!), { columns: true })).toEqual([
      {
        row: "438",
        line: "439",
        byte: "6997",
        column: "age",
        code: "BP_SOURCE_CELL",
        message: 'cannot read "n/a"',
        raw: '1,"n/a"\r\n',
      },
      { row: "1099511627776", line: "", byte: "", column: "", code: "BP_INFERENCE", message: "", raw: "" },
    ]);
    expect(fs.readdirSync(folder)).toEqual(["scores.rejects.csv"]);
  });

  it("keeps 20,000 rows in order across its buffer", () => {
    const rejects = openRejects(options())!;
    for (let i = 0; i < 20_000; i++) rejects.write([{ ...ROW, row: i }]);
    const records = parse(fs.readFileSync(rejects.publish().path!), { columns: true }) as { row: string }[];
    expect(records.map(({ row }) => Number(row))).toEqual(Array.from({ length: 20_000 }, (_, i) => i));
  });

  it("publishes nothing without rejects, and nothing when discarded", () => {
    expect(openRejects(options())!.publish()).toEqual({ path: null });
    const rejects = openRejects(options())!;
    rejects.write([ROW]);
    rejects.discard();
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("is not asked for when rejects are not kept, or go into the database", () => {
    expect(openRejects(options({ rejects: null }))).toBeNull();
    expect(openRejects(options({ format: "sqlite" }))).toBeNull();
    const given = path.join(folder, "bad.csv");
    const rejects = openRejects(options({ format: "sqlite", rejects: { path: given } }))!;
    rejects.write([ROW]);
    expect(rejects.publish().path).toBe(given);
  });

  it("refuses an existing file before the first row under fail, and names the mend", () => {
    fs.writeFileSync(path.join(folder, "scores.rejects.csv"), "mine");
    expect(() => openRejects(options())).toThrowError(/rejects file .*scores\.rejects\.csv exists already/);
    expect(fs.readdirSync(folder)).toEqual(["scores.rejects.csv"]);
  });

  it("under replace, a run without rejects takes an older rejects file away, but never a file that is not one", () => {
    const target = path.join(folder, "scores.rejects.csv");
    fs.writeFileSync(target, `${REJECT_COLUMNS.join(",")}\n1,,,,,,\n`);
    openRejects(options({ ifExists: "replace" }))!.publish();
    expect(fs.readdirSync(folder)).toEqual([]);
    fs.writeFileSync(target, "mine");
    openRejects(options({ ifExists: "replace" }))!.publish();
    expect(fs.readFileSync(target, "utf8")).toBe("mine");
  });

  it("under append, keeps the rows of earlier runs", () => {
    for (const row of [1, 2]) {
      const rejects = openRejects(options({ ifExists: "append" }))!;
      rejects.write([{ ...ROW, row }]);
      rejects.publish();
    }
    const records = parse(fs.readFileSync(path.join(folder, "scores.rejects.csv")), { columns: true }) as { row: string }[];
    expect(records.map(({ row }) => row)).toEqual(["1", "2"]);
  });
});
