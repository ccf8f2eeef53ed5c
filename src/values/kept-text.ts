/**
 * Kept text columns -> Arrow data, by KeptType. Nothing is lost on the way: a cell that its type cannot hold exactly is reported.
 *
 * | type | takes |
 * |---|---|
 * | utf8 | the text as it is |
 * | int64 | `-?(0\|[1-9]d*)` in range: no plus, no leading zero, no `-0`, so that the output prints the same digits |
 * | float64 | every number of the text table with at most 17 significant digits |
 * | bool | the text table's booleans |
 *
 * Missing cells (TextRules.nullValues) become null; numbers and booleans are read without spaces around them.
 */
import { Bool, type Data, Float64, Int64, makeData, Utf8 } from "apache-arrow";
import type { KeptType } from "../core/binding-plan.ts";
import { CELL_BAD, CELL_INEXACT, CELL_MISSING, CELL_OK, cellWriter, type TextRules, trimBlanks } from "./text-cells.ts";
import { isShortestWhole, readCanonicalInt64, significantDigits } from "./text-numbers.ts";

export type KeptTextType = Exclude<KeptType, "source">;

export interface KeptTextResult {
  /** Null when a cell did not fit. */
  data: Data | null;
  /** Rows (positions in `records`) whose cell the type cannot hold. */
  badRows: number[];
}

/** @param records one array of cell texts per row; @param index which cell of each row */
export function keptFromText(
  type: KeptTextType,
  records: readonly (readonly string[])[],
  index: number,
  rules: TextRules,
): KeptTextResult {
  switch (type) {
    case "utf8":
      return { data: utf8Data(records, index, rules), badRows: [] };
    case "int64":
      return int64Data(records, index, rules);
    case "float64":
      return float64Data(records, index, rules);
    case "bool":
      return boolData(records, index, rules);
  }
}

/** What a kept type takes, for the `expected` of an error. */
export function expectedKept(type: KeptTextType): string {
  if (type === "int64")
    return "a whole number without plus sign or leading zeros, from -9223372036854775808 to 9223372036854775807";
  if (type === "float64") return "a number with at most 17 significant digits";
  return type === "bool" ? "true/false, t/f, yes/no, y/n or 1/0" : "text";
}

/** Which half of a 64-bit integer comes first in memory. */
const LOW = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1;

class Validity {
  nulls = 0;
  private bits: Uint8Array | null = null;
  constructor(private readonly rows: number) {}

  setNull(row: number): void {
    this.bits ??= new Uint8Array((this.rows + 7) >> 3).fill(255);
    this.bits[row >> 3]! &= ~(1 << (row & 7));
    this.nulls++;
  }

  get parts(): { length: number; nullCount: number; nullBitmap?: Uint8Array } {
    const parts = { length: this.rows, nullCount: this.nulls };
    return this.bits === null ? parts : { ...parts, nullBitmap: this.bits };
  }
}

function utf8Data(records: readonly (readonly string[])[], index: number, rules: TextRules): Data {
  const rows = records.length;
  const nulls = new Set(rules.nullValues);
  const validity = new Validity(rows);
  const valueOffsets = new Int32Array(rows + 1);
  const texts = new Array<string>(rows);
  let letters = 0;
  for (let row = 0; row < rows; row++) {
    let text = records[row]![index]!;
    if (nulls.has(text)) {
      validity.setNull(row);
      text = "";
    }
    texts[row] = text;
    letters += text.length;
    valueOffsets[row + 1] = letters;
  }
  // Never Buffer.from: its pooled memory is shared, and these bytes may be transferred to another thread.
  const data = new TextEncoder().encode(texts.join(""));
  if (data.length !== letters) {
    let bytes = 0;
    for (let row = 0; row < rows; row++) {
      bytes += Buffer.byteLength(texts[row]!, "utf8");
      valueOffsets[row + 1] = bytes;
    }
  }
  return makeData({ type: new Utf8(), ...validity.parts, valueOffsets, data });
}

function int64Data(records: readonly (readonly string[])[], index: number, rules: TextRules): KeptTextResult {
  const rows = records.length;
  const nulls = new Set(rules.nullValues.map(trimBlanks));
  const validity = new Validity(rows);
  const data = new BigInt64Array(rows);
  // Halves spare a BigInt per cell.
  const halves = new Int32Array(data.buffer);
  const badRows: number[] = [];
  for (let row = 0; row < rows; row++) {
    let text = records[row]![index]!;
    let value = readCanonicalInt64(text);
    if (value === null || nulls.has(text)) {
      text = trimBlanks(text);
      if (nulls.has(text)) {
        validity.setNull(row);
        continue;
      }
      value = readCanonicalInt64(text);
      if (value === null) {
        badRows.push(row);
        continue;
      }
    }
    if (typeof value === "bigint") data[row] = value;
    else {
      halves[2 * row + LOW] = value | 0;
      halves[2 * row + 1 - LOW] = Math.floor(value / 4294967296);
    }
  }
  return badRows.length > 0
    ? { data: null, badRows }
    : { data: makeData({ type: new Int64(), ...validity.parts, data }), badRows };
}

function float64Data(records: readonly (readonly string[])[], index: number, rules: TextRules): KeptTextResult {
  const rows = records.length;
  const write = cellWriter("float64", rules);
  const validity = new Validity(rows);
  const data = new Float64Array(rows);
  const badRows: number[] = [];
  for (let row = 0; row < rows; row++) {
    const text = records[row]![index]!;
    const status = write(text, data, row);
    if (status === CELL_MISSING) {
      data[row] = 0;
      validity.setNull(row);
    } else if (
      !(status === CELL_OK || (status === CELL_INEXACT && isShortestWhole(trimBlanks(text), data[row]!))) ||
      hasTooManyDigits(text)
    ) {
      badRows.push(row);
    }
  }
  return badRows.length > 0
    ? { data: null, badRows }
    : { data: makeData({ type: new Float64(), ...validity.parts, data }), badRows };
}

function hasTooManyDigits(text: string): boolean {
  return text.length > 17 && significantDigits(text) > 17;
}

function boolData(records: readonly (readonly string[])[], index: number, rules: TextRules): KeptTextResult {
  const rows = records.length;
  const write = cellWriter("bool", rules);
  const validity = new Validity(rows);
  const data = new Uint8Array((rows + 7) >> 3);
  const cell = new Uint8Array(1);
  const badRows: number[] = [];
  for (let row = 0; row < rows; row++) {
    const status = write(records[row]![index]!, cell, 0);
    if (status === CELL_MISSING) validity.setNull(row);
    else if (status === CELL_BAD) badRows.push(row);
    else if (cell[0] === 1) data[row >> 3]! |= 1 << (row & 7);
  }
  return badRows.length > 0
    ? { data: null, badRows }
    : { data: makeData({ type: new Bool(), ...validity.parts, data }), badRows };
}
