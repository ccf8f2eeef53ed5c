/**
 * Four cells at a time whose ends are known: one walk notes where the cells of a run end, so that no cell waits for the one before it, and
 * their digits go through one vector computation. What is not a short number is only named, for its own way.
 */

/** Of one call. */
export const MOST_ENDS: u32 = 64;
/** Bytes of four cells that can be read together: a sign, eight bytes and the delimiter each. */
export const LONGEST_FOUR: u32 = 40;
/** Ends of a window that are noted without a look at their count: it varies, and a wrong guess costs more. */
const FEW: u32 = 4;
const MANY: u32 = 12;
/** u32: the byte before the first cell, then ends; a window more than asked for may be noted, and the rest of MANY. */
export const ENDS: usize = memory.data((4 + 64 + 64 + 16) * 4, 16) + 16;

const MINUS: u32 = 45;
const POINT: i8 = 46 ^ 48;

/**
 * At the bits of a byte that stand for points among eight bytes: 10^(digits behind the point); NaN where there are two.
 */
const SCALES: usize = memory.data(256 * 4, 16);

function fillScales(): void {
  for (let bits: u32 = 0; bits < 256; bits++) {
    let scale: f32 = popcnt(bits) > 1 ? NaN : 1;
    if (popcnt(bits) == 1) for (let k = ctz(bits); k < 7; k++) scale *= 10;
    store<f32>(SCALES + (<usize>bits << 2), scale);
  }
}
fillScales();

/**
 * Notes the ends of up to `wanted` cells (at most MOST_ENDS) from `start` on in ENDS; a newline ends the last one.
 * @returns number of cells noted; fewer than wanted: the record has no more
 */
// @ts-ignore: decorator
@inline
export function noteEnds(start: usize, wanted: u32, delimiters: v128, newlines: v128): u32 {
  store<u32>(ENDS - 4, <u32>start - 1);
  let count: u32 = 0;
  let window = start;
  for (;;) {
    const a = v128.load(window);
    const b = v128.load(window, 16);
    const c = v128.load(window, 32);
    const d = v128.load(window, 48);
    const na = i8x16.eq(a, newlines);
    const nb = i8x16.eq(b, newlines);
    const nc = i8x16.eq(c, newlines);
    const nd = i8x16.eq(d, newlines);
    let ends = join64(
      v128.or(i8x16.eq(a, delimiters), na),
      v128.or(i8x16.eq(b, delimiters), nb),
      v128.or(i8x16.eq(c, delimiters), nc),
      v128.or(i8x16.eq(d, delimiters), nd),
    );
    let last: u64 = 0;
    if (v128.any_true(v128.or(v128.or(na, nb), v128.or(nc, nd)))) {
      last = join64(na, nb, nc, nd);
      // Up to the first newline.
      ends &= last ^ (last - 1);
    }
    let slot = ENDS + (<usize>count << 2);
    const found = <u32>popcnt(ends);
    count += found;
    const base = <u32>window;
    for (let k: u32 = 0; k < FEW; k++) {
      store<u32>(slot, base + <u32>ctz(ends));
      ends &= ends - 1;
      slot += 4;
    }
    if (found > FEW) {
      for (let k: u32 = FEW; k < MANY; k++) {
        store<u32>(slot, base + <u32>ctz(ends));
        ends &= ends - 1;
        slot += 4;
      }
    }
    while (ends != 0) {
      store<u32>(slot, base + <u32>ctz(ends));
      ends &= ends - 1;
      slot += 4;
    }
    if (last != 0 || count >= wanted) break;
    window += 64;
  }
  return count;
}

// @ts-ignore: decorator
@inline
function join64(a: v128, b: v128, c: v128, d: v128): u64 {
  return (
    <u64>(<u32>i8x16.bitmask(a) | (<u32>i8x16.bitmask(b) << 16)) |
    (<u64>(<u32>i8x16.bitmask(c) | (<u32>i8x16.bitmask(d) << 16)) << 32)
  );
}

/** Digits and points of two cells, the point taken out and the digits before it moved over it. */
// @ts-ignore: decorator
@inline
function closed(digits: v128, points: v128): v128 {
  const lowest = v128.and(points, i8x16.splat(1));
  // All bits before the point; none where there is no point.
  const before = i64x2.sub(i64x2.sub(lowest, i64x2.splat(1)), i64x2.eq(lowest, i64x2.splat(0)));
  const moved = v128.and(digits, before);
  return v128.or(v128.xor(digits, moved), i64x2.shl(moved, 8));
}

/** Of two cells of eight digits: four values below 10^4. */
// @ts-ignore: decorator
@inline
function fours(digits: v128): v128 {
  const pairs = i16x8.shr_u(i16x8.mul(digits, i16x8.splat(0x0a01)), 8);
  return i32x4.dot_i16x8_s(pairs, i16x8(100, 1, 100, 1, 100, 1, 100, 1));
}

/**
 * Four cells, the first of which ends at the address in `slot`, as shortFloat32, to four neighbouring elements.
 * @returns bit k: cell k is not of this form, and what was written means nothing
 */
// @ts-ignore: decorator
@inline
export function fourFloat32(slot: usize, at: usize): u32 {
  const before0 = <usize>load<u32>(slot - 4);
  const end0 = <usize>load<u32>(slot);
  const end1 = <usize>load<u32>(slot, 4);
  const end2 = <usize>load<u32>(slot, 8);
  const end3 = <usize>load<u32>(slot, 12);
  let heads = v128.load8_lane(before0, i32x4.splat(0), 0, 1);
  heads = v128.load8_lane(end0, heads, 4, 1);
  heads = v128.load8_lane(end1, heads, 8, 1);
  heads = v128.load8_lane(end2, heads, 12, 1);
  const minus = i32x4.eq(heads, i32x4.splat(MINUS));
  // Bytes behind the sign, and the one that ends the cell.
  const lengths = i32x4.add(i32x4.sub(v128.load(slot), v128.load(slot - 4)), minus);

  const lengths01 = v128.shuffle<i8>(lengths, lengths, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4);
  const lengths23 = v128.shuffle<i8>(lengths, lengths, 8, 8, 8, 8, 8, 8, 8, 8, 12, 12, 12, 12, 12, 12, 12, 12);
  const places = i8x16(8, 7, 6, 5, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1);
  const in01 = i8x16.gt_s(lengths01, places);
  const in23 = i8x16.gt_s(lengths23, places);
  const zeros = i8x16.splat(48);
  const bytes01 = v128.and(v128.xor(v128.load64_lane(end1 - 8, v128.load64_zero(end0 - 8), 1), zeros), in01);
  const bytes23 = v128.and(v128.xor(v128.load64_lane(end3 - 8, v128.load64_zero(end2 - 8), 1), zeros), in23);
  const points01 = i8x16.eq(bytes01, i8x16.splat(POINT));
  const points23 = i8x16.eq(bytes23, i8x16.splat(POINT));
  const digits01 = v128.andnot(bytes01, points01);
  const digits23 = v128.andnot(bytes23, points23);

  const values = i32x4.dot_i16x8_s(
    i16x8.narrow_i32x4_s(fours(closed(digits01, points01)), fours(closed(digits23, points23))),
    i16x8(10000, 1, 10000, 1, 10000, 1, 10000, 1),
  );
  const bits01 = <u32>i8x16.bitmask(points01);
  const bits23 = <u32>i8x16.bitmask(points23);
  let scales = v128.load32_zero(SCALES + (<usize>(bits01 & 255) << 2));
  scales = v128.load32_lane(SCALES + (<usize>(bits01 >> 8) << 2), scales, 1);
  scales = v128.load32_lane(SCALES + (<usize>(bits23 & 255) << 2), scales, 2);
  scales = v128.load32_lane(SCALES + (<usize>(bits23 >> 8) << 2), scales, 3);
  v128.store(at, v128.xor(f32x4.div(f32x4.convert_i32x4_s(values), scales), i32x4.shl(minus, 31)));

  const others01 = i8x16.sub_sat_u(digits01, i8x16.splat(9));
  const others23 = i8x16.sub_sat_u(digits23, i8x16.splat(9));
  // A cell of a point alone has no digit.
  const none01 = i64x2.eq(in01, points01);
  const none23 = i64x2.eq(in23, points23);
  const bad01 = v128.or(others01, none01);
  const bad23 = v128.or(others23, none23);
  const bad = v128.or(
    v128.or(i32x4.gt_u(i32x4.sub(lengths, i32x4.splat(2)), i32x4.splat(7)), i32x4.gt_s(values, i32x4.splat(16777216))),
    f32x4.ne(scales, scales),
  );
  if (!v128.any_true(v128.or(v128.or(bad01, bad23), bad))) return 0;
  return (
    <u32>i32x4.bitmask(bad) |
    <u32>i64x2.bitmask(i64x2.ne(bad01, i64x2.splat(0))) |
    (<u32>i64x2.bitmask(i64x2.ne(bad23, i64x2.splat(0))) << 2)
  );
}
