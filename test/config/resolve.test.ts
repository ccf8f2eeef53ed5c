import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type JobFile, readJob } from "../../src/config/read-job.ts";
import { resolveRun } from "../../src/config/resolve.ts";
import type { RunFlags } from "../../src/config/run-flags.ts";
import { BatchPredictError, toWire } from "../../src/core/errors.ts";

const CWD = path.resolve("/data/project");
const FULL: RunFlags = { model: "m.onnx", input: ["in.csv"], output: "out.parquet" };
const resolve = (flags: RunFlags, job: JobFile | null = null, env: Record<string, string> = {}) =>
  resolveRun({ ...FULL, ...flags }, job, env, CWD);

/** What a user would read. */
function complaint(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(BatchPredictError);
    const wire = toWire(error);
    const line = ({ code, message, expected, hints, where }: typeof wire): string =>
      `${code} ${message}${where?.file ? ` (${where.file}:${where.line ?? ""})` : ""}${expected ? ` [${expected}]` : ""}${hints?.length ? ` -> ${hints.join(" -> ")}` : ""}`;
    return [line(wire), ...(wire.problems ?? []).map(line)];
  }
  throw new Error("no complaint");
}

describe("resolveRun without a job", () => {
  it("fills in every setting, with its origin", () => {
    const { settings, origins } = resolve({});
    expect(settings).toEqual({
      job: null,
      model: path.join(CWD, "m.onnx"),
      modelSha256: null,
      inputs: [path.join(CWD, "in.csv")],
      inputFormat: null,
      csv: {},
      output: path.join(CWD, "out.parquet"),
      outputFormat: "parquet",
      table: "predictions",
      ifExists: "fail",
      key: [],
      features: null,
      bind: {},
      shapes: {},
      constants: {},
      keep: null,
      outputs: null,
      batchSize: "auto",
      workers: "auto",
      threads: "auto",
      chunkBytes: "auto",
      memoryLimitBytes: null,
      missing: { default: "auto", columns: {} },
      onError: "fail",
      maxRejects: null,
      rejects: null,
      limit: null,
      whereRows: null,
      shard: null,
      fresh: false,
      stateDir: path.join(CWD, ".batchpredict"),
      transform: null,
    });
    expect(origins).toMatchObject({
      model: "flag --model",
      inputs: "flag --input",
      outputFormat: "the extension .parquet",
      workers: "default",
    });
    expect(Object.keys(settings).filter((key) => origins[key] === undefined)).toEqual([]);
  });

  it("reads every flag", () => {
    const { settings } = resolve({
      input: ["a.csv", "b/*.csv"],
      output: "o.SQLITE",
      table: "scores",
      ifExists: "upsert",
      key: "id, week",
      features: ["lag_1..lag_8", 'promo,"a, b",c\\,d'],
      bind: ["age=age_years", "x=a,b"],
      const: ["k=3", "v=[1, 2]", "s=a=b"],
      shape: ["history=24x3", "a=b=2"],
      keep: "*",
      outputs: ["label,p=score"],
      batchSize: "1_024",
      workers: "2",
      threads: "1",
      chunkBytes: "8MiB",
      missing: "reject",
      onError: "reject",
      maxRejects: "0.5%",
      rejects: "bad.csv",
      delimiter: "\\t",
      quote: "none",
      escape: "\\",
      encoding: "latin1",
      header: "false",
      nullValues: ",NA,-999",
      decimal: ",",
      comment: "#",
      columnType: ["zip=utf8", "a=b=int64"],
      limit: "10",
      whereRows: "5..20",
      shard: "2/3",
      fresh: true,
      stateDir: "/state",
    });
    expect(settings).toMatchObject({
      inputs: [path.join(CWD, "a.csv"), path.join(CWD, "b/*.csv")],
      outputFormat: "sqlite",
      key: ["id", "week"],
      features: ["lag_1..lag_8", "promo", "a, b", "c,d"],
      bind: { age: ["age_years"], x: ["a", "b"] },
      constants: { k: "3", v: "[1, 2]" },
      undecided: [{ flag: "--const", text: "s=a=b" }],
      shapes: { history: [24, 3], "a=b": [2] },
      keep: ["*"],
      outputs: [
        { name: "label", alias: null },
        { name: "p", alias: "score" },
      ],
      batchSize: 1024,
      workers: 2,
      threads: 1,
      chunkBytes: 8 * 1024 * 1024,
      missing: { default: "reject", columns: {} },
      maxRejects: { percent: 0.5 },
      rejects: path.join(CWD, "bad.csv"),
      csv: {
        delimiter: "\t",
        quote: null,
        escape: "\\",
        encoding: "latin1",
        header: false,
        nullValues: ["", "NA", "-999"],
        decimal: ",",
        comment: "#",
        columnTypes: { zip: "utf8", "a=b": "int64" },
      },
      limit: 10,
      whereRows: { start: 5, end: 20 },
      shard: { index: 2, count: 3 },
      fresh: true,
      stateDir: "/state",
    });
  });

  it("knows names of delimiters, none for --keep, and open ranges", () => {
    expect(resolve({ delimiter: "tab" }).settings.csv.delimiter).toBe("\t");
    expect(resolve({ delimiter: "pipe" }).settings.csv.delimiter).toBe("|");
    expect(resolve({ keep: "none" }).settings.keep).toEqual([]);
    expect(resolve({ whereRows: "5.." }).settings.whereRows).toEqual({ start: 5, end: Number.MAX_SAFE_INTEGER });
    expect(resolve({ missing: "NaN" }).settings.missing.default).toBe("nan");
    expect(resolve({ missing: "0" }).settings.missing.default).toEqual({ value: "0" });
    expect(resolve({ header: true }).settings.csv.header).toBe(true);
    expect(resolve({ input: "-" }).settings.inputs).toEqual(["-"]);
  });

  it.each([
    ["o.pq", "parquet"],
    ["o.db", "sqlite"],
    ["o.sqlite3", "sqlite"],
    ["o.csv", "csv"],
    ["o.arrow", "arrow"],
    ["o.feather", "arrow"],
  ])("takes the format of %s from its extension", (output, format) => {
    expect(resolve({ output }).settings.outputFormat).toBe(format);
  });

  it("says together what is missing, with an example", () => {
    expect(complaint(() => resolveRun({}, null, {}, CWD))).toEqual([
      "BP_USAGE --model, --input and --output are missing -> for example: batchpredict run --model model.onnx --input data.csv --output predictions.parquet -> or name a job: batchpredict run JOB",
    ]);
    expect(complaint(() => resolveRun({ model: "m", input: [] }, null, {}, CWD))[0]).toMatch(
      /^BP_USAGE --input and --output are missing/,
    );
  });

  it("reports every bad flag at once, in words", () => {
    const bad: RunFlags = {
      output: "out.parqet",
      inputFormat: "parqet",
      batchSize: "10k",
      workers: "0",
      threads: "many",
      chunkBytes: "8 pounds",
      ifExists: "overwrite",
      onError: "rejct",
      maxRejects: "101%",
      whereRows: "20..5",
      shard: "4/3",
      limit: "-1",
      delimiter: "ab",
      encoding: "utf9",
      header: "maybe",
      decimal: ";",
      features: "a,,b",
      keep: '"a',
      bind: ["nonsense", "x=", "y=a", "y=b"],
      const: ["v=[1,"],
      shape: ["h=24x0"],
      columnType: ["zip=text"],
      outputs: "a=,b",
    };
    expect(complaint(() => resolve(bad))).toMatchInlineSnapshot(`
      [
        "BP_USAGE 25 problems with the settings of the run",
        "BP_USAGE --input-format: "parqet" is not one of the choices [csv, jsonl, arrow, arrow-stream, parquet] -> did you mean parquet?",
        "BP_CONFIG unknown extension .parqet of the output "out.parqet" [.parquet, .pq, .db, .sqlite, .sqlite3, .csv, .jsonl, .ndjson, .arrow, .feather] -> did you mean .parquet? -> name the file *.parquet, *.db, *.csv, *.jsonl or *.arrow, or say --output-format parquet | sqlite | csv | jsonl | arrow",
        "BP_USAGE --delimiter: "ab" is no delimiter [one ASCII character, or tab, comma, semicolon, pipe, space]",
        "BP_USAGE --encoding: "utf9" is an unknown encoding [utf-8, utf-16le, utf-16be, latin1, windows-1252, ...] -> did you mean utf-8?",
        "BP_USAGE --header: "maybe" is neither true nor false [true, false]",
        "BP_USAGE --decimal: ";" is not one of the choices [., ,]",
        "BP_USAGE --column-type: "zip=text" has an unknown type [utf8, int64, float64, bool]",
        "BP_USAGE --keep: "\\"a" cannot be read: a quote is not closed in "\\"a" -> close the quote, or put a backslash before it",
        "BP_USAGE --if-exists: "overwrite" is not one of the choices [fail, replace, append, upsert]",
        "BP_USAGE --features: "a,,b" has an empty column -> a comma too many?",
        "BP_USAGE --bind: "nonsense" is not of the form INPUT=COLS [INPUT=COLS]",
        "BP_USAGE --bind x: "" has an empty column -> a comma too many?",
        "BP_USAGE model input "y" is given twice by --bind -> keep one of the two",
        "BP_USAGE --const v: "[1," begins like a JSON list and is none [a value, or a JSON list such as [1, 2] or ["a"]]",
        "BP_USAGE --shape h: "24x0" is no shape [the shape of one row, for example 24x3]",
        "BP_USAGE --outputs: "a=" is not of the form NAME or NAME=ALIAS",
        "BP_USAGE --batch-size: "10k" is no whole number [a whole number from 1 to 16,777,216, or auto] -> write 10000",
        "BP_USAGE --workers: "0" is too small [a whole number from 1 to 512, or auto]",
        "BP_USAGE --threads: "many" is no whole number [a whole number from 1 to 512, or auto]",
        "BP_USAGE --chunk-bytes: "8 pounds" is no size [bytes, for example 1000000, 512k, 8MiB; at most 1024 MiB, or auto]",
        "BP_USAGE --on-error: "rejct" is not one of the choices [fail, reject] -> did you mean reject?",
        "BP_USAGE --max-rejects: "101%" is more than everything [rows or a share, for example 100 or 1%]",
        "BP_USAGE --limit: "-1" is no whole number [a whole number from 0 to 9,007,199,254,740,991]",
        "BP_USAGE --where-rows: "20..5" holds no row [A..B, rows from 0, end not included; 0..100 are the first hundred, 100.. all but them]",
        "BP_USAGE --shard: "4/3" is out of range [I/N, part I of N, for example 1/4] -> I goes from 1 to N",
      ]
    `);
  });

  it("sees contradictions", () => {
    expect(complaint(() => resolve({ output: "o.db", ifExists: "upsert" }))).toMatchInlineSnapshot(`
      [
        "BP_CONFIG --if-exists upsert needs to know what identifies a row -> name the columns: --key id (job file: output.key)",
      ]
    `);
    expect(complaint(() => resolve({ maxRejects: "1%" }))).toMatchInlineSnapshot(`
      [
        "BP_USAGE --max-rejects without --on-error reject -> bad rows stop the run (default): add --on-error reject",
      ]
    `);
    expect(complaint(() => resolve({ table: "t" }))).toMatchInlineSnapshot(`
      [
        "BP_USAGE --table has no meaning for parquet output -> leave it out, or write to a .db file",
      ]
    `);
    expect(complaint(() => resolve({ bind: "a=x", const: "a=1" }))).toMatchInlineSnapshot(`
      [
        "BP_USAGE model input "a" is given by --bind and by --const -> keep one of the two",
      ]
    `);
    expect(complaint(() => resolve({ output: "in.csv" }))).toMatchInlineSnapshot(`
      [
        "BP_CONFIG the output would overwrite the input /data/project/in.csv -> give --output another path",
      ]
    `);
    expect(complaint(() => resolve({ input: ["-", "in.csv"] }))).toMatchInlineSnapshot(`
      [
        "BP_USAGE standard input (-) stands beside other inputs -> give --input - alone",
      ]
    `);
    expect(complaint(() => resolve({ delimiter: ",", decimal: "," }))).toMatchInlineSnapshot(`
      [
        "BP_CONFIG --delimiter and --decimal are both "," -> give --delimiter or --decimal another character",
      ]
    `);
    expect(complaint(() => resolve({ outputs: "a,b=a" }))).toMatchInlineSnapshot(`
      [
        "BP_CONFIG two outputs would be called "a" -> give one of them another name: --outputs NAME=ALIAS",
      ]
    `);
    expect(complaint(() => resolve({ keep: "none,id" }))).toMatchInlineSnapshot(`
      [
        "BP_USAGE none stands beside columns in --keep -> write none alone, or the columns alone",
      ]
    `);
    expect(complaint(() => resolve({ output: "o.db", table: "_batchpredict_runs" }))).toMatchInlineSnapshot(`
      [
        "BP_USAGE --table: "_batchpredict_runs" is reserved -> give --table another name",
      ]
    `);
    expect(complaint(() => resolve({ input: "s3://bucket/a.csv" }))).toMatchInlineSnapshot(`
      [
        "BP_USAGE --input: "s3://bucket/a.csv" is a web address [a path] -> download the file first",
      ]
    `);
    expect(complaint(() => resolve({ output: "predictions" }))).toMatchInlineSnapshot(`
      [
        "BP_CONFIG the output "predictions" has no extension that says its format [.parquet, .pq, .db, .sqlite, .sqlite3, .csv, .jsonl, .ndjson, .arrow, .feather] -> name the file *.parquet, *.db, *.csv, *.jsonl or *.arrow, or say --output-format parquet | sqlite | csv | jsonl | arrow",
      ]
    `);
  });

  it("fills in from the environment, where no flag speaks", () => {
    const env = {
      BATCHPREDICT_MODEL: "e.onnx",
      BATCHPREDICT_WORKERS: "3",
      BATCHPREDICT_STATE_DIR: "st",
      BATCHPREDICT_THREADS: "",
    };
    const { settings, origins } = resolveRun({ input: "a.csv", output: "o.csv", workers: "2" }, null, env, CWD);
    expect(settings).toMatchObject({
      model: path.join(CWD, "e.onnx"),
      workers: 2,
      threads: "auto",
      stateDir: path.join(CWD, "st"),
    });
    expect(origins).toMatchObject({ model: "environment BATCHPREDICT_MODEL", workers: "flag --workers", threads: "default" });
    expect(complaint(() => resolve({}, null, { BATCHPREDICT_BATCH_SIZE: "big" }))).toEqual([
      'BP_CONFIG BATCHPREDICT_BATCH_SIZE: "big" is no whole number [a whole number from 1 to 16,777,216, or auto]',
    ]);
  });

  it("keeps a glob a glob in a folder with glob characters in its name", () => {
    const { settings } = resolveRun({ ...FULL, input: ["*.csv", "plain.csv"] }, null, {}, path.resolve("/d/[1] (x)"));
    expect(settings.inputs).toEqual([path.resolve("/d").concat("/\\[1\\] \\(x\\)/*.csv"), path.resolve("/d/[1] (x)/plain.csv")]);
  });

  it("never throws anything but its own errors, whatever is typed", () => {
    const text = fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom("auto", "1%", "a=b", "1..2", "1/2", "8MiB", '"', "\\", "[", "none"),
    );
    const keys = [
      "batchSize",
      "features",
      "bind",
      "const",
      "shape",
      "keep",
      "outputs",
      "maxRejects",
      "whereRows",
      "shard",
      "delimiter",
      "columnType",
    ] as const;
    fc.assert(
      fc.property(fc.constantFrom(...keys), text, (key, value) => {
        try {
          resolve({ [key]: value });
        } catch (error) {
          expect(error).toBeInstanceOf(BatchPredictError);
        }
      }),
    );
  });
});

describe("resolveRun with a job", () => {
  let cwd: string;
  beforeEach(() => {
    cwd = fs.mkdtempSync(path.join(os.tmpdir(), "bp-resolve-"));
    fs.mkdirSync(path.join(cwd, "jobs"));
  });
  afterEach(() => fs.rmSync(cwd, { recursive: true, force: true }));

  const job = (text: string): JobFile => {
    fs.writeFileSync(path.join(cwd, "jobs", "j.yaml"), text);
    return readJob("jobs/j.yaml", { jobsDir: "jobs", cwd, env: {}, now: new Date("2026-11-21T12:00:00Z") });
  };

  const TEXT = `version: 1
model: {path: ../m.onnx, sha256: "${"A".repeat(64)}"}
input:
  path: [data/a.csv, /abs/b.csv]
  format: csv
  csv: {delimiter: tab, quote: null, nullValues: ["", NA], columnTypes: {zip: utf8, n: int64}, maxRecordBytes: 1MiB}
bind: {features: "a, b", inputs: {x: [p, q], y: r}, constants: {k: 1.50, v: [1, 2]}, shapes: {h: [2, 3]}}
keep: none
outputs: [p=score, {name: "q=r", alias: s}]
missing: {default: nan, columns: {age: 0}}
output: {path: ../predictions/o.out, format: sqlite, table: t, ifExists: upsert, key: id}
errors: {on: reject, max: 1%, rejects: ../predictions/bad.csv}
batchSize: 512
workers: auto
chunkBytes: 4MiB
memoryLimit: 350MB
limit: 100
whereRows: 0..50
`;

  it("reads paths from the folder of the job file, and says where each value came from", () => {
    const { settings, origins } = resolveRun({}, job(TEXT), { BATCHPREDICT_BATCH_SIZE: "7", BATCHPREDICT_THREADS: "2" }, cwd);
    expect(settings).toMatchObject({
      job: "j",
      model: path.join(cwd, "m.onnx"),
      modelSha256: "a".repeat(64),
      inputs: [path.join(cwd, "jobs/data/a.csv"), "/abs/b.csv"],
      inputFormat: "csv",
      csv: {
        delimiter: "\t",
        quote: null,
        nullValues: ["", "NA"],
        columnTypes: { zip: "utf8", n: "int64" },
        maxRecordBytes: 1024 * 1024,
      },
      output: path.join(cwd, "predictions/o.out"),
      outputFormat: "sqlite",
      table: "t",
      ifExists: "upsert",
      key: ["id"],
      features: ["a", "b"],
      bind: { x: ["p", "q"], y: ["r"] },
      constants: { k: "1.50", v: '["1","2"]' },
      shapes: { h: [2, 3] },
      keep: [],
      outputs: [
        { name: "p", alias: "score" },
        { name: "q=r", alias: "s" },
      ],
      missing: { default: "nan", columns: { age: { value: "0" } } },
      onError: "reject",
      maxRejects: { percent: 1 },
      rejects: path.join(cwd, "predictions/bad.csv"),
      batchSize: 512,
      workers: "auto",
      threads: 2,
      chunkBytes: 4 * 1024 * 1024,
      memoryLimitBytes: 350_000_000,
      limit: 100,
      whereRows: { start: 0, end: 50 },
    });
    expect(origins).toMatchObject({
      model: "job file jobs/j.yaml line 2",
      batchSize: "job file jobs/j.yaml line 13",
      memoryLimitBytes: "job file jobs/j.yaml line 16",
      threads: "environment BATCHPREDICT_THREADS",
      "csv.delimiter": "job file jobs/j.yaml line 6",
      "bind.x": "job file jobs/j.yaml line 7",
      shard: "default",
    });
  });

  it("lets flags win, and drops what described only the job's own files", () => {
    const flags: RunFlags = {
      model: "n.onnx",
      input: "c.parquet",
      output: "o.csv",
      ifExists: "replace",
      bind: "k=z",
      const: "x=4",
      missing: "reject",
      columnType: "n=utf8",
      features: "c",
      batchSize: "9",
    };
    const { settings, origins } = resolveRun(flags, job(TEXT), {}, cwd);
    expect(settings).toMatchObject({
      model: path.join(cwd, "n.onnx"),
      modelSha256: null,
      inputs: [path.join(cwd, "c.parquet")],
      inputFormat: null,
      output: path.join(cwd, "o.csv"),
      outputFormat: "csv",
      bind: { y: ["r"], k: ["z"] },
      constants: { v: '["1","2"]', x: "4" },
      missing: { default: "reject", columns: { age: { value: "0" } } },
      features: ["c"],
      batchSize: 9,
    });
    expect(settings.csv.columnTypes).toEqual({ zip: "utf8", n: "utf8" });
    expect(origins).toMatchObject({ batchSize: "flag --batch-size", "bind.k": "flag --bind", "constants.x": "flag --const" });
    expect(origins["constants.k"]).toBeUndefined();
  });

  it("names file and line of a value that only now turns out wrong", () => {
    const bad = job(
      "version: 1\nmodel: {path: m.onnx}\ninput: {path: a.csv, csv: {delimiter: xx, encoding: utf9}}\noutput: {path: o.xls}\nwhereRows: 9..3\n",
    );
    expect(complaint(() => resolveRun({}, bad, {}, cwd))).toMatchInlineSnapshot(`
      [
        "BP_CONFIG 4 problems with the settings of the run",
        "BP_CONFIG unknown extension .xls of the output "o.xls" [.parquet, .pq, .db, .sqlite, .sqlite3, .csv, .jsonl, .ndjson, .arrow, .feather] -> name the file *.parquet, *.db, *.csv, *.jsonl or *.arrow, or say --output-format parquet | sqlite | csv | jsonl | arrow",
        "BP_JOB_FILE input.csv.delimiter: "xx" is no delimiter (jobs/j.yaml:3) [one ASCII character, or tab, comma, semicolon, pipe, space]",
        "BP_JOB_FILE input.csv.encoding: "utf9" is an unknown encoding (jobs/j.yaml:3) [utf-8, utf-16le, utf-16be, latin1, windows-1252, ...] -> did you mean utf-8?",
        "BP_JOB_FILE whereRows: "9..3" holds no row (jobs/j.yaml:5) [A..B, rows from 0, end not included; 0..100 are the first hundred, 100.. all but them]",
      ]
    `);
  });
});
