/** What is done with a cell: its number into a tensor or a kept column, or nothing where that takes more than the kernel knows. */
import { integer, longFloat32, shortFloat32, shortInteger } from "./digits";
import { isExact, mantissa, negative, STORED_LARGE, scaled, scanInteger, scanNumber, storeFloat32, wasRounded } from "./numbers";

/** Action kinds; the same numbers stand in sources/csv/kernel-layout.ts. */
export const FLOAT32: u32 = 1;
export const FLOAT64: u32 = 2;
export const INTEGER: u32 = 3;
export const BOOL: u32 = 4;
export const KEEP_INT64: u32 = 5;
export const KEEP_FLOAT64: u32 = 6;
export const KEEP_TEXT: u32 = 7;
export const EXCEPTION: u32 = 8;

/** Action flags. */
export const EMPTY_IS_NAN: u32 = 1;
export const EMPTY_IS_NULL: u32 = 2;
/** Text that may be one of the null values: shorter or equal to `width` bytes, the caller looks. */
export const CHECK_NULLS: u32 = 4;

export const A_KIND: usize = 0;
export const A_DEST: usize = 4;
export const A_STRIDE: usize = 8;
export const A_FLAGS: usize = 12;
export const A_MISSING: usize = 16;
export const A_NULLS: usize = 20;
export const A_BITMAP: usize = 24;
export const A_WIDTH: usize = 28;
export const A_MIN: usize = 32;
export const A_MAX: usize = 40;
export const A_INEXACT: usize = 48;
export const ACTION_BYTES: usize = 64;

/** The float32 that `act` just wrote is a whole number rounded. */
export let rounded: bool = false;

export function countInexact(action: usize): void {
  store<u32>(action, load<u32>(action, A_INEXACT) + 1, A_INEXACT);
}

// @ts-ignore: decorator
@inline
function storeInteger(at: usize, width: u32, value: i64): void {
  if (width == 8) store<i64>(at, value);
  else if (width == 4) store<i32>(at, <i32>value);
  else if (width == 2) store<i16>(at, <i16>value);
  else store<i8>(at, <i8>value);
}

/** Tries one action on the cell at `start`; its content must end exactly where the number ends. @returns the byte after it, or 0 */
// @ts-ignore: decorator
@inline
export function act(action: usize, kind: u32, row: u32, start: usize): usize {
  const at = <usize>load<u32>(action, A_DEST) + <usize>row * <usize>load<u32>(action, A_STRIDE);
  if (kind == FLOAT32) {
    const p = scanNumber(start);
    if (p == 0) return 0;
    const stored = storeFloat32(at);
    rounded = stored == STORED_LARGE && wasRounded(start, p, at);
    return stored != 0 ? p : 0;
  }
  if (kind == FLOAT64 || kind == KEEP_FLOAT64) {
    const p = scanNumber(start);
    if (p == 0 || !isExact()) return 0;
    store<f64>(at, scaled());
    return p;
  }
  if (kind == KEEP_INT64 || kind == INTEGER) {
    let p = shortInteger(start);
    let value = integer;
    if (p == 0) {
      p = scanInteger(start, kind == KEEP_INT64);
      if (p == 0) return 0;
      value = negative ? -(<i64>mantissa) : <i64>mantissa;
    }
    if (kind == INTEGER && (value < load<i64>(action, A_MIN) || value > load<i64>(action, A_MAX))) return 0;
    storeInteger(at, kind == INTEGER ? load<u32>(action, A_WIDTH) : 8, value);
    return p;
  }
  if (kind == BOOL) {
    const c: u32 = load<u8>(start);
    if (c != 48 && c != 49) return 0;
    store<u8>(at, <u8>(c - 48));
    return start + 1;
  }
  return 0;
}

/** An empty cell, where the action knows what that means. */
// @ts-ignore: decorator
@inline
export function actEmpty(action: usize, kind: u32, row: u32): bool {
  const flags = load<u32>(action, A_FLAGS);
  const at = <usize>load<u32>(action, A_DEST) + <usize>row * <usize>load<u32>(action, A_STRIDE);
  if (flags & EMPTY_IS_NAN) {
    if (kind == FLOAT32) store<f32>(at, NaN);
    else store<f64>(at, NaN);
    store<u32>(action, load<u32>(action, A_MISSING) + 1, A_MISSING);
    return true;
  }
  if (flags & EMPTY_IS_NULL) {
    if (kind == KEEP_TEXT) store<u64>(at, 0);
    else store<i64>(at, 0);
    const byte = <usize>load<u32>(action, A_BITMAP) + <usize>(row >> 3);
    store<u8>(byte, load<u8>(byte) & ~(<u8>1 << <u8>(row & 7)));
    store<u32>(action, load<u32>(action, A_NULLS) + 1, A_NULLS);
    return true;
  }
  return false;
}

/** A cell among neighbouring float32 that is not one of four short numbers. @returns false: the general way has to see it */
// @ts-ignore: decorator
@inline
export function floatCell(start: usize, end: usize, at: usize, action: usize, row: u32): bool {
  if (shortFloat32(start, end, at)) return true;
  if (end == start) return actEmpty(action, FLOAT32, row);
  let stored = longFloat32(start, end, at);
  if (stored == 0) {
    if (scanNumber(start) != end) return false;
    stored = storeFloat32(at);
  }
  if (stored == STORED_LARGE && wasRounded(start, end, at)) countInexact(action);
  return stored != 0;
}
