import fs from "node:fs";
import { Vector } from "apache-arrow";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { expect, it } from "vitest";
import { BatchPredictError } from "../../../src/core/errors.ts";
import type { SourceDescription } from "../../../src/core/source.ts";
import { openParquetReader, openParquetSource } from "../../../src/sources/parquet/index.ts";
import { MATERIAL, type MaterialFile, materialFiles } from "./sample-files.ts";

/** Files that pyarrow reads and that are refused here, each with its reason. */
const REFUSED = new Map([
  ["data/nation.dict-malformed.parquet", "the writer left the dictionary page out of the chunk's size"],
  ["duckdb/arrow__nation.dict-malformed.parquet", "the same file"],
  ["duckdb/bug13053-2.parquet", "two columns of one name"],
  ["duckdb/empty.parquet", "a converted type that does not exist"],
  ["duckdb/invalid.parquet", "text that is not UTF-8"],
  ["duckdb/invalid_utf8_dba.parquet", "text that is not UTF-8"],
  ["duckdb/invalid_utf8_dictionary.parquet", "text that is not UTF-8"],
  ["fuzz/ARROW-17100.parquet", "damaged values"],
  ["data/int96_from_spark.parquet", "a timestamp of the year -294552, which is Spark's own overflow"],
  ["fuzz/clusterfuzz-testcase-minimized-parquet-arrow-fuzz-5068991573000192", "a decimal of impossible precision"],
  ["fuzz/clusterfuzz-testcase-minimized-parquet-arrow-fuzz-5697144926502912.fuzz", "a type that does not exist"],
]);

async function readRows(file: MaterialFile): Promise<{ rows: number; columns: Vector[][]; description: SourceDescription }> {
  const source = await openParquetSource([{ path: file.path, sizeBytes: null, mtimeMs: null }], { csv: {} });
  const { description } = source;
  const keep = description.columns.map(({ name, index }) => ({ name, column: name, index, type: "source" as const }));
  const reader = await openParquetReader(description, { inputs: [], constants: [], keep, onError: "fail" });
  const columns: Vector[][] = keep.map(() => []);
  let rows = 0;
  try {
    for await (const chunk of source.chunks({ chunkBytes: 1 << 23 })) {
      const read = await reader.read(chunk);
      rows += read.rows;
      for (const [k, data] of read.kept.entries()) {
        expect(data.length).toBe(read.rows);
        columns[k]!.push(new Vector([data]));
      }
    }
  } finally {
    await reader.close();
  }
  expect(description.rows).toBe(rows);
  return { rows, columns, description };
}

it("every collected file is read to its row count, or refused with a code", async () => {
  const files = materialFiles();
  const failures: string[] = [];
  let read = 0;
  for (const file of files) {
    const wanted = file.pyarrow.rows;
    try {
      const { rows } = await readRows(file);
      read++;
      if (wanted !== undefined && wanted !== rows) failures.push(`${file.file}: ${rows} rows instead of ${wanted}`);
      if (REFUSED.has(file.file)) failures.push(`${file.file}: is read now`);
    } catch (error) {
      if (!(error instanceof BatchPredictError) || error.details.where?.file !== file.path)
        failures.push(`${file.file}: ${error}`);
      else if (wanted !== undefined && !REFUSED.has(file.file))
        failures.push(`${file.file}: refused, ${error.message} (${error.details.actual})`);
    }
  }
  expect(failures).toEqual([]);
  if (fs.existsSync(MATERIAL)) expect(read).toBeGreaterThanOrEqual(300);
});

it("numbers, texts and booleans are those that hyparquet reads", async () => {
  const files = materialFiles().filter(
    ({ file, pyarrow }) => /^(data|duckdb|made)\//.test(file) && (pyarrow.rows ?? 0) > 0 && !REFUSED.has(file),
  );
  let compared = 0;
  const failures: string[] = [];
  for (const file of files) {
    const { columns, description } = await readRows(file);
    const names = description.columns.map(({ name }) => name);
    const plain = description.columns.filter(
      ({ role, name }) => ["number", "text", "bool"].includes(role) && names.indexOf(name) === names.lastIndexOf(name),
    );
    let expected: Record<string, unknown>[];
    try {
      const bytes = fs.readFileSync(file.path);
      const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
      expected = await parquetReadObjects({ file: buffer, compressors, columns: plain.map(({ name }) => name), rowEnd: 2000 });
    } catch {
      continue; // hyparquet refuses it; the row count above stands alone.
    }
    for (const { name, index, type } of plain) {
      // hyparquet parses JSON columns and turns decimals and half floats into doubles.
      if (/decimal|float16/.test(type) || file.file === "duckdb/parquet_with_json.parquet") continue;
      const values = columns[index]!.flatMap((vector) => [...vector]);
      for (const [row, object] of expected.entries()) {
        if (same(values[row], object[name])) compared++;
        else {
          failures.push(`${file.file} ${name} (${type}) row ${row}: ${String(values[row])}, hyparquet ${String(object[name])}`);
          break;
        }
      }
    }
  }
  expect(failures).toEqual([]);
  if (fs.existsSync(MATERIAL)) expect(compared).toBeGreaterThan(10_000);
});

function same(ours: unknown, theirs: unknown): boolean {
  if (ours === null || theirs === null || theirs === undefined) return (ours ?? null) === (theirs ?? null);
  if (typeof ours === "number" && typeof theirs === "number") return Object.is(ours, theirs) || ours === theirs;
  if (typeof ours === "bigint" || typeof theirs === "bigint") return String(ours) === String(theirs);
  return ours === theirs;
}
