/**
 * AssemblyScript, compiled to WebAssembly: the inner loops of writing Parquet pages. Memory is laid out by the caller.
 * Source: parquet-format, Encodings.md, "Delta Encoding (DELTA_BINARY_PACKED = 5)", and parquet.thrift, Statistics and ColumnOrder.
 */

const BLOCK: i32 = 128;
const MINIBLOCKS: i32 = 4;
const MINIBLOCK: i32 = 32;

// @ts-ignore: decorator
@inline
function varint(value: u64, at: usize): usize {
  while (value > 127) {
    store<u8>(at++, <u8>(value & 127) | 128);
    value >>= 7;
  }
  store<u8>(at++, <u8>value);
  return at;
}

// @ts-ignore: decorator
@inline
function zigzag(value: i64, at: usize): usize {
  return varint(<u64>((value << 1) ^ (value >> 63)), at);
}

/** The deltas of the block at hand. */
const deltas = memory.data(8 * 128);

/**
 * @param from `count` > 0 values of `width` (4 or 8) bytes; 4-byte values are taken as signed, differences wrap at their width
 * @param to room for `count` * (`width` + 1) + 64 bytes
 * @returns bytes written
 */
export function encodeDelta(from: usize, count: i32, width: i32, to: usize): i32 {
  const wide = width == 8;
  let at = varint(BLOCK, to);
  at = varint(MINIBLOCKS, at);
  at = varint(count, at);
  let previous: i64 = wide ? load<i64>(from) : <i64>load<i32>(from);
  at = zigzag(previous, at);
  for (let row = 1; row < count; row += BLOCK) {
    const size = min(BLOCK, count - row);
    let low: i64 = i64.MAX_VALUE;
    for (let i = 0; i < size; i++) {
      const place = from + <usize>(row + i) * <usize>width;
      const value: i64 = wide ? load<i64>(place) : <i64>load<i32>(place);
      const delta: i64 = wide ? value - previous : <i64>(<i32>(value - previous));
      previous = value;
      store<i64>(deltas + (<usize>i << 3), delta);
      low = min(low, delta);
    }
    at = zigzag(low, at);
    const widths = at;
    at += MINIBLOCKS;
    for (let block = 0; block < MINIBLOCKS; block++) {
      const first = block * MINIBLOCK;
      const last = min(first + MINIBLOCK, size);
      let all: u64 = 0;
      for (let i = first; i < last; i++) {
        const place = deltas + (<usize>i << 3);
        const above: u64 = wide ? <u64>(load<i64>(place) - low) : <u64>(<u32>(load<i64>(place) - low));
        store<u64>(place, above);
        all |= above;
      }
      const bits: i32 = all == 0 ? 0 : 64 - <i32>clz(all);
      store<u8>(widths + <usize>block, <u8>bits);
      if (bits == 0) continue;
      // A miniblock is always whole: what lies behind the last value is zeros. The 8-byte stores below may reach behind it, where they
      // change nothing.
      memory.fill(at, 0, <usize>(bits * 4));
      let bit: u64 = 0;
      for (let i = first; i < last; i++, bit += bits) {
        const value = load<u64>(deltas + (<usize>i << 3));
        const place = at + <usize>(bit >> 3);
        const shift = bit & 7;
        store<u64>(place, load<u64>(place) | (value << shift));
        if (shift + bits > 64) store<u8>(place + 8, <u8>(value >> (64 - shift)));
      }
      at += <usize>(bits * 4);
    }
  }
  return <i32>(at - to);
}

/**
 * Smallest and largest value, written to `to` and `to` + 8 in the type of the values.
 * @param kind 0 int32, 1 uint32, 2 int64, 3 uint64, 4 float32, 5 float64
 * @returns 0 when there is none: NaN is nobody's smallest. Zeros of floats get the sign that leaves both in the range.
 */
export function range(from: usize, count: i32, kind: i32, to: usize): i32 {
  if (count == 0) return 0;
  if (kind == 0) return rangeOf<i32>(from, count, to);
  if (kind == 1) return rangeOf<u32>(from, count, to);
  if (kind == 2) return rangeOf<i64>(from, count, to);
  if (kind == 3) return rangeOf<u64>(from, count, to);
  return kind == 4 ? rangeOfFloats<f32>(from, count, to) : rangeOfFloats<f64>(from, count, to);
}

function rangeOf<T>(from: usize, count: i32, to: usize): i32 {
  let low = load<T>(from);
  let high = low;
  for (let i = 1; i < count; i++) {
    const value = load<T>(from + <usize>i * sizeof<T>());
    low = min(low, value);
    high = max(high, value);
  }
  store<T>(to, low);
  store<T>(to, high, 8);
  return 1;
}

function rangeOfFloats<T>(from: usize, count: i32, to: usize): i32 {
  let low: T = <T>Infinity;
  let high: T = <T>-Infinity;
  let numbers = 0;
  for (let i = 0; i < count; i++) {
    const value = load<T>(from + <usize>i * sizeof<T>());
    numbers += i32(value == value);
    low = value < low ? value : low;
    high = value > high ? value : high;
  }
  store<T>(to, low == <T>0 ? <T>-0.0 : low);
  store<T>(to, high == <T>0 ? <T>0 : high, 8);
  return i32(numbers > 0);
}

/**
 * Moves the values that are there to the front.
 * @param bits bit i: value i is there (Arrow's validity bitmap from bit 0 on)
 * @returns how many there are
 */
export function keepValid(values: usize, count: i32, width: i32, bits: usize): i32 {
  let kept = 0;
  for (let i = 0; i < count; i++) {
    if (((load<u8>(bits + <usize>(i >> 3)) >> <u8>(i & 7)) & 1) == 0) continue;
    if (width == 8) store<u64>(values + (<usize>kept << 3), load<u64>(values + (<usize>i << 3)));
    else store<u32>(values + (<usize>kept << 2), load<u32>(values + (<usize>i << 2)));
    kept++;
  }
  return kept;
}

/** First byte that the caller may lay out. */
export function heapBase(): usize {
  return __heap_base;
}

export { deltaValues, dictionaryValues, snappy, spread, validity } from "./parquet-read";
