/** The quick ways (numbers by our own loops, pages decompressed before the decoder) against the decoder on the bytes as they stand. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Float32, Float64, Int32, Int64, RecordBatchReader, Table, tableToIPC, Utf8, vectorFromArray } from "apache-arrow";
import { Compression, readParquet, Table as WasmTable, WriterPropertiesBuilder, WriterVersion, writeParquet } from "parquet-wasm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type DecodeOptions, decodeRows } from "../../../src/sources/parquet/decode-row-group.ts";
import { openParquetSource } from "../../../src/sources/parquet/index.ts";
import { openParquetFile, type ParquetFile } from "../../../src/sources/parquet/parquet-file.ts";
import { QuickDecoder } from "../../../src/sources/parquet/quick-columns.ts";
import { textReader } from "../../../src/values/arrow-text.ts";
import { materialFiles, sampleTable } from "./sample-files.ts";

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "batchpredict-quick-"));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

type Range = { rowStart: number; rowEnd: number };

/** Values of a range of rows, or the code of what went wrong. */
async function texts(file: ParquetFile, unit: number, column: number, range: Range, options: DecodeOptions): Promise<unknown> {
  try {
    const { batches, rowStart } = await decodeRows(file, unit, [column], range, options);
    const all = batches.flatMap((batch) => {
      const read = textReader(batch.data.children[0]!);
      return Array.from({ length: batch.numRows }, (_, row) => read(row));
    });
    return {
      type: String(batches[0]?.schema.fields[0]?.type),
      values: all.slice(range.rowStart - rowStart, range.rowEnd - rowStart),
    };
  } catch (error) {
    return (error as { code?: string }).code ?? error;
  }
}

/** Rows that the decoder finds in the pages made for it. */
async function decodedQuickly(file: ParquetFile, unit: number, column: number, range: Range): Promise<number> {
  const [chunks] = file.chunksOf(unit, [column]);
  const mini = await file.extract(file.groups[unit]!.rows, [column], chunks!, range);
  const limit = range.rowEnd - range.rowStart;
  const ipc = readParquet(mini, { batchSize: limit, offset: range.rowStart, limit }).intoIPCStream();
  return [...RecordBatchReader.from(ipc)].reduce((sum, batch) => sum + batch.numRows, 0);
}

/** @returns how many columns needed no decoder */
async function compare(file: ParquetFile, unit: number, ranges: Range[], name: string): Promise<number> {
  let plain = 0;
  // As a reader has it: pages and dictionaries are held from range to range.
  const decoder = new QuickDecoder();
  const none = new Set<number>();
  const made = name.startsWith(folder);
  for (const [column] of file.fields.entries()) {
    for (const range of made ? [...ranges, ranges[0]!] : ranges) {
      const where = `${name}, group ${unit}, column ${column}`;
      const expected = await texts(file, unit, column, range, { quick: false });
      expect(await texts(file, unit, column, range, { decoder, kept: none }), where).toEqual(expected);
      // With values of their own, and with nothing held; files made here are whole, so that what is not read does not matter.
      if (made) expect(await texts(file, unit, column, range, { windowBytes: 1 }), where).toEqual(expected);
      // Where the decoder stumbles over the pages made for it, it is asked again: right, and slow.
      if (typeof expected === "object")
        expect(await decodedQuickly(file, unit, column, range), where).toBe(range.rowEnd - range.rowStart);
    }
    if (!decoder.isGeneral(file, column)) plain++;
  }
  return plain;
}

const ROWS = 2000;
/** Repeatable values of all kinds, some of them again and again. */
function table(nulls: boolean): Table {
  const of = <T>(value: (row: number) => T): (T | null)[] =>
    Array.from({ length: ROWS }, (_, row) => (nulls && row % 7 === 3 ? null : value(row)));
  return new Table({
    double: vectorFromArray(
      of((row) => (row % 11 === 0 ? Number.NaN : Math.sin(row) * 10 ** (row % 40))),
      new Float64(),
    ),
    rounded: vectorFromArray(
      of((row) => Math.round(Math.sin(row) * 50) / 4),
      new Float64(),
    ),
    single: vectorFromArray(
      of((row) => Math.fround(Math.cos(row))),
      new Float32(),
    ),
    whole: vectorFromArray(
      of((row) => BigInt(row) ** 5n - 10n ** 15n),
      new Int64(),
    ),
    // Differences of 61 bits, most of which lie in two words.
    wide: vectorFromArray(
      of((row) => BigInt.asUintN(60, BigInt(row * 2 + 1) * 0x9e3779b97f4a7c15n)),
      new Int64(),
    ),
    small: vectorFromArray(
      of((row) => (row * 7919) % 1000),
      new Int32(),
    ),
    text: vectorFromArray(
      of((row) => `text ${row % 50}`),
      new Utf8(),
    ),
  });
}

const CODECS = { none: Compression.UNCOMPRESSED, snappy: Compression.SNAPPY, gzip: Compression.GZIP, zstd: Compression.ZSTD };
const RANGES = [
  { rowStart: 0, rowEnd: ROWS },
  { rowStart: 1, rowEnd: 2 },
  { rowStart: 234, rowEnd: 1456 },
  { rowStart: ROWS - 1, rowEnd: ROWS },
];

describe("columns read in quick ways", () => {
  for (const [name, codec] of Object.entries(CODECS)) {
    it.each([WriterVersion.V1, WriterVersion.V2])(`are as the decoder gives them (${name}, version %i)`, async (version) => {
      for (const [nulls, dictionary, pageBytes] of [
        [false, false, 3000],
        [false, false, 1 << 20],
        [true, false, 3000],
        [false, true, 3000],
        [true, true, 1 << 20],
      ] as const) {
        const properties = new WriterPropertiesBuilder()
          .setCompression(codec)
          .setWriterVersion(version)
          .setDictionaryEnabled(dictionary)
          .setDataPageSizeLimit(pageBytes)
          .setWriteBatchSize(100)
          .build();
        const file = path.join(folder, `${name}-${version}-${nulls}-${dictionary}-${pageBytes}.parquet`);
        fs.writeFileSync(file, writeParquet(WasmTable.fromIPCStream(tableToIPC(table(nulls), "stream")), properties));
        const opened = await openParquetFile(file);
        const plain = await compare(opened, 0, RANGES, file);
        await opened.close();
        expect(plain, file).toBe(6);
      }
    });
  }

  it("say whether parts of a row group can be read at little cost", async () => {
    const divisible = async (of: Table, codec: Compression): Promise<boolean | undefined> => {
      const file = path.join(folder, "part.parquet");
      const properties = new WriterPropertiesBuilder().setCompression(codec).build();
      fs.writeFileSync(file, writeParquet(WasmTable.fromIPCStream(tableToIPC(of, "stream")), properties));
      const source = await openParquetSource([{ path: file, sizeBytes: null, mtimeMs: null }], { csv: {} });
      await source.close();
      return source.description.divisible;
    };
    const numbers = table(true).select(["double", "single", "whole", "small"]);
    expect(await divisible(numbers, Compression.SNAPPY)).toBe(true);
    expect(await divisible(numbers, Compression.ZSTD)).toBeUndefined();
    expect(await divisible(table(true), Compression.SNAPPY)).toBeUndefined();
  });

  it("include groups and lists that are decompressed before they are decoded", async () => {
    const file = path.join(folder, "nested.parquet");
    const properties = new WriterPropertiesBuilder()
      .setCompression(Compression.ZSTD)
      .setDataPageSizeLimit(500)
      .setWriteBatchSize(50)
      .build();
    fs.writeFileSync(file, writeParquet(WasmTable.fromIPCStream(tableToIPC(sampleTable(ROWS), "stream")), properties));
    const opened = await openParquetFile(file);
    await compare(opened, 0, RANGES, file);
    await opened.close();
  });

  it("are as the decoder gives them in every collected file", { timeout: 120_000 }, async () => {
    const files = materialFiles();
    let compared = 0;
    let plain = 0;
    for (const { path: file } of files) {
      const opened = await openParquetFile(file).catch(() => null);
      if (opened === null) continue;
      try {
        for (const [unit, { rows }] of opened.groups.slice(0, 1).entries()) {
          if (rows === 0) continue;
          const last = Math.max(0, rows - 50);
          plain += await compare(
            opened,
            unit,
            [
              { rowStart: 0, rowEnd: Math.min(rows, 200) },
              { rowStart: last, rowEnd: rows },
            ],
            file,
          );
          compared++;
        }
      } catch (error) {
        if ((error as { code?: string }).code === undefined) throw error;
      } finally {
        await opened.close();
      }
    }
    if (files.length > 0) expect({ compared: compared > 50, plain: plain > 50 }).toEqual({ compared: true, plain: true });
  });

  it.each([
    ["zstd", false],
    ["snappy", true],
    ["none", true],
  ] as const)("that are damaged end in the decoder's own error or in its own values (%s)", async (codec, dictionary) => {
    const file = path.join(folder, "damaged.parquet");
    const properties = new WriterPropertiesBuilder().setCompression(CODECS[codec]).setDictionaryEnabled(dictionary).build();
    const good = Buffer.from(writeParquet(WasmTable.fromIPCStream(tableToIPC(table(dictionary), "stream")), properties));
    for (let at = 4; at < good.length - 3000; at += 997) {
      const bad = Buffer.from(good);
      bad[at]! ^= 0x55;
      fs.writeFileSync(file, bad);
      const opened = await openParquetFile(file);
      for (const column of [0, 1, 2, 3]) {
        const found = await texts(opened, 0, column, RANGES[0]!, {});
        const own = await texts(opened, 0, column, RANGES[0]!, { quick: false });
        if (typeof found === "string") expect(found).toBe("BP_INPUT_FORMAT");
        else if (typeof own === "object") expect(found).toEqual(own);
        else expect((found as { values: unknown[] }).values).toHaveLength(ROWS);
      }
      await opened.close();
    }
  });
});
