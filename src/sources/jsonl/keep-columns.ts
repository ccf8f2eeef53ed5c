/**
 * Kept JSON values -> Arrow data. Nothing is lost on the way: a value that its column's type cannot hold is reported.
 * text: strings as they are, all other values in the JSON that stood in the file. Numbers: exact. Lists: element by element.
 */
import { Bool, type Data, type DataType, Field, Float64, Int64, List, Utf8, vectorFromArray } from "apache-arrow";
import { takePieces } from "../../values/arrow-take.ts";
import { readCanonicalInt64 } from "../../values/text-numbers.ts";
import { isDouble, wholeDigits } from "./json-numbers.ts";
import type { JsonColumn } from "./rows.ts";
import { ABSENT, ARRAY, BOOL, type JsonKind, JsonScanner, NUMBER, STRING } from "./scan-json.ts";

export type KeptJsonType = "utf8" | "int64" | "float64" | "bool" | `list<${"int64" | "float64" | "bool" | "utf8"}>`;

/** Undefined: the type does not hold it. */
type Convert = (kind: JsonKind, text: string) => string | number | bigint | boolean | undefined;

const CONVERT: Record<"utf8" | "int64" | "float64" | "bool", Convert> = {
  utf8: (_kind, text) => text,
  int64: (kind, text) => {
    const digits = kind === NUMBER ? wholeDigits(text) : kind === STRING ? text : null;
    const value = digits === null ? null : readCanonicalInt64(digits);
    return value === null ? undefined : BigInt(value);
  },
  float64: (kind, text) => (kind === NUMBER && isDouble(text) ? Number(text) : undefined),
  bool: (kind, text) => (kind === BOOL ? text === "true" : undefined),
};

const TYPES: Record<keyof typeof CONVERT, () => DataType> = {
  utf8: () => new Utf8(),
  int64: () => new Int64(),
  float64: () => new Float64(),
  bool: () => new Bool(),
};

function itemOf(type: KeptJsonType): keyof typeof CONVERT | null {
  return type.startsWith("list<") ? (type.slice(5, -1) as keyof typeof CONVERT) : null;
}

export function arrowTypeOf(type: KeptJsonType): DataType {
  const item = itemOf(type);
  if (item === null) return TYPES[type as keyof typeof CONVERT]();
  return new List(new Field("item", TYPES[item](), true));
}

/** Positions in `rows` whose value the type cannot hold. */
export function misfits(type: KeptJsonType, column: JsonColumn, rows: number): number[] {
  const convert = converter(type);
  const bad: number[] = [];
  for (let row = 0; row < rows; row++) {
    const kind = column.kinds[row]!;
    if (kind !== ABSENT && convert(kind, column.texts[row]!) === undefined) bad.push(row);
  }
  return bad;
}

/** @param rows positions of good rows; all of them fit */
export function keepColumn(type: KeptJsonType, column: JsonColumn, rows: readonly number[]): Data {
  const arrowType = arrowTypeOf(type);
  if (rows.length === 0) return takePieces(arrowType, []);
  const convert = converter(type);
  const values = rows.map((row) => (column.kinds[row] === ABSENT ? null : convert(column.kinds[row]!, column.texts[row]!)));
  return vectorFromArray(values, arrowType).data[0]!;
}

function converter(type: KeptJsonType): (kind: JsonKind, text: string) => unknown {
  const item = itemOf(type);
  if (item === null) return CONVERT[type as keyof typeof CONVERT];
  const convert = CONVERT[item];
  const scanner = new JsonScanner();
  return (kind, text) => {
    if (kind !== ARRAY) return undefined;
    const values: unknown[] = [];
    let sound = true;
    scanner.elements(text, (element, part) => {
      const value = element === ABSENT ? null : item === "utf8" && element !== STRING ? undefined : convert(element, part);
      if (value === undefined) sound = false;
      values.push(value);
    });
    return sound && !scanner.nested ? values : undefined;
  };
}

/** What a kept type takes, for the `expected` of an error. */
export function expectedKept(type: KeptJsonType): string {
  const item = itemOf(type);
  if (item !== null)
    return `an array of ${{ int64: "whole numbers", float64: "numbers", bool: "booleans", utf8: "strings" }[item]}`;
  if (type === "int64") return "a whole number from -9223372036854775808 to 9223372036854775807";
  if (type === "float64") return "a number that a double holds: at most 17 digits, whole numbers exactly";
  return type === "bool" ? "true or false" : "any value";
}
