/**
 * One dataset, every input format, every output format, any number of workers, any batch and chunk size: the same predictions for the
 * same rows in the same order. What is expected was made without us: rows by pyarrow (read here by hyparquet), predictions by Python's ONNX Runtime.
 */

import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SinkFormat } from "../../src/core/sink.ts";
import { run } from "../../src/index.ts";
import { type Workdir, workdir } from "../cli/batchpredict.ts";
import { FIXTURES } from "../corpora.ts";
import { readParquet } from "../parquet.ts";
import { type Cell, FEATURES, FORMATS, firstDifference, KINDS, type Kind, type Row, readOutput } from "./rows.ts";

const INPUTS = ["csv", "csv.gz", "tsv", "arrow", "arrows", "lz4.feather", "zstd.feather", "parquet", "jsonl"];
const OUTPUTS: Record<SinkFormat, string> = { parquet: "parquet", sqlite: "db", csv: "csv", jsonl: "jsonl", arrow: "arrow" };
const WORKERS = [1, 2, 5];
const BATCH_SIZES = [1, 7, 1000];
/** 1 makes every record a chunk of its own. */
const CHUNK_BYTES = ["auto", 4096, 1] as const;
/** A chunk per record costs a message per record, so these runs stop early: past the first borders between record batches (1, 251, 254). */
const ROWS_OF_SINGLES = 300;

interface Model {
  name: string;
  features: string[];
  /** Output column -> its column in expected.parquet. */
  predictions: Record<string, { column: string; kind: Kind }>;
  /** Relative to max(1, |y|): vectorised kernels move last bits with the number of rows of a call. 0: they do not. */
  tolerance: number;
}

const MODELS: Model[] = [
  {
    name: "tree_double_in_out",
    features: FEATURES,
    predictions: { variable: { column: "tree", kind: "float64" } },
    tolerance: 0,
  },
  {
    name: "voting_string_label_zipmap",
    features: FEATURES.slice(2),
    predictions: {
      output_label: { column: "label", kind: "text" },
      output_probability_A: { column: "A", kind: "float32" },
      output_probability_B: { column: "B", kind: "float32" },
    },
    tolerance: 1e-5,
  },
  {
    name: "features4_linear",
    features: FEATURES,
    predictions: { variable: { column: "linear", kind: "float32" } },
    tolerance: 1e-5,
  },
];

interface Settings {
  workers: number;
  batchSize: number;
  chunkBytes: (typeof CHUNK_BYTES)[number];
  model: Model;
}

/** Every value of every axis meets every format; in the formats with a reader of their own, also every pair of values of two axes (an orthogonal array). */
function settingsFor(input: string, at: number): Settings[] {
  const turns = [0, 1, 2];
  if (["csv", "arrow", "parquet"].includes(input)) return turns.flatMap((i) => turns.map((j) => pick(i, j, i + j, i + 2 * j)));
  return turns.map((i) => pick(i, i + at, 2 * i + at, i + at));
}

function pick(workers: number, batchSize: number, chunkBytes: number, model: number): Settings {
  return {
    workers: WORKERS[workers % 3]!,
    batchSize: BATCH_SIZES[batchSize % 3]!,
    chunkBytes: CHUNK_BYTES[chunkBytes % 3]!,
    model: MODELS[model % 3]!,
  };
}

let dir: Workdir;
let rows: Row[];
let predictions: Row[];
/** Model -> its predictions when every row is a call of its own: these have no last bits to lose, so every such run must give exactly them. */
const alone = new Map<string, Row[]>();

beforeAll(async () => {
  dir = workdir();
  rows = await readParquet(path.join(FORMATS, "rows.parquet"));
  predictions = await readParquet(path.join(FORMATS, "expected.parquet"));
  writeFileSync(
    dir.file("rows.jsonl"),
    rows.map((row) => `${JSON.stringify(row, jsonValue).replace(/"(-?\d+)n"/g, "$1")}\n`).join(""),
  );
  for (const model of MODELS) {
    const output = dir.file(`${model.name} alone.parquet`);
    const input = path.join(FORMATS, "rows.parquet");
    await run({ model: fileOf(model), input, output, features: model.features, batchSize: 1 });
    alone.set(model.name, await readParquet(output));
  }
});
afterAll(() => dir.remove());

/** JSON has no NaN, and JSON.stringify no bigint. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

function fileOf({ name }: Model): string {
  return path.join(FIXTURES, "models", name, "model.onnx");
}

function expectedRows(model: Model): Row[] {
  return rows.map((row, at) => ({
    ...row,
    ...Object.fromEntries(Object.entries(model.predictions).map(([name, { column }]) => [name, predictions[at]![column]])),
  }));
}

function predictionsOf(model: Model, row: Row): Row {
  return Object.fromEntries(Object.keys(model.predictions).map((name) => [name, row[name]]));
}

function kindsOf(model: Model): Record<string, Kind> {
  return { ...KINDS, ...Object.fromEntries(Object.entries(model.predictions).map(([name, { kind }]) => [name, kind])) };
}

interface Compared {
  model: Model;
  input: string;
  output: SinkFormat;
}

/** What the formats cannot carry, and nothing else, is overlooked: SQLite has no NaN, CSV input has no difference between "" and missing. */
function differences({ model, input, output }: Compared, got: Row[], expected: Row[]): string | null {
  const normal = (cell: Cell, column: string): Cell => {
    if (output === "sqlite" && (cell === "NaN" || cell === "nan")) return null;
    if (/csv|tsv/.test(input) && column === "note" && cell === "") return null;
    return cell;
  };
  const same = (a: Cell, b: Cell, column: string): boolean => {
    if (a === b) return true;
    if (a === null || b === null || !(column in model.predictions)) return false;
    return Math.abs(Number(a) - Number(b)) <= model.tolerance * Math.max(1, Math.abs(Number(b)));
  };
  return firstDifference(got, expected, kindsOf(model), normal, same);
}

for (const [at, input] of INPUTS.entries()) {
  describe(`rows.${input} gives the expected rows`, () => {
    for (const [turn, { model, workers, batchSize, chunkBytes }] of settingsFor(input, at).entries()) {
      const output = (Object.keys(OUTPUTS) as SinkFormat[])[(at + turn) % 5]!;
      it(`${model.name}: workers ${workers}, batch size ${batchSize}, chunk bytes ${chunkBytes}, to ${output}`, async () => {
        const file = dir.file(`${input}-${turn}.${OUTPUTS[output]}`);
        const limit = chunkBytes === 1 ? ROWS_OF_SINGLES : rows.length;
        const summary = await run({
          model: fileOf(model),
          input: input === "jsonl" ? dir.file("rows.jsonl") : path.join(FORMATS, `rows.${input}`),
          output: file,
          features: model.features,
          keep: ["*"],
          workers,
          batchSize,
          chunkBytes,
          limit,
        });
        expect(summary.rows).toEqual({ read: limit, predicted: limit, rejected: 0 });
        const got = await readOutput(file, output);
        expect(Object.keys(got[0]!)).toEqual(Object.keys(kindsOf(model)));
        expect(differences({ model, input, output }, got, expectedRows(model).slice(0, limit))).toBeNull();
        // The batches of an Arrow stream are chunks whatever their size.
        if (batchSize === 1 || (chunkBytes === 1 && input !== "arrows")) {
          const exact = { model: { ...model, tolerance: 0 }, input, output };
          const wanted = rows
            .slice(0, limit)
            .map((row, index) => ({ ...row, ...predictionsOf(model, alone.get(model.name)![index]!) }));
          expect(differences(exact, got, wanted)).toBeNull();
        }
      });
    }
  });
}

describe("the types of kept columns", () => {
  const schemaOf = async (input: string, more: object = {}): Promise<Record<string, string>> => {
    const file = dir.file(`types of ${input} ${Object.keys(more)}.arrow`);
    await run({
      model: path.join(FIXTURES, "models/tree_double_in_out/model.onnx"),
      input: path.join(FORMATS, `rows.${input}`),
      output: file,
      features: FEATURES,
      keep: ["*"],
      ...more,
    });
    const { fields } = tableFromIPC(readFileSync(file)).schema;
    return Object.fromEntries(fields.map(({ name, type }) => [name, String(type)]));
  };
  const typed = {
    id: "Int64",
    sepal_length: "Float64",
    sepal_width: "Float64",
    petal_length: "Float64",
    petal_width: "Float64",
    note: "Utf8",
    flag: "Bool",
    day: "Date32<DAY>",
    at: "Timestamp<MICROSECOND, UTC>",
    variable: "Float64",
  };

  it.each(["arrow", "arrows", "lz4.feather", "zstd.feather", "parquet"])(
    "come through from rows.%s as they are",
    async (input) => {
      expect(await schemaOf(input)).toEqual(typed);
    },
  );

  it.each(["csv", "csv.gz", "tsv"])("are what the text of rows.%s proves", async (input) => {
    // 17 digits do not fit a double's 15 safe ones, and days, times and booleans are text until the user says otherwise.
    const proven = { ...typed, petal_length: "Utf8", petal_width: "Utf8", flag: "Utf8", day: "Utf8", at: "Utf8" };
    expect(await schemaOf(input)).toEqual(proven);
  });

  it("of CSV follow --column-type", async () => {
    const types = await schemaOf("csv", { csv: { columnTypes: { flag: "bool", petal_length: "float64", id: "utf8" } } });
    expect(types).toMatchObject({ flag: "Bool", petal_length: "Float64", id: "Utf8" });
  });
});
