import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { SinkFormat, SinkOptions } from "../../src/core/sink.ts";
import { checkOutput, sinkFormatOf } from "../../src/sinks/registry.ts";
import { makeFolder, optionsFor } from "../conformance/sink-batches.ts";

let folder: string;
beforeEach(() => {
  folder = makeFolder();
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const at = (...parts: string[]): string => path.join(folder, ...parts);

async function refusal(file: string, format: SinkFormat, more: Partial<SinkOptions> = {}): Promise<BatchPredictError> {
  const before = fs.readdirSync(folder);
  try {
    await checkOutput(optionsFor(file, format, more));
  } catch (error) {
    expect(error).toBeInstanceOf(BatchPredictError);
    expect((error as BatchPredictError).details.hints).not.toEqual([]);
    expect(fs.readdirSync(folder)).toEqual(before);
    return error as BatchPredictError;
  }
  throw new BatchPredictError("BP_INTERNAL", "an error was expected");
}

describe("the format of an output", () => {
  it.each([
    ["a.parquet", "parquet"],
    ["a.PQ", "parquet"],
    ["a.db", "sqlite"],
    ["x.y.sqlite", "sqlite"],
    ["a.sqlite3", "sqlite"],
    ["a.csv", "csv"],
    ["a.arrow", "arrow"],
    ["a.feather", "arrow"],
    ["a.txt", null],
    ["parquet", null],
    [".csv", null],
  ])("of %s is %s", (file, format) => expect(sinkFormatOf(file)).toBe(format));
});

describe("before the first row", () => {
  it("accepts a new file, also in folders that do not exist yet, and makes nothing", async () => {
    for (const format of ["sqlite", "csv", "parquet", "arrow"] as const) {
      await checkOutput(optionsFor(at("new", "deeper", "out"), format));
      await checkOutput(optionsFor(at("out"), format, { rejects: { path: null } }));
    }
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("refuses an existing file under fail, saying what fits the format", async () => {
    fs.writeFileSync(at("out"), "id\n");
    const csv = await refusal(at("out"), "csv");
    expect(csv.code).toBe("BP_OUTPUT_EXISTS");
    expect(csv.details.hints!.join()).toContain("--if-exists append");
    expect((await refusal(at("out"), "parquet")).details.hints!.join()).not.toContain("append");
    await checkOutput(optionsFor(at("out"), "csv", { ifExists: "replace" }));
  });

  it("refuses what a format cannot do, and upsert without a key", async () => {
    for (const format of ["parquet", "arrow"] as const) {
      const error = await refusal(at("out"), format, { ifExists: "append" });
      expect(error.code).toBe("BP_CONFIG");
      expect(error.details.hints!.join()).toContain("sqlite or csv");
    }
    expect((await refusal(at("out"), "csv", { ifExists: "upsert", key: ["id"] })).details.hints!.join()).toContain("sqlite");
    expect((await refusal(at("out"), "sqlite", { ifExists: "upsert" })).details.hints!.join()).toContain("--key");
    await checkOutput(optionsFor(at("out"), "sqlite", { ifExists: "upsert", key: ["id"] }));
  });

  it("refuses a folder, a device, and a file used as a folder", async () => {
    fs.mkdirSync(at("taken"));
    fs.writeFileSync(at("file"), "");
    expect((await refusal(at("taken"), "csv", { ifExists: "replace" })).message).toContain("it is a folder");
    expect((await refusal("/dev/null", "csv", { ifExists: "replace" })).message).toContain("not a regular file");
    const inside = await refusal(at("file", "out.csv"), "csv");
    expect(inside.code).toBe("BP_OUTPUT_PATH");
    expect(inside.message).toContain(`${at("file")} is not a folder`);
  });

  it("refuses rejects that would overwrite the output or an old file", async () => {
    fs.writeFileSync(at("bad.csv"), "mine\n");
    expect((await refusal(at("out.csv"), "csv", { rejects: { path: at("out.csv") } })).code).toBe("BP_CONFIG");
    const error = await refusal(at("out.csv"), "csv", { rejects: { path: at("bad.csv") } });
    expect(error.code).toBe("BP_OUTPUT_EXISTS");
    expect(error.details.hints!.join()).toContain("--rejects");
  });

  // Root may write everywhere, so there is nothing to refuse.
  it.skipIf(process.getuid?.() === 0)("refuses a folder without permission", async () => {
    fs.mkdirSync(at("locked"), { mode: 0o555 });
    expect((await refusal(at("locked", "out.csv"), "csv")).message).toContain("no permission");
  });
});
