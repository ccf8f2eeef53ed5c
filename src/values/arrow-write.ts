/** A block of doubles into one column of a row-major tensor. One loop per element type, so that each stays monomorphic and fast. */
import type { TensorArray, TensorType } from "../core/tensor-types.ts";
import { toFloat16Bits } from "./text-numbers.ts";

/** From here on a double rounds to an infinite float32: half a unit beyond the largest, ties to even go up. */
const FLOAT32_OVERFLOW = 2 ** 128 - 2 ** 103;
const FLOAT16_OVERFLOW = 65520;

const INTEGER_RANGES: Partial<Record<TensorType, [low: number, high: number]>> = {
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-2147483648, 2147483647],
  uint8: [0, 255],
  uint16: [0, 65535],
  uint32: [0, 4294967295],
  bool: [0, 1],
};

export interface WriteCounts {
  /** Finite numbers that became infinite. */
  overflow: number;
  /** Integers that the float type cannot hold; only counted where the source is an integer. */
  inexact: number;
}

/**
 * Writes block[0, count) to out[at], out[at + step], ...
 * @param bad called with the position in the block of a value the type cannot take: a fraction or an integer out of range
 */
export function writeBlock(
  type: TensorType,
  block: Float64Array,
  count: number,
  out: TensorArray,
  at: number,
  step: number,
  integers: boolean,
  counts: WriteCounts,
  bad: (position: number) => void,
): void {
  if (type === "float32") {
    writeFloat32(block, count, out as Float32Array, at, step);
    countFloat32(block, count, integers, counts);
  } else if (type === "float64") {
    writeFloat64(block, count, out as Float64Array, at, step);
  } else if (type === "float16") {
    writeFloat16(block, count, out as Uint16Array, at, step, integers, counts);
  } else {
    const [low, high] = INTEGER_RANGES[type]!;
    writeIntegers(block, count, out as Int32Array, at, step, low, high, bad);
  }
}

/**
 * The most frequent cases without a block between: floats that are all there into a tensor of floats. Three times as fast.
 * @returns null when the pair of types is none of them
 */
export function directCopy(
  values: Float64Array | Float32Array,
  type: TensorType,
  out: TensorArray,
  counts: WriteCounts,
): DirectCopy | null {
  if (type === "float32" && values instanceof Float64Array) return doublesToFloat32(values, out as Float32Array, counts);
  if (type === "float64" && values instanceof Float64Array) return doublesToFloat64(values, out as Float64Array);
  if (type === "float32" && values instanceof Float32Array) return singlesToFloat32(values, out as Float32Array);
  return null;
}

/** values[from, to) to out[at], out[at + step], ... */
export type DirectCopy = (from: number, to: number, at: number, step: number) => void;

// Written out one by one: a loop shared by several array types is no longer compiled for one of them.
function doublesToFloat32(values: Float64Array, out: Float32Array, counts: WriteCounts): DirectCopy {
  return (from, to, at, step) => {
    let overflow = 0;
    for (let i = from, into = at; i < to; i++, into += step) {
      const value = values[i]!;
      out[into] = value;
      const size = Math.abs(value);
      if (size >= FLOAT32_OVERFLOW && size !== Number.POSITIVE_INFINITY) overflow++;
    }
    counts.overflow += overflow;
  };
}

function doublesToFloat64(values: Float64Array, out: Float64Array): DirectCopy {
  return (from, to, at, step) => {
    for (let i = from, into = at; i < to; i++, into += step) out[into] = values[i]!;
  };
}

function singlesToFloat32(values: Float32Array, out: Float32Array): DirectCopy {
  return (from, to, at, step) => {
    for (let i = from, into = at; i < to; i++, into += step) out[into] = values[i]!;
  };
}

function writeFloat32(block: Float64Array, count: number, out: Float32Array, at: number, step: number): void {
  for (let i = 0, to = at; i < count; i++, to += step) out[to] = block[i]!;
}

function writeFloat64(block: Float64Array, count: number, out: Float64Array, at: number, step: number): void {
  for (let i = 0, to = at; i < count; i++, to += step) out[to] = block[i]!;
}

/** Apart from the writing: this loop only reads the block, which is in the first-level cache. */
function countFloat32(block: Float64Array, count: number, integers: boolean, counts: WriteCounts): void {
  if (integers) {
    for (let i = 0; i < count; i++) if (Math.fround(block[i]!) !== block[i] && !Number.isNaN(block[i])) counts.inexact++;
    return;
  }
  for (let i = 0; i < count; i++) {
    const size = Math.abs(block[i]!);
    if (size >= FLOAT32_OVERFLOW && size !== Number.POSITIVE_INFINITY) counts.overflow++;
  }
}

/** The type lacks this whole number, which is in its range. */
export function isRounded(type: TensorType, value: number): boolean {
  if (type === "float32") return Math.fround(value) !== value;
  const size = Math.abs(value);
  return type === "float16" && size > 2048 && size % 2 ** (Math.floor(Math.log2(size)) - 10) !== 0;
}

function writeFloat16(
  block: Float64Array,
  count: number,
  out: Uint16Array,
  at: number,
  step: number,
  integers: boolean,
  counts: WriteCounts,
): void {
  for (let i = 0, to = at; i < count; i++, to += step) {
    const value = block[i]!;
    out[to] = toFloat16Bits(value);
    const size = Math.abs(value);
    if (size >= FLOAT16_OVERFLOW) {
      if (size !== Number.POSITIVE_INFINITY) counts.overflow++;
    } else if (integers && isRounded("float16", value)) counts.inexact++;
  }
}

function writeIntegers(
  block: Float64Array,
  count: number,
  out: Int32Array,
  at: number,
  step: number,
  low: number,
  high: number,
  bad: (position: number) => void,
): void {
  for (let i = 0, to = at; i < count; i++, to += step) {
    const value = block[i]!;
    if (value >= low && value <= high && Math.trunc(value) === value) out[to] = value;
    else bad(i);
  }
}
