/**
 * The collected Arrow and Parquet files, column by column, against what pyarrow reads: pyarrow-values.json, made by
 * pyarrow-values.py, holds a CRC-32 per column. What we refuse is judged by material.test.ts and collection.test.ts.
 */
import fs from "node:fs";
import path from "node:path";
import { crc32 } from "node:zlib";
import { type Data, type Date_, DateUnit, type Decimal, type Float, Precision, type Timestamp, Type, util } from "apache-arrow";
import { expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import { openReader, openSource } from "../../src/sources/registry.ts";
import { binaryReader, boolReader, dictionaryReader, utf8Reader } from "../../src/values/arrow-text.ts";
import { material } from "../corpora.ts";

const ROWS = 2000;
const NULL = "~";

type Canonical = (row: number) => string;

/** Null for types that are not compared: intervals, unions. */
function canonical(data: Data): Canonical | null {
  const read = readerOf(data);
  return read && ((row) => (data.type.typeId === Type.Null || !data.getValid(row) ? NULL : read(row)));
}

function readerOf(data: Data): Canonical | null {
  const { type, values, children, valueOffsets, stride } = data;
  const view = new DataView(new ArrayBuffer(8));
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
  const list = (from: Canonical | null, start: (row: number) => number, end: (row: number) => number) =>
    from &&
    ((row: number): string => {
      const parts: string[] = [];
      for (let at = start(row); at < end(row); at++) parts.push(from(at));
      return `[${parts.join(",")}]`;
    });
  switch (type.typeId) {
    case Type.Null:
      return () => NULL;
    case Type.Bool: {
      const read = boolReader(data);
      return (row) => (read(row) ? "T" : "F");
    }
    case Type.Int:
      return (row) => String(values[row]);
    case Type.Float: {
      const half = (type as Float).precision === Precision.HALF;
      return (row) => {
        const value = half ? util.uint16ToFloat64(values[row]) : values[row];
        if (Number.isNaN(value)) return "nan";
        view.setFloat64(0, value);
        return hex(new Uint8Array(view.buffer));
      };
    }
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Utf8View: {
      const read = utf8Reader(data);
      return (row) => `s${Buffer.from(read(row)).toString("hex")}`;
    }
    case Type.Binary:
    case Type.LargeBinary:
    case Type.BinaryView:
    case Type.FixedSizeBinary: {
      const read = binaryReader(data);
      return (row) => `b${hex(read(row))}`;
    }
    case Type.Decimal: {
      const { scale } = type as Decimal;
      return (row) => {
        let value = BigInt((values as Uint32Array)[row * stride + stride - 1]! | 0);
        for (let word = stride - 2; word >= 0; word--)
          value = (value << 32n) | BigInt((values as Uint32Array)[row * stride + word]!);
        return `m${value}e${scale}`;
      };
    }
    case Type.Date:
      return (row) => `d${BigInt(values[row]) * ((type as Date_).unit === DateUnit.DAY ? 86_400_000_000_000n : 1_000_000n)}`;
    case Type.Timestamp:
    case Type.Time:
    case Type.Duration:
      return (row) => `t${BigInt(values[row]) * 1000n ** BigInt(3 - (type as Timestamp).unit)}`;
    case Type.Dictionary: {
      const known = (data.dictionary?.data ?? []).map(canonical);
      if (known.includes(null)) return null;
      return dictionaryReader(data, (chunk) => canonical(chunk)!) as Canonical;
    }
    case Type.List:
    case Type.LargeList:
    case Type.Map:
      return list(
        canonical(children[0]!),
        (row) => Number(valueOffsets[row]),
        (row) => Number(valueOffsets[row + 1]),
      );
    case Type.FixedSizeList:
      return list(
        canonical(children[0]!),
        (row) => row * stride,
        (row) => (row + 1) * stride,
      );
    case Type.Struct: {
      const fields = children.map(canonical);
      return fields.includes(null) ? null : (row) => `{${fields.map((read) => read!(row)).join(",")}}`;
    }
    default:
      return null;
  }
}

/** Sums per column, null where the type is not compared; or null when the file is refused. */
async function sums(file: string, format: "arrow" | "parquet"): Promise<(number | null)[] | null> {
  const read: string[][] = [];
  const unknown = new Set<number>();
  let source: Awaited<ReturnType<typeof openSource>>;
  try {
    source = await openSource([file], { format, csv: {} }, () => process.stdin);
  } catch (error) {
    return refused(error);
  }
  const { description } = source;
  const keep = description.columns.map(({ name, index }) => ({ name, column: name, index, type: "source" as const }));
  const reader = await openReader(description, { inputs: [], constants: [], keep, onError: "fail" });
  for (const _ of keep) read.push([]);
  let rows = 0;
  try {
    for await (const chunk of source.chunks({ chunkBytes: 1 << 23 })) {
      const { kept, rows: more } = await reader.read(chunk);
      kept.forEach((data, at) => {
        const text = canonical(data);
        if (text === null) unknown.add(at);
        for (let row = 0; text !== null && row < Math.min(more, ROWS - rows); row++) read[at]!.push(text(row));
      });
      rows += more;
      if (rows >= ROWS) break;
    }
  } catch (error) {
    return refused(error);
  } finally {
    await reader.close();
    await source.close();
  }
  return read.map((cells, at) => (unknown.has(at) ? null : crc32(cells.join("\n"))));
}

function refused(error: unknown): null {
  expect(error).toBeInstanceOf(BatchPredictError);
  return null;
}

it("hold the values that pyarrow reads", { timeout: 300_000 }, async () => {
  const root = material("values of the collected Arrow and Parquet files");
  if (root === null) return;
  const known = JSON.parse(fs.readFileSync(path.join(import.meta.dirname, "pyarrow-values.json"), "utf8")) as Record<
    string,
    (number | null)[]
  >;
  const differences: string[] = [];
  const seen = { files: 0, columns: 0, refused: 0 };
  for (const [file, expected] of Object.entries(known)) {
    const where = path.join(root, file);
    if (!fs.existsSync(where)) continue;
    const got = await sums(where, file.startsWith("arrow/") ? "arrow" : "parquet");
    if (got === null) {
      seen.refused++;
      continue;
    }
    seen.files++;
    expected.forEach((sum, at) => {
      if (sum === null || got[at] === null) return;
      seen.columns++;
      if (got[at] !== sum) differences.push(`${file} column ${at}`);
    });
  }
  console.info(`collected values: ${JSON.stringify(seen)}`);
  expect(differences).toEqual([]);
  expect(seen.files).toBeGreaterThan(480);
  expect(seen.columns).toBeGreaterThan(2300);
});
