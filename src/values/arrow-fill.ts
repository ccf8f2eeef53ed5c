/**
 * One Arrow column into its place in a row-major tensor. Values change only where nobody can miss it: what a type cannot hold is a
 * rejected row, a float that overflows and an integer that a float cannot hold are counted.
 *
 * | from \ to | float | int, uint | bool | string |
 * |---|---|---|---|---|
 * | float | nearest, overflow counted | whole and in range, else rejected | 0 or 1, else rejected | refused |
 * | int, uint | nearest, inexact counted | in range, else rejected; 64 bits exact | 0 or 1, else rejected | refused |
 * | decimal | nearest | whole and in range, else rejected | 0 or 1, else rejected | refused |
 * | bool | 0 or 1 | 0 or 1 | as it is | refused |
 * | text | by the text table of CSV cells | the same | the same | as it is |
 */
import { type Data, type Decimal, Type } from "apache-arrow";
import type { MissingPolicy } from "../core/binding-plan.ts";
import { BatchPredictError } from "../core/errors.ts";
import { isFloatType, type TensorArray, type TensorType } from "../core/tensor-types.ts";
import { typeText } from "./arrow-columns.ts";
import { exactInteger, type NumberKind, numberKind, readDoubles } from "./arrow-numbers.ts";
import { textReader, utf8Reader } from "./arrow-text.ts";
import { directCopy, isRounded, type WriteCounts, writeBlock } from "./arrow-write.ts";
import { CELL_BAD, CELL_INEXACT, CELL_MISSING, CELL_OVERFLOW, cellWriter } from "./text-cells.ts";

/** Elements handled at a time: a block of doubles fits the first-level cache. */
export const BLOCK = 1024;

export interface FillCounts extends WriteCounts {
  missing: number;
}

export interface ColumnTarget {
  input: string;
  column: string;
  /** 1-based. */
  columnIndex: number;
  file: string;
  type: TensorType;
  missing: MissingPolicy;
  out: TensorArray;
  counts: FillCounts;
  /** @param at position in `out` @param actual the value as text, null for a missing one */
  reject(at: number, actual: string | null): void;
}

/** Elements `from` up to `to` of the column go to out[at], out[at + step], ... */
export type ColumnFill = (from: number, to: number, at: number, step: number) => void;

const MISSING_RULES = { nullValues: [], decimal: "." } as const;
/** As in a CSV file, an empty text is a missing number. */
const TEXT_RULES = { nullValues: [""], decimal: "." } as const;

/**
 * @param data never a dictionary unless its values are texts
 * @throws BP_SOURCE_TYPE when the type can never feed the tensor, BP_CONFIG when the missing value is none of the tensor's type
 */
export function columnFill(data: Data, target: ColumnTarget): ColumnFill {
  const fillMissing = missingFill(target);
  const kind = numberKind(data);
  const isMissing = validity(data);
  if (kind === null) {
    if (!isText(data)) throw cannotFeed(data, target);
    return target.type === "string"
      ? stringFill(data, target, isMissing, fillMissing)
      : textFill(data, target, isMissing, fillMissing);
  }
  if (target.type === "string" && kind !== "null") throw cannotFeed(data, target);
  if (kind === "null") return allMissing(fillMissing);
  if (target.type === "int64" || target.type === "uint64") return bigFill(data, target, isMissing, fillMissing);
  return numberFill(data, target, kind, fillMissing);
}

/** Null when no element of the column is null. */
function validity(data: Data): IsMissing {
  if (data.nullCount === 0) return null;
  const { nullBitmap, offset } = data;
  return (row) => ((nullBitmap[(offset + row) >> 3]! >> ((offset + row) & 7)) & 1) === 0;
}

/** Passes over eight valid elements at a time. @param each gets the position counted from `from` */
function forEachNull(data: Data, from: number, count: number, each: (position: number) => void): void {
  if (data.nullCount === 0) return;
  const { nullBitmap } = data;
  const start = data.offset + from;
  for (let at = start; at < start + count; at++) {
    if (nullBitmap[at >> 3] === 0xff) at |= 7;
    else if (((nullBitmap[at >> 3]! >> (at & 7)) & 1) === 0) each(at - start);
  }
}

function isText(data: Data): boolean {
  const type = data.type.typeId === Type.Dictionary ? data.dictionary!.type : data.type;
  return type.typeId === Type.Utf8 || type.typeId === Type.LargeUtf8 || type.typeId === Type.Utf8View;
}

function cannotFeed(data: Data, { file, column, columnIndex, input, type }: ColumnTarget): BatchPredictError {
  return new BatchPredictError("BP_SOURCE_TYPE", `column "${column}" cannot feed model input "${input}"`, {
    where: { file, column, columnIndex },
    expected: type,
    actual: typeText(data.type),
    hints: ["bind another column with --bind, or cast this one in the data"],
  });
}

/** Writes what a missing value becomes. */
function missingFill(target: ColumnTarget): (at: number) => void {
  const { missing, type, out, counts, column, input } = target;
  if (missing === "reject") return (at) => target.reject(at, null);
  const value = missing === "nan" ? "nan" : missing.value;
  const write = cellWriter(type, MISSING_RULES);
  const probe = type === "string" ? [""] : out.slice(0, 0);
  const status = missing === "nan" && type === "string" ? CELL_BAD : write(value, probe, 0);
  if (status === CELL_BAD) {
    throw new BatchPredictError(
      "BP_CONFIG",
      `missing values of column "${column}" cannot become ${value}: model input "${input}" is ${type}`,
      {
        where: { column },
        hints: [`give a value that is a ${type}, or use --missing reject`],
      },
    );
  }
  return (at) => {
    write(value, out, at);
    counts.missing++;
  };
}

function allMissing(fillMissing: (at: number) => void): ColumnFill {
  return (from, to, at, step) => {
    for (let i = 0; i < to - from; i++) fillMissing(at + i * step);
  };
}

type IsMissing = ((row: number) => boolean) | null;

function numberFill(data: Data, target: ColumnTarget, kind: NumberKind, fillMissing: (at: number) => void): ColumnFill {
  const { type, out, counts } = target;
  const direct = kind === "float" && data.nullCount === 0 ? directCopy(data.values, type, out, counts) : null;
  if (direct !== null) return direct;
  const block = new Float64Array(BLOCK);
  // A decimal without places is an integer column.
  const wholeDecimal = kind === "decimal" && (data.type as Decimal).scale <= 0;
  const integers = kind === "integer" || kind === "bigInteger" || wholeDecimal;
  const rounds = (kind === "bigInteger" || wholeDecimal) && isFloatType(type);
  const asNan = target.missing === "nan" && isFloatType(type);
  // Zero passes every check; the missing value itself is written afterwards. NaN needs no second pass.
  const inBlock = asNan ? Number.NaN : 0;
  const describe = textReader(data);
  return (start, end, first, step) => {
    for (let from = start, at = first; from < end; from += BLOCK, at += BLOCK * step) {
      const count = Math.min(BLOCK, end - from);
      readDoubles(data, from, from + count, block);
      forEachNull(data, from, count, (i) => {
        block[i] = inBlock;
        if (asNan) counts.missing++;
      });
      if (rounds) countRounded(data, from, count, block, type, counts);
      writeBlock(type, block, count, out, at, step, integers, counts, (i) => target.reject(at + i * step, describe(from + i)));
      if (!asNan) forEachNull(data, from, count, (i) => fillMissing(at + i * step));
    }
  };
}

/** 64-bit integers that changed on the way to a double; those that change again on the way to a float32 are counted there. */
function countRounded(data: Data, from: number, count: number, block: Float64Array, type: TensorType, counts: WriteCounts): void {
  for (let i = 0; i < count; i++) {
    const value = block[i]!;
    if ((value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER) || Number.isNaN(value)) continue;
    if (type !== "float64" && isRounded(type, value)) continue;
    if (BigInt(value) !== exactInteger(data, from + i)) counts.inexact++;
  }
}

/** int64 and uint64: exact, by 32-bit halves where the source has them. */
function bigFill(data: Data, target: ColumnTarget, isMissing: IsMissing, fillMissing: (at: number) => void): ColumnFill {
  const out = target.out as BigInt64Array;
  const [low, high] = target.type === "int64" ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
  const same =
    data.values instanceof BigInt64Array
      ? target.type === "int64"
      : data.values instanceof BigUint64Array && target.type === "uint64";
  const describe = textReader(data);
  const halves = new Uint32Array(out.buffer, out.byteOffset, out.length * 2);
  const words = same ? new Uint32Array(data.values.buffer, data.values.byteOffset, data.values.length * 2) : null;
  return (from, to, at, step) => {
    for (let i = 0, row = from; row < to; i++, row++) {
      const into = at + i * step;
      if (isMissing?.(row)) {
        fillMissing(into);
      } else if (words !== null) {
        halves[into * 2] = words[row * 2]!;
        halves[into * 2 + 1] = words[row * 2 + 1]!;
      } else {
        const value = exactInteger(data, row);
        if (value === null || value < low || value > high) target.reject(into, describe(row));
        else out[into] = value;
      }
    }
  };
}

function stringFill(data: Data, { out }: ColumnTarget, isMissing: IsMissing, fillMissing: (at: number) => void): ColumnFill {
  const read = texts(data);
  const strings = out as string[];
  return (from, to, at, step) => {
    for (let i = 0, row = from; row < to; i++, row++) {
      const text = isMissing?.(row) ? null : read(row);
      if (text === null) fillMissing(at + i * step);
      else strings[at + i * step] = text;
    }
  };
}

function textFill(data: Data, target: ColumnTarget, isMissing: IsMissing, fillMissing: (at: number) => void): ColumnFill {
  const read = texts(data);
  const write = cellWriter(target.type, TEXT_RULES);
  return (from, to, first, step) => {
    for (let row = from, at = first; row < to; row++, at += step) {
      const text = (isMissing?.(row) ? null : read(row)) ?? "";
      const status = write(text, target.out, at);
      if (status === CELL_MISSING) fillMissing(at);
      else if (status === CELL_BAD) target.reject(at, text);
      else if (status === CELL_OVERFLOW) target.counts.overflow++;
      else if (status === CELL_INEXACT) target.counts.inexact++;
    }
  };
}

/** Only asked for rows that are valid; a dictionary may still hold a null. */
function texts(data: Data): (row: number) => string | null {
  return data.type.typeId === Type.Dictionary ? textReader(data) : utf8Reader(data);
}
