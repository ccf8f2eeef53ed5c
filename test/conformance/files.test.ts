/** Several files, a glob, a folder: the same as their rows in one file, in the order given (globs and folders: sorted by name). */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { Table, tableFromArrays, tableFromIPC, tableToIPC } from "apache-arrow";
import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BatchPredictError, run } from "../../src/index.ts";
import { type Workdir, workdir } from "../cli/batchpredict.ts";
import { FIXTURES } from "../corpora.ts";
import { readParquet } from "../parquet.ts";
import { type Cell, FEATURES, FORMATS, firstDifference, KINDS, type Row } from "./rows.ts";

const MODEL = path.join(FIXTURES, "models/tree_double_in_out/model.onnx");
/** Rows of each part; the middle one has none. */
const PARTS = [400, 0, 599, 1];

let dir: Workdir;
let rows: Row[];

beforeAll(async () => {
  dir = workdir();
  const predictions = await readParquet(path.join(FORMATS, "expected.parquet"));
  const kept = await readParquet(path.join(FORMATS, "rows.parquet"));
  rows = kept.map((row, at) => ({ ...row, variable: predictions[at]!.tree }));
});
afterAll(() => dir.remove());

function startOf(part: number): number {
  return PARTS.slice(0, part).reduce((sum, count) => sum + count, 0);
}

function cut<Item>(items: readonly Item[]): Item[][] {
  return PARTS.map((count, at) => items.slice(startOf(at), startOf(at) + count));
}

/** Header and records of rows.csv as they stand in the file. */
function csvParts(): string[] {
  const records = (parse(readFileSync(path.join(FORMATS, "rows.csv")), { raw: true }) as unknown as { raw: string }[]).map(
    ({ raw }) => raw,
  );
  return cut(records.slice(1)).map((part) => records[0] + part.join(""));
}

function arrowParts(format: "file" | "stream"): Uint8Array[] {
  const table = readTable();
  return PARTS.map((count, at) =>
    tableToIPC(count === 0 ? new Table(table.schema, []) : table.slice(startOf(at), startOf(at) + count), format),
  );
}

function readTable(): Table {
  return tableFromIPC(readFileSync(path.join(FORMATS, "rows.arrow")));
}

function folderOf(name: string, files: Record<string, string | Uint8Array>): string {
  const folder = dir.file(name);
  mkdirSync(folder);
  for (const [file, content] of Object.entries(files)) writeFileSync(path.join(folder, file), content);
  return folder;
}

let outputs = 0;
async function score(input: string | string[]): Promise<Row[]> {
  const output = dir.file(`scores-${outputs++}.parquet`);
  const summary = await run({ model: MODEL, input, output, features: FEATURES, keep: ["*"], workers: 2, chunkBytes: 4096 });
  const got = await readParquet(output);
  expect(summary.rows).toEqual({ read: got.length, predicted: got.length, rejected: 0 });
  return got;
}

function difference(got: Row[], expected: Row[]): string | null {
  const emptyIsMissing = (cell: Cell): Cell => (cell === "" ? null : cell);
  return firstDifference(got, expected, { ...KINDS, variable: "float64" }, emptyIsMissing);
}

async function errorOf(input: string | string[]): Promise<BatchPredictError> {
  const output = dir.file(`scores-${outputs++}.parquet`);
  const error = await run({ model: MODEL, input, output, features: FEATURES }).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BatchPredictError);
  return error as BatchPredictError;
}

const KINDS_OF_PARTS: Record<string, () => Record<string, string | Uint8Array>> = {
  csv: () => Object.fromEntries(csvParts().map((part, at) => [`part-${at}.csv`, part])),
  "plain and gzipped csv": () =>
    Object.fromEntries(
      csvParts().map((part, at) => (at % 2 === 0 ? [`part-${at}.csv`, part] : [`part-${at}.csv.gz`, gzipSync(part)])),
    ),
  arrow: () => Object.fromEntries(arrowParts("file").map((part, at) => [`part-${at}.arrow`, part])),
  arrows: () => Object.fromEntries(arrowParts("stream").map((part, at) => [`part-${at}.arrows`, part])),
};

for (const [kind, make] of Object.entries(KINDS_OF_PARTS)) {
  describe(`parts of ${kind}`, () => {
    let folder: string;
    let names: string[];
    beforeAll(() => {
      const files = make();
      names = Object.keys(files);
      // A folder of a data pipeline holds more than data.
      folder = folderOf(kind, { ...files, _SUCCESS: "", ".part-9.csv.crc": "x", "notes.md": "# no data" });
    });

    it("named one by one give the whole", async () => {
      expect(difference(await score(names.map((name) => path.join(folder, name))), rows)).toBeNull();
    });

    it("named in another order come in that order", async () => {
      const [first, second, third, last] = cut(rows);
      const order = [names[2]!, names[0]!, names[1]!, names[3]!].map((name) => path.join(folder, name));
      expect(difference(await score(order), [...third!, ...first!, ...second!, ...last!])).toBeNull();
    });

    it("as a glob give the whole", async () => {
      expect(difference(await score(path.join(folder, "part-*")), rows)).toBeNull();
    });

    it("as a folder give the whole", async () => {
      expect(difference(await score(folder), rows)).toBeNull();
    });
  });
}

describe("Parquet files", () => {
  it("follow each other, also the same one twice", async () => {
    const file = path.join(FORMATS, "rows.parquet");
    const folder = folderOf("parquet parts", {});
    for (const name of ["b.parquet", "a.parquet"]) copyFileSync(file, path.join(folder, name));
    expect(difference(await score([file, file]), [...rows, ...rows])).toBeNull();
    expect(difference(await score(folder), [...rows, ...rows])).toBeNull();
  });
});

describe("files that do not fit together are refused before anything is written", () => {
  it("CSV with another header", async () => {
    const [first, , second] = csvParts();
    const folder = folderOf("csv headers", { "a.csv": first!, "b.csv": second!.replace("sepal_width", "sepal_widht") });
    const error = await errorOf(folder);
    expect(error.code).toBe("BP_SOURCE_SCHEMA");
    expect(error.details.where).toMatchObject({
      file: path.join(folder, "b.csv"),
      line: 1,
      columnIndex: 3,
      column: "sepal_width",
    });
    expect(error.message).toContain('"sepal_widht"');
    expect(error.message).toContain(path.join(folder, "a.csv"));
  });

  it("CSV with a column less", async () => {
    const folder = folderOf("csv columns", {
      "a.csv": "sepal_length,sepal_width,petal_length,petal_width,id\n1,2,3,4,5\n",
      "b.csv": "sepal_length,sepal_width,petal_length,petal_width\n1,2,3,4\n",
    });
    const error = await errorOf(folder);
    expect(error.code).toBe("BP_SOURCE_SCHEMA");
    expect(error.details.where).toMatchObject({ file: path.join(folder, "b.csv"), column: "id" });
  });

  for (const [ending, format] of [
    ["arrow", "file"],
    ["arrows", "stream"],
  ] as const) {
    it(`.${ending} with another type`, async () => {
      const tableOf = (width: Float64Array | Float32Array): Table => {
        // An array each: apache-arrow writes two columns over one array as one.
        const some = (): Float64Array => Float64Array.of(5, 6);
        return tableFromArrays({ sepal_length: some(), sepal_width: width, petal_length: some(), petal_width: some() });
      };
      const folder = folderOf(`${ending} types`, {
        [`a.${ending}`]: tableToIPC(tableOf(Float64Array.of(3, 4)), format),
        [`b.${ending}`]: tableToIPC(tableOf(Float32Array.of(3, 4)), format),
      });
      const error = await errorOf(folder);
      expect(error.code).toBe("BP_SOURCE_SCHEMA");
      expect(error.details.where).toMatchObject({
        file: path.join(folder, `b.${ending}`),
        column: "sepal_width",
        columnIndex: 2,
      });
      expect(error.details).toMatchObject({
        expected: "sepal_width: float64",
        actual: "sepal_width: float32",
      });
      expect(error.message).toContain(path.join(folder, `a.${ending}`));
    });
  }

  it("Parquet with other columns", async () => {
    const [a, b] = [path.join(FORMATS, "rows.parquet"), path.join(FORMATS, "expected.parquet")];
    const error = await errorOf([a, b]);
    expect(error.code).toBe("BP_SOURCE_SCHEMA");
    expect(error.details.where).toMatchObject({ file: b, columnIndex: 1 });
    expect(error.details.expected).toContain("id");
  });

  it("of two formats", async () => {
    const [a, b] = [path.join(FORMATS, "rows.parquet"), path.join(FORMATS, "rows.csv")];
    const error = await errorOf([a, b]);
    expect(error.code).toBe("BP_SOURCE_SCHEMA");
    expect(error.details.where?.file).toBe(b);
  });
});
