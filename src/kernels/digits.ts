/**
 * Numbers whose end is known, read without a loop: their digits are moved to the right end of a word, so that their count, which no
 * branch predictor can guess, costs nothing. Bytes before the cell are read as well (up to 24 before its end) and masked out.
 */
import { EXACT_SINGLE, MAX_SINGLE_POWER, powerOfTen, STORED, storeMantissa } from "./numbers";

const MINUS: u32 = 45;
const DOT: u32 = 46;
const ZEROS: u64 = 0x3030303030303030;
const TOP_BITS: u64 = 0x8080808080808080;
/** Added to a byte below 128, sets its top bit when the byte is above 9. */
const ABOVE_NINE: u64 = 0x7676767676767676;
/** A point, as it looks when zeros are taken off. */
const POINT: u64 = DOT ^ 48;

/** 10^(digits behind a point at byte k of eight); the ninth: no point. */
const POINT_SCALES: usize = memory.data<f32>([1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1e0, 1e0]);
/** At n: 16 - n bytes of 0, then n of 255. */
const LAST_BYTES: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
]);
const LANES: v128 = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

/** Value of eight digits, one per byte, the first in the lowest byte. */
// @ts-ignore: decorator
@inline
export function eightDigits(digits: u64): u32 {
  const pairs = digits * 10 + (digits >> 8);
  return <u32>(
    (((pairs & 0x000000ff000000ff) * 0x000f424000000064 + ((pairs >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >> 32)
  );
}

/** Result of shortInteger. */
export let integer: i64 = 0;

/**
 * Reads `-?d{1,7}` where no more than that stands, and no zero in front; up to nine bytes from `start` on are looked at.
 * @returns the byte after it, or 0: it is longer, or something else
 */
// @ts-ignore: decorator
@inline
export function shortInteger(start: usize): usize {
  const sign = <u64>(<u32>load<u8>(start) == MINUS);
  const first = start + <usize>sign;
  const word = load<u64>(first) ^ ZEROS;
  // The lowest one is true: no byte before it is above 127, so nothing was carried into it.
  const others = ((word + ABOVE_NINE) | word) & TOP_BITS;
  const bits = ctz(others) & 56;
  if (others == 0 || bits == 0 || ((word & 255) == 0 && (bits | sign) != 8)) return 0;
  const value = <i64>eightDigits(word << (64 - bits));
  integer = (value ^ -(<i64>sign)) + <i64>sign;
  return first + <usize>(bits >> 3);
}

/** Value of sixteen digits, one per lane, the first in lane 0. */
// @ts-ignore: decorator
@inline
function sixteenDigits(digits: v128): u64 {
  const tens = i16x8.mul(v128.and(digits, i16x8.splat(0xff)), i16x8.splat(10));
  const pairs = i16x8.add(tens, i16x8.shr_u(digits, 8));
  const fours = i32x4.dot_i16x8_s(pairs, i16x8(100, 1, 100, 1, 100, 1, 100, 1));
  const eights = i32x4.dot_i16x8_s(i16x8.narrow_i32x4_s(fours, fours), i16x8(10000, 1, 10000, 1, 10000, 1, 10000, 1));
  return <u64>(<u32>i32x4.extract_lane(eights, 0)) * 100000000 + <u64>(<u32>i32x4.extract_lane(eights, 1));
}

/** Moves the lanes before `lane` up by one, over it; lane 0 becomes 0. */
// @ts-ignore: decorator
@inline
function withoutLane(bytes: v128, lane: u32): v128 {
  const at = i8x16.splat(<i8>lane);
  // A comparison that holds is -1: one lane further left; lane -1 gives 0.
  return i8x16.swizzle(bytes, i8x16.add(LANES, i8x16.le_u(LANES, at)));
}

/**
 * A cell of 1 to 8 bytes behind its sign, digits and at most one point, written as the nearest float32: exact in one division.
 * @returns false when it is not of this form
 */
// @ts-ignore: decorator
@inline
export function shortFloat32(start: usize, end: usize, at: usize): bool {
  const sign: u32 = <u32>(<u32>load<u8>(start) == MINUS);
  const size = <u64>(end - start) - <u64>sign;
  if (size - 1 >= 8) return false;
  const digits = (load<u64>(end - 8) ^ ZEROS) & (<u64>-1 << (64 - (size << 3)));
  const others = ((digits + ABOVE_NINE) | digits) & TOP_BITS;
  // Bit 0 of the byte that is no digit; a byte above 127 may mark the next one too, which only sends the cell the slow way.
  const lowest = others >> 7;
  const pointless = digits ^ (lowest * POINT);
  const some = <u64>(others != 0);
  if ((others & (others - 1)) | (pointless & ((others << 1) - lowest)) | (some & <u64>(size == 1))) return false;
  const before = pointless & (lowest - some);
  const value = eightDigits(pointless - before + (before << 8));
  if (value > <u32>EXACT_SINGLE) return false;
  const single = <f32>value / load<f32>(POINT_SCALES + ((<usize>ctz(others) >> 3) << 2));
  store<u32>(at, reinterpret<u32>(single) | (sign << 31));
  return true;
}

/**
 * A cell of up to 20 bytes behind its sign, at most 19 of them digits and one a point: the last sixteen in a vector, those before in a word.
 * @returns as storeFloat32
 */
export function longFloat32(start: usize, end: usize, at: usize): u32 {
  const sign = <u32>load<u8>(start) == MINUS;
  const size = end - start - <usize>sign;
  if (size - 1 >= 20) return 0;
  let digits = v128.and(v128.xor(v128.load(end - 16), i8x16.splat(48)), v128.load(LAST_BYTES + min<usize>(size, 16)));
  const others = <u32>i8x16.bitmask(i8x16.gt_u(digits, i8x16.splat(9)));
  let fraction: u32 = 0;
  let headScale: u64 = 10000000000000000;
  if (others != 0) {
    const lane = ctz(others);
    if ((others & (others - 1)) != 0 || <u32>load<u8>(end - 16 + <usize>lane) != DOT || size == 1) return 0;
    fraction = 15 - lane;
    headScale = 1000000000000000;
    digits = withoutLane(digits, lane);
  }
  let value = sixteenDigits(digits);
  if (size > 16) {
    let head = (load<u64>(end - 24) ^ ZEROS) & (<u64>-1 << (64 - (<u64>(size - 16) << 3)));
    const headOthers = ((head + ABOVE_NINE) | head) & TOP_BITS;
    if (headOthers != 0) {
      const lowest = headOthers >> 7;
      head ^= lowest * POINT;
      if (others != 0 || ((headOthers & (headOthers - 1)) | (head & ((headOthers << 1) - lowest))) != 0) return 0;
      const before = head & (lowest - 1);
      head += (before << 8) - before;
      fraction = 23 - <u32>(ctz(headOthers) >> 3);
    } else if (others == 0 && size == 20) return 0;
    value += <u64>eightDigits(head) * headScale;
  }
  if (value <= EXACT_SINGLE && fraction <= <u32>MAX_SINGLE_POWER) {
    const single = <f32>(<u32>value) / <f32>powerOfTen(<i32>fraction);
    store<f32>(at, sign ? -single : single);
    return STORED;
  }
  return storeMantissa(value, -(<i32>fraction), sign, at);
}
