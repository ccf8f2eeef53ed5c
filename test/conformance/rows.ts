/** The rows of fixtures/formats, read by libraries that had no part in reading or writing them for us, cells in one canonical form per kind. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { tableFromIPC } from "apache-arrow";
import Database from "better-sqlite3";
import { parse } from "csv-parse/sync";
import type { SinkFormat } from "../../src/core/sink.ts";
import { FIXTURES } from "../corpora.ts";
import { readParquet } from "../parquet.ts";
import { readJsonLines } from "./sink-readers.ts";

export const FORMATS = path.join(FIXTURES, "formats");
export const FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"];

export type Kind = "int64" | "float64" | "float32" | "text" | "bool" | "day" | "instant";
export type Row = Record<string, unknown>;
export type Cell = string | null;

/** Columns of fixtures/formats, in file order. */
export const KINDS: Record<string, Kind> = {
  id: "int64",
  sepal_length: "float64",
  sepal_width: "float64",
  petal_length: "float64",
  petal_width: "float64",
  note: "text",
  flag: "bool",
  day: "day",
  at: "instant",
};

/** One text per value, whatever a format or a library makes of it: Date, bigint, milliseconds, decimal text. */
export function canonical(kind: Kind, value: unknown): Cell {
  if (value === null || value === undefined) return null;
  switch (kind) {
    case "int64":
    case "text":
      return String(value);
    case "float64":
      return numberText(Number(value));
    case "float32":
      return numberText(Math.fround(Number(value)));
    case "bool":
      return /^(true|1)$/.test(String(value)) ? "true" : "false";
    case "day":
      return dateOf(value).toISOString().slice(0, 10);
    case "instant":
      return dateOf(value).toISOString();
  }
}

/** Number("nan") is NaN too, which is what CSV writers mean by it. */
function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function dateOf(value: unknown): Date {
  return value instanceof Date ? value : new Date(typeof value === "bigint" ? Number(value) : (value as string | number));
}

export function readOutput(file: string, format: SinkFormat): Promise<Row[]> | Row[] {
  switch (format) {
    case "parquet":
      return readParquet(file);
    case "arrow":
      return tableFromIPC(readFileSync(file))
        .toArray()
        .map((row) => row.toJSON() as Row);
    case "csv":
      return parse(readFileSync(file), {
        columns: true,
        cast: (text, { quoting, header }) => (!header && text === "" && !quoting ? null : text),
      });
    case "jsonl":
      return readJsonLines(file);
    case "sqlite": {
      const db = new Database(file, { readonly: true });
      try {
        return db.prepare("SELECT * FROM predictions ORDER BY rowid").safeIntegers().all() as Row[];
      } finally {
        db.close();
      }
    }
  }
}

/** Where the two first differ, in words; null when they are the same. @param same for columns that are compared otherwise than by text */
export function firstDifference(
  got: readonly Row[],
  expected: readonly Row[],
  kinds: Record<string, Kind>,
  normal: (cell: Cell, column: string) => Cell = (cell) => cell,
  same: (got: Cell, wanted: Cell, column: string) => boolean = (a, b) => a === b,
): string | null {
  if (got.length !== expected.length) return `${got.length} rows for ${expected.length}`;
  for (const [row, wanted] of expected.entries()) {
    for (const [column, kind] of Object.entries(kinds)) {
      const a = normal(canonical(kind, got[row]![column]), column);
      const b = normal(canonical(kind, wanted[column]), column);
      if (!same(a, b, column)) return `row ${row}, column ${column}: got ${JSON.stringify(a)}, expected ${JSON.stringify(b)}`;
    }
  }
  return null;
}
