/** The types that are told without the general decoder against those that it tells. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  Bool,
  DateDay,
  Float32,
  Float64,
  Int8,
  Int32,
  Int64,
  RecordBatchReader,
  Table,
  tableToIPC,
  Uint32,
  Utf8,
  type Vector,
  vectorFromArray,
} from "apache-arrow";
import { readSchema, Table as WasmTable, writeParquet } from "parquet-wasm";
import { expect, it } from "vitest";
import { ARROW_SCHEMA_KEY } from "../../../src/formats/parquet-arrow-schema.ts";
import { encodeFooter, footerOf, MAGIC, type ParquetFooter } from "../../../src/formats/parquet-footer.ts";
import { fieldsOf } from "../../../src/formats/parquet-schema.ts";
import { nativeSchema } from "../../../src/sources/parquet/native-schema.ts";
import { materialFiles } from "./sample-files.ts";

function ours(footer: ParquetFooter): string[] | null {
  const stored = footer.keyValues.get(ARROW_SCHEMA_KEY) ?? null;
  const found = nativeSchema(footer, fieldsOf(footer), stored);
  return found?.schema.fields.map(({ name, type, nullable }) => `${name}: ${type} ${nullable}`) ?? null;
}

/** Of the footer alone, so that no page matters. */
function theirs(footer: ParquetFooter): string[] {
  const keyValues = new Map([...footer.keyValues].filter(([key]) => key === ARROW_SCHEMA_KEY));
  const alone = encodeFooter(footer.meta, { rows: 0n, rowGroups: [], keyValues });
  const ipc = readSchema(Buffer.concat([MAGIC, alone])).intoIPCStream();
  return RecordBatchReader.from(ipc)
    .open()
    .schema.fields.map(({ name, type, nullable }) => `${name}: ${type} ${nullable}`);
}

function fileOf(columns: Record<string, Vector>): ParquetFooter {
  return footerOf(writeParquet(WasmTable.fromIPCStream(tableToIPC(new Table(columns), "stream"))), "made");
}

const plain = {
  flag: vectorFromArray([true], new Bool()),
  whole: vectorFromArray([1], new Int32()),
  large: vectorFromArray([1n], new Int64()),
  single: vectorFromArray([1], new Float32()),
  double: vectorFromArray([1], new Float64()),
  text: vectorFromArray(["a"], new Utf8()),
};

it("tells plain columns as the general decoder does", () => {
  const footer = fileOf(plain);
  expect(ours(footer)).toEqual(theirs(footer));
  expect(ours(footer)).toHaveLength(6);
});

it("leaves all that could be something else to the general decoder", () => {
  expect(ours(fileOf({ ...plain, small: vectorFromArray([1], new Int8()) }))).toBeNull();
  expect(ours(fileOf({ ...plain, unsigned: vectorFromArray([1], new Uint32()) }))).toBeNull();
  expect(ours(fileOf({ ...plain, day: vectorFromArray([new Date(0)], new DateDay()) }))).toBeNull();
});

it("believes a stored schema only where it says the same", () => {
  const footer = fileOf({ a: vectorFromArray([1], new Int32()) });
  const other = fileOf({ a: vectorFromArray([1], new Uint32()) });
  const stored = other.keyValues.get(ARROW_SCHEMA_KEY)!;
  expect(nativeSchema(footer, fieldsOf(footer), stored)).toBeNull();
  expect(nativeSchema(footer, fieldsOf(footer), "AAAA")?.hint).toBeNull();
});

it("tells the columns of collected files as the general decoder does", () => {
  let native = 0;
  const files = materialFiles();
  for (const { path: file } of files) {
    let footer: ParquetFooter;
    let found: string[] | null;
    try {
      footer = footerOf(fs.readFileSync(file), file);
      found = ours(footer);
    } catch {
      continue;
    }
    if (found === null) continue;
    native++;
    expect(found, path.relative(os.tmpdir(), file)).toEqual(theirs(footer));
  }
  if (files.length > 0) expect(native).toBeGreaterThan(20);
});
