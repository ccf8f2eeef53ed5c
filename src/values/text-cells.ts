/**
 * The one table of text -> tensor value: CSV cells, missing values given by the user, constants.
 *
 * | type | reads | refuses |
 * |---|---|---|
 * | float16/32/64 | `1`, `-1.5`, `+.5`, `3.`, `1e-7`; nan, inf, infinity in any case, signed; true/false as 1/0 | `0x10`, `1_000`, `1,000`, `1e` |
 * | int*, uint* | `[+-]?d+` in range, integral decimals `3.` `3.0`; true/false as 1/0 | `1.5`, `1e3`, out of range |
 * | bool | true/false, t/f, yes/no, y/n, 1/0, 1.0/0.0, in any case | anything else |
 * | string | the text as it is | nothing |
 *
 * Numbers and booleans are read without spaces and tabs around them; strings keep theirs. With decimal mark "," a "." is refused:
 * thousands separators are never guessed. Rounding: float64 and float32 are the values nearest to the text (ties to even); float16
 * is rounded from the nearest double. Finite text that becomes infinite is taken and reported as overflow, a whole number (digits only)
 * that is rounded as inexact. int64 and uint64 are exact.
 * Missing: a cell whose text (without the spaces, for numbers and booleans) is in nullValues.
 */
import type { TensorArray, TensorType } from "../core/tensor-types.ts";
import {
  COMMA,
  DOT,
  float16Value,
  isRoundedInteger,
  readBigInteger,
  readDecimal,
  readInteger,
  toFloat16Bits,
  toFloat32,
} from "./text-numbers.ts";

export const CELL_OK = 0;
export const CELL_MISSING = 1;
/** Taken, but finite text became an infinity. */
export const CELL_OVERFLOW = 2;
export const CELL_BAD = 3;
/** Taken, but a whole number was rounded because the float type has too few digits for it. */
export const CELL_INEXACT = 4;
export type CellStatus = 0 | 1 | 2 | 3 | 4;

export interface TextRules {
  nullValues: readonly string[];
  decimal: "." | ",";
}

/** Writes one element at `at`. After CELL_MISSING or CELL_BAD the element is unspecified. */
export type CellWriter = (text: string, out: TensorArray, at: number) => CellStatus;

export function cellWriter(type: TensorType, rules: TextRules): CellWriter {
  switch (type) {
    case "float64":
    case "float32":
    case "float16":
      return floatWriter(type, rules);
    case "int8":
      return integerWriter(rules, -128, 127);
    case "int16":
      return integerWriter(rules, -32768, 32767);
    case "int32":
      return integerWriter(rules, -2147483648, 2147483647);
    case "uint8":
      return integerWriter(rules, 0, 255);
    case "uint16":
      return integerWriter(rules, 0, 65535);
    case "uint32":
      return integerWriter(rules, 0, 4294967295);
    case "int64":
      return bigIntegerWriter(rules, -(2n ** 63n), 2n ** 63n - 1n);
    case "uint64":
      return bigIntegerWriter(rules, 0n, 2n ** 64n - 1n);
    case "bool":
      return boolWriter(rules);
    case "string":
      return stringWriter(rules);
  }
}

/** What a type reads, for the `expected` of an error. */
export function expectedText(type: TensorType, decimal: "." | "," = "."): string {
  switch (type) {
    case "float64":
    case "float32":
    case "float16":
      return decimal === "."
        ? 'a number such as 12.5, 1e-3 or nan, with "." as the decimal mark'
        : 'a number with "," as the decimal mark';
    case "bool":
      return "true/false, t/f, yes/no, y/n or 1/0";
    case "string":
      return "text";
    case "int64":
      return "a whole number from -9223372036854775808 to 9223372036854775807";
    case "uint64":
      return "a whole number from 0 to 18446744073709551615";
    default: {
      const bits = Number(type.replace(/\D+/, ""));
      const [low, high] = type.startsWith("u") ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
      return `a whole number from ${low} to ${high}`;
    }
  }
}

const NO = 0;
const TAB = 9;
const SPACE = 32;

/** Missing values, with a table of first letters so that a number never costs a Set lookup. */
class Nulls {
  readonly empty: boolean;
  private readonly texts: Set<string>;
  private readonly first = new Uint8Array(128);

  constructor(values: readonly string[]) {
    this.texts = new Set(values.map(trimBlanks));
    this.empty = this.texts.has("");
    for (const text of this.texts) this.first[text.charCodeAt(0) & 127] = 1;
    if (this.texts.size === (this.empty ? 1 : 0)) this.first.fill(NO);
  }

  has(text: string, start: number, end: number): boolean {
    if (start === end) return this.empty;
    return this.first[text.charCodeAt(start) & 127] === 1 && this.texts.has(text.slice(start, end));
  }
}

export function trimBlanks(text: string): string {
  const start = startOf(text);
  return text.slice(start, endOf(text, start));
}

function startOf(text: string): number {
  let start = 0;
  for (let c = text.charCodeAt(0); c === SPACE || c === TAB; c = text.charCodeAt(start)) start++;
  return start;
}

function endOf(text: string, start: number): number {
  let end = text.length;
  while (end > start) {
    const c = text.charCodeAt(end - 1);
    if (c !== SPACE && c !== TAB) break;
    end--;
  }
  return end;
}

/** 0 or 1, or NaN. */
function truthOf(text: string, start: number, end: number): number {
  const length = end - start;
  if (length !== 4 && length !== 5) return Number.NaN;
  const word = text.slice(start, end).toLowerCase();
  return word === "true" ? 1 : word === "false" ? 0 : Number.NaN;
}

const NON_FINITE = /^([+-]?)(?:(nan)|inf|infinity)$/i;

function floatWriter(type: "float16" | "float32" | "float64", rules: TextRules): CellWriter {
  const nulls = new Nulls(rules.nullValues);
  const mark = rules.decimal === "." ? DOT : COMMA;
  const bits = type === "float16";
  const single = type === "float32";
  return (text, target, at) => {
    const out = target as Float64Array;
    const start = startOf(text);
    const end = endOf(text, start);
    if (nulls.has(text, start, end)) return CELL_MISSING;
    if (start === end) return CELL_BAD;
    const value = readDecimal(text, start, end, mark);
    if (Number.isNaN(value)) {
      const word = wordValue(text, start, end);
      if (word === undefined) return CELL_BAD;
      out[at] = bits ? toFloat16Bits(word) : word;
      return CELL_OK;
    }
    if (single) {
      const rounded = toFloat32(value, text, start, end);
      out[at] = rounded;
      if (rounded - rounded !== 0) return CELL_OVERFLOW;
      return isLarge(rounded, 24) && isRoundedInteger(text, start, end, rounded) ? CELL_INEXACT : CELL_OK;
    }
    if (bits) {
      const half = toFloat16Bits(value);
      out[at] = half;
      if ((half & 0x7fff) === 0x7c00) return CELL_OVERFLOW;
      return isLarge(value, 11) && isRoundedInteger(text, start, end, float16Value(half)) ? CELL_INEXACT : CELL_OK;
    }
    out[at] = value;
    if (value - value !== 0) return CELL_OVERFLOW;
    return isLarge(value, 53) && isRoundedInteger(text, start, end, value) ? CELL_INEXACT : CELL_OK;
  };
}

/** A float of so many digits may lack the odd whole numbers here. */
function isLarge(value: number, bits: number): boolean {
  const first = 2 ** bits;
  return value >= first || value <= -first;
}

/** nan, infinities and true/false; undefined for anything else. */
function wordValue(text: string, start: number, end: number): number | undefined {
  const truth = truthOf(text, start, end);
  if (!Number.isNaN(truth)) return truth;
  if (end - start > 9) return undefined;
  const match = NON_FINITE.exec(text.slice(start, end));
  if (match === null) return undefined;
  if (match[2] !== undefined) return Number.NaN;
  return match[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

function integerWriter(rules: TextRules, low: number, high: number): CellWriter {
  const nulls = new Nulls(rules.nullValues);
  const mark = rules.decimal === "." ? DOT : COMMA;
  return (text, target, at) => {
    const start = startOf(text);
    const end = endOf(text, start);
    if (nulls.has(text, start, end)) return CELL_MISSING;
    let value = readInteger(text, start, end, mark);
    if (Number.isNaN(value)) value = truthOf(text, start, end);
    if (!(value >= low && value <= high)) return CELL_BAD;
    (target as Int32Array)[at] = value;
    return CELL_OK;
  };
}

function bigIntegerWriter(rules: TextRules, low: bigint, high: bigint): CellWriter {
  const nulls = new Nulls(rules.nullValues);
  const mark = rules.decimal === "." ? DOT : COMMA;
  return (text, target, at) => {
    const start = startOf(text);
    const end = endOf(text, start);
    if (nulls.has(text, start, end)) return CELL_MISSING;
    let value = readInteger(text, start, end, mark);
    if (Number.isNaN(value)) value = truthOf(text, start, end);
    if (Number.isNaN(value)) return CELL_BAD;
    const big = value - value === 0 ? BigInt(value) : readBigInteger(text, start, end);
    if (big === null || big < low || big > high) return CELL_BAD;
    (target as BigInt64Array)[at] = big;
    return CELL_OK;
  };
}

const TRUTHS = new Map<string, 0 | 1>([
  ...["true", "t", "yes", "y", "1", "1.0", "1,0"].map((text) => [text, 1] as const),
  ...["false", "f", "no", "n", "0", "0.0", "0,0"].map((text) => [text, 0] as const),
]);

function boolWriter(rules: TextRules): CellWriter {
  const nulls = new Nulls(rules.nullValues);
  const wrongMark = rules.decimal === "." ? "," : ".";
  return (text, target, at) => {
    const start = startOf(text);
    const end = endOf(text, start);
    if (nulls.has(text, start, end)) return CELL_MISSING;
    if (end - start > 5) return CELL_BAD;
    const word = text.slice(start, end).toLowerCase();
    const truth = TRUTHS.get(word);
    if (truth === undefined || word.includes(wrongMark)) return CELL_BAD;
    (target as Uint8Array)[at] = truth;
    return CELL_OK;
  };
}

function stringWriter(rules: TextRules): CellWriter {
  const nulls = new Set(rules.nullValues);
  return (text, target, at) => {
    (target as string[])[at] = text;
    return nulls.has(text) ? CELL_MISSING : CELL_OK;
  };
}
