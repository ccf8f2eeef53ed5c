/** Elements of numeric Arrow columns as doubles, and as the two 32-bit halves of int64; a block at a time, no value boxed. */
import { type Data, type Decimal, type Float, type Int, Precision, Type } from "apache-arrow";
import { float16Value } from "./text-numbers.ts";

const TWO_32 = 4_294_967_296;

/** What `readDoubles` cannot say: integers beyond 2^53 and decimals are rounded to the nearest double. */
export type NumberKind = "integer" | "bigInteger" | "float" | "bool" | "decimal" | "null";

export function numberKind(data: Data): NumberKind | null {
  switch (data.type.typeId) {
    case Type.Int:
      return (data.type as Int).bitWidth === 64 ? "bigInteger" : "integer";
    case Type.Float:
      return "float";
    case Type.Bool:
      return "bool";
    case Type.Decimal:
      return "decimal";
    case Type.Null:
      return "null";
    default:
      return null;
  }
}

/** Elements `from` up to `to` as doubles into `into[0..]`; what stands under a null is unspecified. */
export function readDoubles(data: Data, from: number, to: number, into: Float64Array): void {
  const { values } = data;
  switch (data.type.typeId) {
    case Type.Null:
      into.fill(0, 0, to - from);
      return;
    case Type.Bool:
      readBits(data, from, to, into);
      return;
    case Type.Decimal:
      readDecimals(data, from, to, into);
      return;
    case Type.Float:
      if ((data.type as Float).precision === Precision.HALF) readHalves(values as Uint16Array, from, to, into);
      else into.set((values as Float64Array).subarray(from, to));
      return;
    default:
      if ((data.type as Int).bitWidth === 64) readBigIntegers(values as BigInt64Array, from, to, into);
      else into.set((values as Int32Array).subarray(from, to));
  }
}

function readBits(data: Data, from: number, to: number, into: Float64Array): void {
  const bits = data.values as Uint8Array;
  for (let i = 0, at = data.offset + from; i < to - from; i++, at++) into[i] = (bits[at >> 3]! >> (at & 7)) & 1;
}

/** high * 2^32 is exact and the sum rounds once, so the result is the nearest double. */
function readBigIntegers(values: BigInt64Array | BigUint64Array, from: number, to: number, into: Float64Array): void {
  const halves = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  const unsigned = values instanceof BigUint64Array;
  for (let i = 0, at = from * 2; i < to - from; i++, at += 2) {
    const high = halves[at + 1]!;
    into[i] = (unsigned ? high >>> 0 : high) * TWO_32 + (halves[at]! >>> 0);
  }
}

function readHalves(values: Uint16Array, from: number, to: number, into: Float64Array): void {
  for (let i = 0; i < to - from; i++) into[i] = float16Value(values[from + i]!);
}

const POWERS_OF_TEN = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

/** `m / 10^scale` with m < 2^53 and scale <= 22 is the nearest double (Clinger 1990); the rest goes through text, which rounds once too. */
function readDecimals(data: Data, from: number, to: number, into: Float64Array): void {
  const { scale } = data.type as Decimal;
  for (let i = 0; i < to - from; i++) {
    const unscaled = decimalUnscaled(data, from + i);
    const small = Number(unscaled);
    into[i] =
      Number.isSafeInteger(small) && scale >= 0 && scale <= 22 ? small / POWERS_OF_TEN[scale]! : Number(`${unscaled}e${-scale}`);
  }
}

/** Two's complement of `bitWidth / 32` little-endian words. */
function decimalUnscaled(data: Data, row: number): bigint {
  const words = data.values as Uint32Array;
  const { stride } = data;
  let value = BigInt(words[row * stride + stride - 1]! | 0);
  for (let word = stride - 2; word >= 0; word--) value = (value << 32n) | BigInt(words[row * stride + word]!);
  return value;
}

/** The element as an exact integer; null when it is not one (a fraction, NaN, an infinity). */
export function exactInteger(data: Data, row: number): bigint | null {
  switch (data.type.typeId) {
    case Type.Int:
      return BigInt(data.values[row]);
    case Type.Decimal: {
      const { scale } = data.type as Decimal;
      const unscaled = decimalUnscaled(data, row);
      if (scale <= 0) return unscaled * 10n ** BigInt(-scale);
      const unit = 10n ** BigInt(scale);
      return unscaled % unit === 0n ? unscaled / unit : null;
    }
    default: {
      const one = new Float64Array(1);
      readDoubles(data, row, row + 1, one);
      return Number.isInteger(one[0]) ? BigInt(one[0]!) : null;
    }
  }
}
