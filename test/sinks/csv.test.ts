import fs from "node:fs";
import path from "node:path";
import { Bool, Field, Float32, Float64, Int64, List, TimestampMillisecond, Utf8 } from "apache-arrow";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { SinkOptions } from "../../src/core/sink.ts";
import { openCsvSink } from "../../src/sinks/csv/csv-sink.ts";
import { batchOf, type Column, makeFolder, optionsFor, recordOf } from "../conformance/sink-batches.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = makeFolder();
  file = path.join(folder, "out.csv");
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function run(more: Partial<SinkOptions>, columns: Column[], before: () => void = () => {}): string {
  const options = optionsFor(file, "csv", more);
  const sink = openCsvSink(options);
  try {
    sink.open();
    sink.write(batchOf(columns));
    before();
    const { bytes } = sink.finish(recordOf(options.runId, columns[0]!.values.length));
    expect(bytes).toBe(fs.statSync(file).size);
  } catch (error) {
    sink.abort();
    throw error;
  }
  return fs.readFileSync(file, "utf8");
}

function refused(action: () => unknown): BatchPredictError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(BatchPredictError);
    return error as BatchPredictError;
  }
  throw new BatchPredictError("BP_INTERNAL", "an error was expected");
}

const id = (...values: bigint[]): Column => ({ name: "id", type: new Int64(), values });
const name = (...values: (string | null)[]): Column => ({ name: "name", type: new Utf8(), values });

describe("CSV text", () => {
  it("is RFC 4180 with line feeds, shortest numbers, and null apart from the empty text", () => {
    const text = run({}, [
      id(9_007_199_254_740_993n, -1n, 0n),
      { name: "single", type: new Float32(), values: [0.1, Number.NaN, null] },
      { name: "double, quoted", type: new Float64(), values: [0.1, Infinity, 1e21] },
      { name: "ok", type: new Bool(), values: [true, false, null] },
      name('say "hi"', "", null),
      { name: "at", type: new TimestampMillisecond("UTC"), values: [0, null, 1] },
      { name: "list", type: new List(new Field("item", new Float32(), true)), values: [[1.5, 2], [], null] },
    ]);
    expect(text).toBe(
      [
        'id,single,"double, quoted",ok,name,at,list',
        '9007199254740993,0.1,0.1,true,"say ""hi""",1970-01-01T00:00:00.000Z,"[1.5,2]"',
        '-1,NaN,inf,false,"",,[]',
        "0,,1e+21,,,1970-01-01T00:00:00.001Z,",
        "",
      ].join("\n"),
    );
  });

  it("writes a null as an empty text where a column is alone: an empty line would be no record", () => {
    expect(run({}, [name("a", null, "b")])).toBe('name\na\n""\nb\n');
  });
});

describe("appending", () => {
  it("adds below the old content and keeps its line ends, byte order mark and a missing last one", () => {
    fs.writeFileSync(file, '\ufeffid,"name"\r\n1,"a\nb"');
    expect(run({ ifExists: "append" }, [id(2n), name("c")])).toBe('\ufeffid,"name"\r\n1,"a\nb"\r\n2,c\r\n');
    expect(fs.readdirSync(folder)).toEqual(["out.csv"]);
  });

  it("begins a file that is absent or empty with the header", () => {
    expect(run({ ifExists: "append" }, [id(1n)])).toBe("id\n1\n");
    fs.writeFileSync(file, "");
    expect(run({ ifExists: "append" }, [id(1n)])).toBe("id\n1\n");
  });

  it("copies an old file larger than its buffer", () => {
    const old = `id\n${"12345678\n".repeat(300_000)}`;
    fs.writeFileSync(file, old);
    expect(run({ ifExists: "append" }, [id(2n)])).toBe(`${old}2\n`);
  });

  it.each([
    ["other order", "name,id\n"],
    ["one column less", "id\n"],
    ["one column more", "id,name,score\n"],
    ["another delimiter", "id;name\n"],
    ["no text at all", '\u0000\u0001"'],
  ])("refuses a header with %s, naming both", (_what, old) => {
    fs.writeFileSync(file, old);
    const error = refused(() => run({ ifExists: "append" }, [id(2n), name("c")]));
    expect(error.code).toBe("BP_CONFIG");
    expect(error.details.expected).toBe("header id,name");
    expect(fs.readFileSync(file, "utf8")).toBe(old);
    expect(fs.readdirSync(folder)).toEqual(["out.csv"]);
  });

  it("does not overwrite what another program added meanwhile", () => {
    fs.writeFileSync(file, "id\n1\n");
    const error = refused(() => run({ ifExists: "append" }, [id(2n)], () => fs.appendFileSync(file, "7\n")));
    expect(error.code).toBe("BP_OUTPUT_WRITE");
    expect(fs.readFileSync(file, "utf8")).toBe("id\n1\n7\n");
    fs.rmSync(file);
    expect(refused(() => run({ ifExists: "append" }, [id(2n)], () => fs.writeFileSync(file, "id\n8\n"))).code).toBe(
      "BP_OUTPUT_WRITE",
    );
    expect(fs.readFileSync(file, "utf8")).toBe("id\n8\n");
  });
});

describe("before it is published", () => {
  it("the file is counted again", () => {
    const cut = (): void => {
      const temp = path.join(folder, fs.readdirSync(folder).find((entry) => entry.endsWith(".partial"))!);
      fs.truncateSync(temp, fs.statSync(temp).size - 2);
    };
    const error = refused(() => run({}, [id(1n, 2n, 3n)], cut));
    expect(error).toMatchObject({ code: "BP_ACCOUNTING", details: { expected: "3 rows", actual: "2 rows" } });
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("two columns of one name are refused", () => {
    expect(refused(() => run({}, [id(1n), id(2n)])).code).toBe("BP_CONFIG");
  });
});
