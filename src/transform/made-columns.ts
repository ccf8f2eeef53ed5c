/** Arrays that the user's code gave back -> Arrow columns of the type learned from the first rows. Only floats are rounded, to the nearest. */
import {
  Bool,
  type Data,
  type DataType,
  Field,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  List,
  makeData,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from "apache-arrow";
import type { MadeType } from "../core/transform.ts";
import { typeText } from "../values/arrow-columns.ts";
import { RowFault } from "./transform-error.ts";

type NumberType = Exclude<MadeType, "text" | "bool" | "int64" | "uint64" | `list<${string}>`>;
type Numbers = Float64Array | Float32Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

const NUMBERS: Record<NumberType, { array: new (length: number) => Numbers; type: () => DataType }> = {
  float64: { array: Float64Array, type: () => new Float64() },
  float32: { array: Float32Array, type: () => new Float32() },
  int8: { array: Int8Array, type: () => new Int8() },
  uint8: { array: Uint8Array, type: () => new Uint8() },
  int16: { array: Int16Array, type: () => new Int16() },
  uint16: { array: Uint16Array, type: () => new Uint16() },
  int32: { array: Int32Array, type: () => new Int32() },
  uint32: { array: Uint32Array, type: () => new Uint32() },
};

/** The type that an array says by itself; null when all of it is missing. */
export function typeOf(values: ArrayLike<unknown>): MadeType | null {
  if (values instanceof BigInt64Array) return "int64";
  if (values instanceof BigUint64Array) return "uint64";
  for (const [name, { array }] of Object.entries(NUMBERS)) if (values instanceof array) return name as NumberType;
  const first = Array.from(values).find((value) => value !== null && value !== undefined);
  if (first instanceof Float32Array) return "list<float32>";
  if (Array.isArray(first) || ArrayBuffer.isView(first)) return "list<float64>";
  if (typeof first === "string") return "text";
  if (typeof first === "bigint") return "int64";
  if (typeof first === "boolean") return "bool";
  if (typeof first === "number") return "float64";
  return first === undefined && values.length === 0 ? "text" : null;
}

/** The type a column of the input has, where arrays can be made into it again. */
export function typeOfSource(type: DataType): MadeType | null {
  const text = typeText(type);
  if (text === "float16") return "float32";
  return text in NUMBERS || ["int64", "uint64", "text", "bool"].includes(text) ? (text as MadeType) : null;
}

/** Number of elements that all lists have, else null. */
export function listSizeOf(values: ArrayLike<unknown>): number | null {
  const sizes = new Set(Array.from(values, (value) => (value as ArrayLike<unknown> | null | undefined)?.length ?? null));
  sizes.delete(null);
  return sizes.size === 1 ? [...sizes][0]! : null;
}

/** @throws RowFault at the first element that the type cannot hold */
export function makeColumn(name: string, values: ArrayLike<unknown>, type: MadeType): Data {
  const refuse = (row: number, value: unknown): RowFault =>
    new RowFault(row, `the transform gives column "${name}" a value that is no ${type}`, name, {
      expected: `${type}, as in the first rows`,
      actual: shown(value),
      hints: ["give every batch the same types: numbers in a Float64Array are float64 throughout"],
    });
  if (type === "text") return textData(values, refuse);
  if (type === "bool") return boolData(values, refuse);
  if (type === "int64" || type === "uint64") return bigData(values, type, refuse);
  if (type === "list<float32>" || type === "list<float64>") return listData(values, type, refuse);
  return numberData(values, type, refuse);
}

type Refuse = (row: number, value: unknown) => RowFault;

/** Collects which elements are there. */
class Presence {
  readonly bits: Uint8Array;
  missing = 0;
  constructor(readonly length: number) {
    this.bits = new Uint8Array((length + 7) >> 3);
  }

  has(row: number, value: unknown): boolean {
    if (value === null || value === undefined) {
      this.missing++;
      return false;
    }
    this.bits[row >> 3]! |= 1 << (row & 7);
    return true;
  }

  get parts(): { length: number; nullCount: number; nullBitmap?: Uint8Array } {
    const parts = { length: this.length, nullCount: this.missing };
    return this.missing === 0 ? parts : { ...parts, nullBitmap: this.bits };
  }
}

function numberData(values: ArrayLike<unknown>, type: NumberType, refuse: Refuse): Data {
  const { array, type: arrowType } = NUMBERS[type];
  const { length } = values;
  if (values instanceof array) {
    // A copy: the module may hold on to its array and write into it again.
    return makeData({ type: arrowType() as Float64, length, nullCount: 0, data: values.slice() as Float64Array });
  }
  const data = new array(length);
  const presence = new Presence(length);
  const float = type === "float64" || type === "float32";
  for (let row = 0; row < length; row++) {
    const value = values[row];
    // NaN is how missing numbers are given; an integer has no other way to be missing.
    if (!presence.has(row, !float && Number.isNaN(value) ? null : value)) continue;
    if (typeof value !== "number") throw refuse(row, value);
    data[row] = value;
    if (!float && data[row] !== value) throw refuse(row, value);
  }
  return makeData({ type: arrowType() as Float64, ...presence.parts, data: data as Float64Array });
}

function bigData(values: ArrayLike<unknown>, type: "int64" | "uint64", refuse: Refuse): Data {
  const { length } = values;
  const data = type === "int64" ? new BigInt64Array(length) : new BigUint64Array(length);
  const presence = new Presence(length);
  for (let row = 0; row < length; row++) {
    const value = values[row];
    if (!presence.has(row, Number.isNaN(value) ? null : value)) continue;
    if (typeof value !== "bigint" && !Number.isSafeInteger(value)) throw refuse(row, value);
    const big = BigInt(value as bigint | number);
    data[row] = big;
    if (data[row] !== big) throw refuse(row, value);
  }
  return type === "int64"
    ? makeData({ type: new Int64(), ...presence.parts, data: data as BigInt64Array })
    : makeData({ type: new Uint64(), ...presence.parts, data: data as BigUint64Array });
}

function textData(values: ArrayLike<unknown>, refuse: Refuse): Data {
  const { length } = values;
  const presence = new Presence(length);
  const valueOffsets = new Int32Array(length + 1);
  const texts: string[] = [];
  let bytes = 0;
  for (let row = 0; row < length; row++) {
    const value = values[row];
    if (presence.has(row, value)) {
      if (typeof value !== "string") throw refuse(row, value);
      texts.push(value);
      bytes += Buffer.byteLength(value, "utf8");
    }
    valueOffsets[row + 1] = bytes;
  }
  return makeData({ type: new Utf8(), ...presence.parts, valueOffsets, data: new TextEncoder().encode(texts.join("")) });
}

function boolData(values: ArrayLike<unknown>, refuse: Refuse): Data {
  const { length } = values;
  const presence = new Presence(length);
  const data = new Uint8Array((length + 7) >> 3);
  for (let row = 0; row < length; row++) {
    const value = values[row];
    if (!presence.has(row, value)) continue;
    if (typeof value !== "boolean") throw refuse(row, value);
    if (value) data[row >> 3]! |= 1 << (row & 7);
  }
  return makeData({ type: new Bool(), ...presence.parts, data });
}

function listData(values: ArrayLike<unknown>, type: "list<float32>" | "list<float64>", refuse: Refuse): Data {
  const { length } = values;
  const presence = new Presence(length);
  const valueOffsets = new Int32Array(length + 1);
  const elements: number[] = [];
  for (let row = 0; row < length; row++) {
    const value = values[row] as ArrayLike<unknown> | null | undefined;
    if (presence.has(row, value)) {
      if (!Array.isArray(value) && !ArrayBuffer.isView(value)) throw refuse(row, value);
      for (const element of value as ArrayLike<unknown> & Iterable<unknown>) {
        if (typeof element !== "number") throw refuse(row, element);
        elements.push(element);
      }
    }
    valueOffsets[row + 1] = elements.length;
  }
  const child = numberData(elements, type === "list<float32>" ? "float32" : "float64", refuse);
  return makeData({ type: new List(new Field("item", child.type, true)), ...presence.parts, valueOffsets, child });
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return `${text.slice(0, 80)} (${typeof value})`;
}
