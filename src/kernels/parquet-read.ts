/**
 * AssemblyScript, compiled to WebAssembly: the inner loops of reading Parquet pages. Memory is laid out by the caller. Every function trusts its
 * addresses and none of the bytes behind them: what does not fit is answered with -1.
 * Source: parquet-format, Encodings.md (RLE / bit-packing hybrid, dictionary, delta); google/snappy, format_description.txt.
 */

/** Where `varint` stopped; 0: it ran out of bytes. */
let next: usize = 0;

function varint(at: usize, end: usize): u64 {
  let value: u64 = 0;
  for (let shift: u64 = 0; shift < 64 && at < end; shift += 7) {
    const byte = load<u8>(at++);
    value |= <u64>(byte & 127) << shift;
    if (byte < 128) {
      next = at;
      return value;
    }
  }
  next = 0;
  return 0;
}

/** @param to room for `size` + 16 bytes @returns size, or -1 where the block does not hold that much */
export function snappy(from: usize, end: usize, to: usize, size: i32): i32 {
  if (varint(from, end) != <u64>size || next == 0) return -1;
  let at = next;
  let out = to;
  const outEnd = to + <usize>size;
  while (at < end) {
    const tag = <u32>load<u8>(at++);
    let length: usize;
    let back: usize;
    if ((tag & 3) == 0) {
      length = <usize>(tag >> 2);
      if (length >= 60) {
        const bytes = length - 59;
        if (at + bytes > end) return -1;
        length = 0;
        for (let i: usize = 0; i < bytes; i++) length |= <usize>load<u8>(at + i) << (i << 3);
        at += bytes;
        // 2^32 bytes and more come out as 0 here.
        if (length == 0xffffffff) return -1;
      }
      length++;
      if (length > end - at || length > outEnd - out) return -1;
      memory.copy(out, at, length);
      at += length;
      out += length;
      continue;
    }
    if ((tag & 3) == 1) {
      if (at >= end) return -1;
      length = <usize>(((tag >> 2) & 7) + 4);
      back = <usize>((tag >> 5) << 8) | <usize>load<u8>(at++);
    } else if ((tag & 3) == 2) {
      if (at + 2 > end) return -1;
      length = <usize>((tag >> 2) + 1);
      back = <usize>load<u16>(at);
      at += 2;
    } else {
      if (at + 4 > end) return -1;
      length = <usize>((tag >> 2) + 1);
      back = <usize>load<u32>(at);
      at += 4;
    }
    if (back == 0 || back > out - to || length > outEnd - out) return -1;
    if (back >= 8) {
      // May write up to 7 bytes too many, into what comes next or the room behind.
      for (let i: usize = 0; i < length; i += 8) store<u64>(out + i, load<u64>(out + i - back));
    } else {
      for (let i: usize = 0; i < length; i++) store<u8>(out + i, load<u8>(out + i - back));
    }
    out += length;
  }
  return out == outEnd ? size : -1;
}

/**
 * Definition levels of a column that is not nested: 1 where there is a value.
 * @param bits room for `count` bits and 8 bytes more
 * @returns how many values there are, or -1
 */
export function validity(from: usize, end: usize, count: i32, bits: usize): i32 {
  let row = 0;
  let ones = 0;
  while (row < count) {
    const head = varint(from, end);
    if (next == 0) return -1;
    from = next;
    const groups = head >> 1;
    if ((head & 1) == 0) {
      if (from >= end || groups == 0) return -1;
      const value = load<u8>(from++);
      if (value > 1) return -1;
      const run = <i32>min<u64>(groups, <u64>(count - row));
      if (value == 1) ones += run;
      for (let i = 0; i < run; ) {
        const bit = row + i;
        if ((bit & 7) == 0 && run - i >= 8) {
          memory.fill(bits + <usize>(bit >> 3), value == 1 ? 255 : 0, <usize>((run - i) >> 3));
          i += (run - i) & ~7;
        } else {
          setBit(bits, bit, value);
          i++;
        }
      }
      row += run;
    } else {
      const run = <i32>min<u64>(groups << 3, <u64>(count - row));
      const bytes = <usize>((run + 7) >> 3);
      if (groups == 0 || groups > 0xffffffff || bytes > end - from) return -1;
      for (let i = 0; i < run; i++) {
        const value = (load<u8>(from + <usize>(i >> 3)) >> <u8>(i & 7)) & 1;
        setBit(bits, row + i, value);
        ones += value;
      }
      row += run;
      from += min<usize>(<usize>groups, end - from);
    }
  }
  return ones;
}

// @ts-ignore: decorator
@inline
function setBit(bits: usize, at: i32, value: u8): void {
  const place = bits + <usize>(at >> 3);
  store<u8>(place, (load<u8>(place) & ~(<u8>1 << <u8>(at & 7))) | (value << <u8>(at & 7)));
}

/**
 * Values [skip, skip + count) of a page of places in a dictionary; the first byte is the width of a place in bits.
 * @param width of a value, 4 or 8 bytes @param dictionary of `entries` values
 * @returns count, or -1
 */
export function dictionaryValues(
  from: usize,
  end: usize,
  skip: i32,
  count: i32,
  width: i32,
  dictionary: usize,
  entries: i32,
  to: usize,
): i32 {
  if (from >= end) return count == 0 ? 0 : -1;
  const bits = <u32>load<u8>(from++);
  if (bits > 32) return -1;
  const wide = width == 8;
  const mask: u64 = (<u64>1 << bits) - 1;
  const placeBytes = <usize>((bits + 7) >> 3);
  const last = <u64>skip + <u64>count;
  let row: u64 = 0;
  while (row < last) {
    const head = varint(from, end);
    if (next == 0) return -1;
    from = next;
    const isPacked = (head & 1) == 1;
    const length: u64 = isPacked ? (head >> 1) << 3 : head >> 1;
    if (length == 0 || length > 0xffffffff) return -1;
    const first = max<u64>(row, <u64>skip);
    const stop = min<u64>(row + length, last);
    if (!isPacked) {
      if (placeBytes > end - from) return -1;
      let place: u32 = 0;
      for (let i: usize = 0; i < placeBytes; i++) place |= <u32>load<u8>(from + i) << (<u32>i << 3);
      from += placeBytes;
      if (first < stop) {
        if (place >= <u32>entries) return -1;
        const value: u64 = wide ? load<u64>(dictionary + (<usize>place << 3)) : <u64>load<u32>(dictionary + (<usize>place << 2));
        for (let at = first; at < stop; at++) put(to, <usize>(at - <u64>skip), value, wide);
      }
    } else {
      // The last group may be cut off behind the last value.
      if (first < stop) {
        if (((stop - row) * bits + 7) >> 3 > <u64>(end - from)) return -1;
        const bad = wide
          ? unpack<u64>(from, end, bits, mask, <u32>(first - row), <u32>(stop - row), dictionary, <u32>entries, to + (<usize>(first - <u64>skip) << 3))
          : unpack<u32>(from, end, bits, mask, <u32>(first - row), <u32>(stop - row), dictionary, <u32>entries, to + (<usize>(first - <u64>skip) << 2));
        if (bad) return -1;
      }
      from += <usize>min<u64>((length >> 3) * bits, <u64>(end - from));
    }
    row += length;
  }
  return count;
}

// @ts-ignore: decorator
@inline
function put(to: usize, at: usize, value: u64, wide: bool): void {
  if (wide) store<u64>(to + (at << 3), value);
  else store<u32>(to + (at << 2), <u32>value);
}

/** Reads up to 8 bytes behind `end`, which the caller's memory has. @returns whether a place lies outside of the dictionary */
function unpack<T>(
  from: usize,
  end: usize,
  bits: u32,
  mask: u64,
  first: u32,
  stop: u32,
  dictionary: usize,
  entries: u32,
  to: usize,
): bool {
  let bit = <u64>first * bits;
  let highest: u32 = 0;
  for (let i = first; i < stop; i++, bit += bits, to += <usize>sizeof<T>()) {
    const place = <u32>((load<u64>(from + <usize>(bit >> 3)) >> (bit & 7)) & mask);
    highest = max(highest, place);
    // Places beyond the dictionary read its first entry, and are told at the end.
    const known: u32 = place < entries ? place : 0;
    store<T>(to, load<T>(dictionary + <usize>known * <usize>sizeof<T>()));
  }
  return highest >= entries;
}

/**
 * A page of DELTA_BINARY_PACKED that holds exactly `count` values.
 * @param width of a value, 4 or 8 bytes; differences wrap at it
 * @returns count, or -1
 */
export function deltaValues(from: usize, end: usize, count: i32, width: i32, to: usize): i32 {
  const wide = width == 8;
  const block = varint(from, end);
  if (next == 0) return -1;
  const miniblocks = varint(next, end);
  if (next == 0) return -1;
  const total = varint(next, end);
  if (next == 0) return -1;
  let value = zigzag(next, end);
  if (next == 0) return -1;
  let at = next;
  if (total != <u64>count || miniblocks == 0 || miniblocks > 512 || block == 0 || block > 65_536) return -1;
  if (block % 128 != 0 || block % miniblocks != 0) return -1;
  const size = <i32>(block / miniblocks);
  if (size % 32 != 0) return -1;
  if (count == 0) return 0;
  put(to, 0, value, wide);
  let row = 1;
  while (row < count) {
    const low = zigzag(at, end);
    if (next == 0) return -1;
    const widths = next;
    at = widths + <usize>miniblocks;
    if (at > end) return -1;
    for (let k: usize = 0; k < <usize>miniblocks && row < count; k++) {
      const bits = <u64>load<u8>(widths + k);
      if (bits > 64) return -1;
      const here = min(size, count - row);
      if ((<u64>here * bits + 7) >> 3 > <u64>(end - at)) return -1;
      const mask: u64 = bits == 64 ? u64.MAX_VALUE : (<u64>1 << bits) - 1;
      let bit: u64 = 0;
      for (let i = 0; i < here; i++, bit += bits) {
        const place = at + <usize>(bit >> 3);
        const shift = bit & 7;
        let above = load<u64>(place) >> shift;
        if (shift + bits > 64) above |= <u64>load<u8>(place + 8) << (64 - shift);
        value += low + (above & mask);
        put(to, <usize>(row + i), value, wide);
      }
      row += here;
      at += <usize>min<u64>((<u64>size * bits) >> 3, <u64>(end - at));
    }
  }
  return count;
}

function zigzag(at: usize, end: usize): u64 {
  const value = varint(at, end);
  return (value >> 1) ^ (0 - (value & 1));
}

/**
 * Rows [first, last) of a page with missing values: its values one behind the other, and which rows have one.
 * @param to values of the first row on; 0 under a missing one @param into bitmap, whose bits from `at` on are 1 before
 * @returns how many are missing
 */
export function spread(values: usize, bits: usize, first: i32, last: i32, width: i32, to: usize, into: usize, at: i32): i32 {
  const wide = width == 8;
  let taken: usize = 0;
  let missing = 0;
  for (let row = 0; row < last; row++) {
    const there = (load<u8>(bits + <usize>(row >> 3)) >> <u8>(row & 7)) & 1;
    if (row >= first) {
      const out = <usize>(row - first);
      if (there) put(to, out, wide ? load<u64>(values + (taken << 3)) : <u64>load<u32>(values + (taken << 2)), wide);
      else {
        put(to, out, 0, wide);
        setBit(into, at + row - first, 0);
        missing++;
      }
    }
    taken += there;
  }
  return missing;
}
