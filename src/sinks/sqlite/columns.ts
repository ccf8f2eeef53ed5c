/**
 * Arrow columns as SQLite columns.
 *
 * | Arrow | declared | stored |
 * |---|---|---|
 * | bool | INTEGER | 0, 1 |
 * | int8..int64, uint8..uint32 | INTEGER | exact |
 * | uint64 | none | INTEGER up to 2^63-1, above it decimal TEXT (with a declared type SQLite would turn that text into an inexact REAL) |
 * | float16, float32, float64 | REAL | the value as a double; NaN becomes NULL (SQLite has no NaN), infinities stay (9e999) |
 * | utf8 | TEXT | |
 * | binary | BLOB | |
 * | decimal, date, time, timestamp, duration, interval, list, struct, map, union | TEXT | by the rules of values/arrow-text.ts |
 */
import { type Data, type DataType, type Dictionary, type Field, type Int, Type } from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import {
  binaryReader,
  boolReader,
  dictionaryReader,
  floatReader,
  nullable,
  textReader,
  utf8Reader,
} from "../../values/arrow-text.ts";
import { sameName } from "./identifiers.ts";

export type SqlValue = number | bigint | string | Uint8Array | null;
export type ValueReader = (index: number) => SqlValue;

/** What a column stores; `time` is ISO 8601 text, which NUMERIC affinity (columns declared DATE or TIMESTAMP) leaves alone. */
export type StorageKind = "integer" | "uint64" | "real" | "text" | "time" | "blob";

export interface SqliteColumn {
  name: string;
  kind: StorageKind;
}

/** SQLite's own limits, as better-sqlite3 is compiled. */
const MAX_COLUMNS = 2000;

export function declaredType(kind: StorageKind): string {
  return { integer: "INTEGER", uint64: "", real: "REAL", text: "TEXT", time: "TEXT", blob: "BLOB" }[kind];
}

/** @throws BP_CONFIG for names SQLite cannot tell apart, and for more columns than a table can have */
export function columnsOf(fields: readonly Field[], path: string): SqliteColumn[] {
  if (fields.length > MAX_COLUMNS) {
    throw new BatchPredictError("BP_CONFIG", `a SQLite table holds at most ${MAX_COLUMNS} columns`, {
      where: { file: path },
      actual: `${fields.length} columns`,
      hints: ["keep fewer columns with --keep", "write a Parquet file instead: --output predictions.parquet"],
    });
  }
  for (const [at, { name }] of fields.entries()) {
    const twin = fields.slice(0, at).find((other) => sameName(other.name, name));
    if (twin) throw sameColumn(twin.name, name, path);
    if (name.includes("\0")) {
      throw new BatchPredictError("BP_CONFIG", `column ${JSON.stringify(name)} has a NUL character in its name`, {
        where: { file: path, column: name },
        hints: ["leave the column out with --keep, or write another format"],
        exitCode: 2,
      });
    }
  }
  return fields.map(({ name, type }) => ({ name, kind: kindOf(type) }));
}

function sameColumn(first: string, second: string, path: string): BatchPredictError {
  const what =
    first === second
      ? `the output would have two columns named "${first}"`
      : `SQLite cannot tell columns "${first}" and "${second}" apart: it ignores upper and lower case in names`;
  return new BatchPredictError("BP_CONFIG", what, {
    where: { file: path, column: second },
    hints: [
      `leave one of them out with --keep, or rename a model output with --outputs NAME=ALIAS`,
      "write a Parquet file instead: --output predictions.parquet",
    ],
  });
}

function kindOf(type: DataType): StorageKind {
  switch (type.typeId) {
    case Type.Bool:
      return "integer";
    case Type.Int:
      return (type as Int).bitWidth === 64 && !(type as Int).isSigned ? "uint64" : "integer";
    case Type.Float:
      return "real";
    case Type.Binary:
    case Type.LargeBinary:
    case Type.BinaryView:
    case Type.FixedSizeBinary:
      return "blob";
    case Type.Date:
    case Type.Time:
    case Type.Timestamp:
      return "time";
    case Type.Dictionary:
      return kindOf((type as Dictionary).dictionary);
    default:
      return "text";
  }
}

/** Values ready to be bound, straight from the column's memory; chosen once per column and batch. */
export function valueReader(data: Data): ValueReader {
  const { type, values } = data;
  switch (type.typeId) {
    case Type.Bool: {
      const read = boolReader(data);
      return nullable(data, (index) => (read(index) ? 1 : 0));
    }
    case Type.Int:
      // 64-bit elements are bound as BigInt: making numbers of those that fit was measured and gains nothing.
      if (kindOf(type) === "uint64") return nullable(data, uint64Reader(values));
      return nullable(data, (index) => values[index]!);
    case Type.Float:
      return nullable(data, floatReader(data));
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Utf8View:
      return nullable(data, utf8Reader(data));
    case Type.Binary:
    case Type.LargeBinary:
    case Type.BinaryView:
    case Type.FixedSizeBinary:
      return nullable(data, binaryReader(data));
    case Type.Dictionary:
      return dictionaryReader(data, valueReader);
    default:
      return textReader(data);
  }
}

const MAX_INTEGER = 2n ** 63n - 1n;

/** BigInt throughout: a number would be stored as REAL in a column without a declared type. */
function uint64Reader(values: BigUint64Array): ValueReader {
  return (index) => {
    const value = values[index]!;
    return value <= MAX_INTEGER ? value : String(value);
  };
}
