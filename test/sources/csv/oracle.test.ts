/** Every CSV of the collected test suites: planned and decoded in pieces of any size = csv-parse over the whole. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { parse } from "csv-parse/sync";
import iconv from "iconv-lite";
import { describe, expect, test } from "vitest";
import { BatchPredictError } from "../../../src/core/errors.ts";
import type { CsvDialect, CsvOptions } from "../../../src/core/source.ts";
import { openCsvSource } from "../../../src/sources/csv/index.ts";
import { fileOf, readSource } from "./harness.ts";

const material = join(import.meta.dirname, "../../../../shared/material/csv");
const present = existsSync(material);
if (!present) console.warn("SKIPPED: the CSV oracle test needs ../shared/material/csv beside the repository, which is absent");

const paths = present
  ? readdirSync(material, { recursive: true, encoding: "utf8" })
      .filter((path) => /\.(?:csv|tsv|psv|txt|gz)$/.test(path))
      .sort()
  : [];

function oracle(path: string, dialect: CsvDialect): string[][] {
  const raw = readFileSync(join(material, path));
  const bytes = dialect.compression === "gzip" ? gunzipSync(raw) : raw;
  // Node's own windows-1252 decoder is latin1 in some versions; iconv-lite's has no characters for five bytes.
  const letter = (byte: number): string =>
    iconv.decode(Buffer.from([byte]), "windows-1252").replace("\ufffd", String.fromCharCode(byte));
  const wide = dialect.encoding === "windows-1252";
  const text = wide ? Array.from(bytes, letter).join("") : iconv.decode(bytes, dialect.encoding);
  const quoted = dialect.quote !== null;
  const { delimiter, quote, comment } = dialect;
  return parse(text, {
    delimiter,
    comment,
    quote: quoted ? quote : null,
    escape: quoted ? dialect.escape : null,
    record_delimiter: dialect.recordDelimiter === "\r" ? ["\r"] : ["\r\n", "\n"],
    relax_quotes: true,
    relax_column_count: true,
    skip_empty_lines: true,
    comment_no_infix: true,
  } as object) as unknown as string[][];
}

async function open(path: string): Promise<{ csv: CsvOptions; dialect: CsvDialect } | BatchPredictError> {
  const file = fileOf(join(material, path));
  for (const csv of [{ nullValues: [] }, { nullValues: [], header: false }]) {
    try {
      const source = await openCsvSource([file], { csv });
      return { csv, dialect: source.description.dialect! };
    } catch (error) {
      if (!(error instanceof BatchPredictError)) throw error;
      if (error.code !== "BP_SOURCE_SCHEMA") return error;
    }
  }
  throw new TypeError("a headerless file has no header to complain about");
}

describe.runIf(present)("collected CSV files", () => {
  test("there are some", () => expect(paths.length).toBeGreaterThan(600));

  test.each(paths)("%s", async (path) => {
    const opened = await open(path);
    if (opened instanceof BatchPredictError) {
      expect(["BP_INPUT_FORMAT", "BP_SOURCE_LIMIT"]).toContain(opened.code);
      if (opened.code === "BP_SOURCE_LIMIT") expect(opened.details.where?.line).toBeGreaterThan(0);
      return;
    }
    const { csv, dialect } = opened;
    let records: string[][] | null = null;
    try {
      records = oracle(path, dialect);
    } catch (error) {
      expect((error as { code: string }).code).toBe("CSV_QUOTE_NOT_CLOSED");
    }
    const file = fileOf(join(material, path));
    // Records one by one where that is thousands of chunks at most.
    for (const chunkBytes of file.sizeBytes! < 8192 ? [1, 7, 64, 4096] : [101, 4096]) {
      const source = await openCsvSource([file], { csv });
      if (records === null) {
        await expect(readSource(source, chunkBytes)).rejects.toMatchObject({ code: "BP_SOURCE_LIMIT" });
        continue;
      }
      const { description, rows, rejects, decoded, chunks } = await readSource(source, chunkBytes);
      const width = description.columns.length;
      const data = dialect.header ? records.slice(1) : records;
      // Invalid bytes are rejected here, and replaced unseen by the oracle.
      const unsound = new Set(rejects.filter(({ code }) => code === "BP_SOURCE_CELL").map(({ rowInChunk }) => rowInChunk));
      for (const row of unsound) expect(data[row]!.join("")).toContain("\ufffd");
      expect(rows).toEqual(data.filter((record, row) => record.length === width && !unsound.has(row)));
      const ragged = rejects.filter(({ code }) => code === "BP_SOURCE_RECORD");
      expect(ragged.map(({ rowInChunk }) => rowInChunk)).toEqual([...data.keys()].filter((row) => data[row]!.length !== width));
      expect(decoded.reduce((sum, chunk) => sum + chunk.rowsRead, 0)).toBe(data.length);
      if (chunks.length > 1)
        expect(chunks.slice(1).map((chunk) => chunk.byteStart)).toEqual(chunks.slice(0, -1).map((chunk) => chunk.byteEnd));
      for (const chunk of chunks.slice(0, -1)) expect(chunk.byteEnd - chunk.byteStart).toBeGreaterThanOrEqual(chunkBytes);
    }
  });
});
