/** What people read at the end of `run`, `plan` and `inspect`. */
import { describe, expect, it } from "vitest";
import type { RunSummary } from "../../src/core/events.ts";
import type { Paint } from "../../src/report/error-text.ts";
import { inspectText } from "../../src/report/inspect-text.ts";
import { planText } from "../../src/report/plan-text.ts";
import { summaryText } from "../../src/report/summary-text.ts";
import type { DataReport, ModelReport } from "../../src/run/inspect.ts";
import type { PlanReport } from "../../src/run/plan-report.ts";

const plain: Paint = (_style, text) => text;
const HOSTILE = "\u001b[2Jx\u0007\n\u009b1m";
const RAW = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;

const summary: RunSummary = {
  run_id: "0190",
  status: "succeeded",
  job: null,
  rows: { read: 1_234_567, predicted: 1_234_560, rejected: 7 },
  seconds: 75.2,
  rows_per_second: 16_417,
  bytes_read: 310_000_000,
  peak_memory_bytes: 160_000_000,
  output: { path: "/out/p.parquet", format: "parquet", bytes: 5_300_000 },
  rejects: { path: "/out/p.rejects.csv", rows: 7 },
  model: { path: "/m.onnx", sha256: "0123456789abcdef0123456789abcdef" },
  onnxruntime_version: "1.30.0",
  batch_size: 4096,
  workers: 2,
  resumed_from_row: null,
  stages: null,
  warnings: [],
};

describe("the summary", () => {
  it("says what was done, in how much time, and where it is", () => {
    expect(summaryText(summary, plain)).toBe(
      [
        "done: 1,234,560 predictions in /out/p.parquet",
        "  rows     1,234,567 read, 1,234,560 predicted, 7 rejected",
        "  time     1m 15s, 16,417 rows/s, 310 MB read, peak memory 160 MB",
        "  output   /out/p.parquet (parquet, 5.3 MB)",
        "  rejects  /out/p.rejects.csv (7 rows)",
        "  model    sha256 0123456789abcdef, ONNX Runtime 1.30.0",
        "  run      0190 (2 workers, batches of 4096)",
      ].join("\n"),
    );
  });

  it("leaves out what there is not, and counts one worker as one", () => {
    const text = summaryText({ ...summary, output: null, rejects: null, workers: 1 }, plain);
    expect(text.split("\n")[0]).toBe("done: 1,234,560 predictions");
    expect(text).not.toContain("rejects");
    expect(text).toContain("1 worker,");
  });

  it("holds no control character of a path", () => {
    expect(summaryText({ ...summary, output: { path: HOSTILE, format: "csv", bytes: 1 } }, plain)).not.toMatch(RAW);
  });
});

const plan: PlanReport = {
  model: {
    path: "/m.onnx",
    sha256: "ab".repeat(32),
    opset: { "ai.onnx": 13, "ai.onnx.ml": 3 },
    producer: "skl2onnx 1.6",
    rewritten: true,
  },
  input: {
    format: "csv",
    files: ["/a.csv"],
    rows: null,
    rows_estimate: 1000,
    bytes: 40_000,
    dialect: {
      delimiter: ";",
      quote: '"',
      escape: '"',
      encoding: "utf-8",
      bomBytes: 0,
      header: true,
      recordDelimiter: "\n",
      nullValues: [""],
      decimal: ",",
      comment: null,
      maxRecordBytes: 1,
      compression: "gzip",
      sniffed: ["delimiter", "decimal"],
    },
  },
  inputs: [
    {
      name: "x",
      type: "float32",
      shape: ["N", 2],
      columns: ["a", "b"],
      casts: ["text -> float32"],
      missing: "nan",
      origin: "--features",
    },
    { name: "k", type: "int64", shape: [], columns: [], casts: ["constant 3"], missing: "", origin: "--const" },
  ],
  outputs: [{ name: "p", type: "float32", shape: ["N", 2], columns: ["p_no", "p_yes"] }],
  keep: [{ name: "id", type: "utf8" }],
  output: {
    path: "/out.db",
    format: "sqlite",
    table: "predictions",
    if_exists: "fail",
    columns: [
      { name: "id", type: "utf8" },
      { name: "p_no", type: "float32" },
      { name: "p_yes", type: "float32" },
    ],
  },
  chunks: 4,
  chunk_bytes: 65_536,
  workers: 2,
  threads: 1,
  batch_size: 4096,
  chunks_in_flight: 6,
  memory_estimate_bytes: 180_000_000,
  memory_limit_bytes: null,
  onnxruntime_version: "1.30.0",
  origin: { workers: "auto: 2 cores", batchSize: "flag --batch-size", table: "default", "bind x": "--features" },
  notices: ["a note"],
};

describe("the plan", () => {
  it("shows each decision with where it came from", () => {
    const text = planText(plan, plain);
    expect(text).toContain("  x  float32 [N, 2]  <-  a, b  text -> float32  missing: nan  (--features)\n");
    expect(text).toMatch(/^ {2}k {2}int64 \[\] +<- +constant 3 +\(--const\)$/m);
    expect(text).toContain("  p  float32 [N, 2]  ->  p_no, p_yes\n");
    expect(text).toContain('delimiter ";", quote "\\"", utf-8, header, decimal ",", gzip (sniffed: delimiter, decimal)');
    expect(text).toContain("csv, about 1,000 rows, 40.0 KB");
    expect(text).toContain("sqlite, table predictions, if it exists: fail");
    expect(text).toContain("4 chunks of 65.5 KB, 2 workers of 1 threads, batches of 4,096 rows, about 180 MB of memory");
    expect(text).toContain("ZipMap outputs are served as columns");
    expect(text).toMatch(/^ {2}batchSize +flag --batch-size$/m);
    expect(text, "defaults need no line").not.toMatch(/^ {2}table /m);
    expect(text.split("\n").at(-1)).toBe("note: a note");
  });

  it("says what it cannot know", () => {
    const text = planText(
      { ...plan, chunks: null, input: { ...plan.input, rows_estimate: null, bytes: null }, output: { ...plan.output, path: "" } },
      plain,
    );
    expect(text).toContain("csv, unknown rows");
    expect(text).toContain("as they come chunks");
    expect(text).toContain("not given");
  });

  it("holds no control character of any name", () => {
    const named = { name: HOSTILE, type: "utf8" };
    const text = planText(
      {
        ...plan,
        model: { ...plan.model, path: HOSTILE, producer: HOSTILE, opset: { [HOSTILE]: 1 } },
        input: { ...plan.input, files: [HOSTILE] },
        inputs: [{ ...plan.inputs[0]!, name: HOSTILE, columns: [HOSTILE], casts: [HOSTILE], origin: HOSTILE }],
        outputs: [{ ...plan.outputs[0]!, name: HOSTILE, columns: [HOSTILE] }],
        keep: [named],
        output: { ...plan.output, path: HOSTILE, table: HOSTILE, columns: [named] },
        origin: { [HOSTILE]: HOSTILE },
        notices: [HOSTILE],
      },
      plain,
    );
    expect(text).not.toMatch(RAW);
    for (const line of text.split("\n")) expect(line).not.toMatch(/^\\u009b/);
  });
});

describe("an inspection", () => {
  const model: ModelReport = {
    kind: "model",
    path: "/m.onnx",
    sha256: "ab",
    bytes: 2_800_000,
    inputs: [{ name: "x", type: "float32", shape: ["batch", null, 3], optional: true, binds: "columns" }],
    outputs: [{ name: "p", type: "float32", shape: [null, 2], labels: ["no", "yes"], zip_map: true }],
    opset: { "ai.onnx": 13 },
    ir_version: 8,
    producer: "",
    graph: "g",
    metadata: { owner: "team" },
    fixed_batch: 3,
    external_data: ["w.bin"],
  };
  const data: DataReport = {
    kind: "data",
    format: "csv",
    files: ["/a.csv"],
    bytes: 1234,
    dialect: plan.input.dialect,
    columns: [{ name: "id", type: "text", kept_as: "int64", feeds: "numbers" }],
    rows: null,
    rows_estimate: 50,
    preview: [["1"]],
  } as DataReport;

  it("of a model shows inputs, outputs and what is special", () => {
    const text = inspectText(model, plain);
    expect(text).toContain("  x  float32 [batch, ?, 3]  takes columns  optional\n");
    expect(text).toContain("  p  float32 [?, 2]  classes no, yes  from ZipMap");
    expect(text).toMatch(/made by +unknown, IR 8, opset ai\.onnx 13/);
    expect(text).toMatch(/size +2\.8 MB and w\.bin/);
    expect(text).toMatch(/batch +fixed: 3 rows per call/);
    expect(text).toMatch(/owner +team/);
  });

  it("of data shows columns and first rows", () => {
    const text = inspectText(data, plain);
    expect(text).toMatch(/rows +about 50/);
    expect(text).toContain("  id  text  kept as int64  feeds numbers\n");
    expect(text).toMatch(/first rows\n {2}id\n {2}1$/);
  });

  it("holds no control character of any name", () => {
    const hostileModel = {
      ...model,
      path: HOSTILE,
      producer: HOSTILE,
      metadata: { [HOSTILE]: HOSTILE },
      inputs: [{ ...model.inputs[0]!, name: HOSTILE, shape: [HOSTILE] }],
      outputs: [{ ...model.outputs[0]!, name: HOSTILE, labels: [HOSTILE] }],
      external_data: [HOSTILE],
    };
    expect(inspectText(hostileModel, plain)).not.toMatch(RAW);
    const hostileData = { ...data, files: [HOSTILE], columns: [{ ...data.columns[0]!, name: HOSTILE }], preview: [[HOSTILE]] };
    expect(inspectText(hostileData, plain)).not.toMatch(RAW);
  });
});
