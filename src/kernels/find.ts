/** Where cells end: bytes are compared 16 at a time, so nothing here reads more than 63 bytes beyond the caller's sentinel. */

/** What `skipColumns` came upon instead of the end of its columns. */
export const SKIPPED_TO_END: u32 = 1;
export const SKIP_FAILED: u32 = 2;

/** Results of skipColumns: newlines passed within quotes, and how it ended (0: at the cell after the last column skipped). */
export let skippedLines: u32 = 0;
export let skipEnded: u32 = 0;

/** Bit i: byte i of the 64 at `p` is one of the wanted. */
// @ts-ignore: decorator
@inline
export function equal64(p: usize, wanted: v128): u64 {
  return (
    (<u64>(<u32>i8x16.bitmask(i8x16.eq(v128.load(p), wanted)) | (<u32>i8x16.bitmask(i8x16.eq(v128.load(p, 16), wanted)) << 16))) |
    ((<u64>(
      (<u32>i8x16.bitmask(i8x16.eq(v128.load(p, 32), wanted)) | (<u32>i8x16.bitmask(i8x16.eq(v128.load(p, 48), wanted)) << 16))
    )) <<
      32)
  );
}

// @ts-ignore: decorator
@inline
function either16(bytes: v128, one: v128, other: v128): u32 {
  return <u32>i8x16.bitmask(v128.or(i8x16.eq(bytes, one), i8x16.eq(bytes, other)));
}

/** First byte from `p` on that is one of two, of which a sentinel stands somewhere. */
// @ts-ignore: decorator
@inline
export function findEither(p: usize, one: v128, other: v128): usize {
  let found = either16(v128.load(p), one, other);
  while (found == 0) {
    p += 16;
    found = either16(v128.load(p), one, other);
  }
  return p + <usize>ctz(found);
}

/** All bits from `bit` (0..63) on. */
// @ts-ignore: decorator
@inline
export function from(bit: u64): u64 {
  return <u64>-1 << bit;
}

/**
 * Passes `wanted` delimiters that stand outside of quotes; with `toEnd`, then on to the newline that ends the record.
 * Sets skipEnded: 0 at the byte behind the last delimiter; SKIPPED_TO_END at the newline; SKIP_FAILED where the record is not plain
 * (too few or many columns, text behind a closing quote, a quote that stays open).
 * @param start first byte of a cell; `end` holds the sentinel
 * @param quote outside of 0..255: none
 */
export function skipColumns(
  start: usize,
  end: usize,
  wanted: u32,
  toEnd: bool,
  delimiter: u32,
  quote: u32,
  newline: u32,
  crlf: bool,
): usize {
  const delimiters16 = i8x16.splat(<i8>delimiter);
  const newlines16 = i8x16.splat(<i8>newline);
  const quotes16 = i8x16.splat(<i8>quote);
  const quoted = quote < 256;
  let need = wanted;
  let p = start;
  skippedLines = 0;
  skipEnded = SKIP_FAILED;
  // The sentinel ends every record that its quotes do not.
  while (p <= end) {
    let delimiters = equal64(p, delimiters16);
    let newlines = equal64(p, newlines16);
    let quotes = quoted ? equal64(p, quotes16) : 0;
    for (;;) {
      const stops = newlines | quotes;
      const passed = <u32>popcnt(delimiters & (stops - 1) & ~stops);
      if (passed >= need && (!toEnd || passed > need)) {
        if (toEnd) return 0;
        for (let k = need; k > 1; k--) delimiters &= delimiters - 1;
        skipEnded = 0;
        return p + <usize>ctz(delimiters) + 1;
      }
      need -= passed;
      if (stops == 0) break;
      const stop = ctz(stops);
      const at = p + <usize>stop;
      delimiters &= from(stop);
      if ((newlines >> stop) & 1) {
        if (!toEnd || need != 0) return 0;
        skipEnded = SKIPPED_TO_END;
        return at;
      }
      quotes &= quotes - 1;
      if (at != start && <u32>load<u8>(at - 1) != delimiter) continue;
      // A quoted cell: to its closing quote, over doubled ones.
      let closing: usize = 0;
      for (;;) {
        while (quotes == 0) {
          skippedLines += <u32>popcnt(newlines);
          p += 64;
          if (p > end) return 0;
          delimiters = equal64(p, delimiters16);
          newlines = equal64(p, newlines16);
          quotes = equal64(p, quotes16);
        }
        const bit = ctz(quotes);
        closing = p + <usize>bit;
        if (closing >= end) return 0;
        skippedLines += <u32>popcnt(newlines & ~from(bit));
        newlines &= from(bit);
        quotes &= quotes - 1;
        if (<u32>load<u8>(closing + 1) != quote || closing + 1 >= end) break;
        if (quotes != 0) quotes &= quotes - 1;
        else {
          // The second of the pair is the first byte behind the window.
          p = closing + 2;
          delimiters = equal64(p, delimiters16);
          newlines = equal64(p, newlines16);
          quotes = equal64(p, quotes16);
        }
      }
      const c: u32 = load<u8>(closing + 1);
      const ends = c == delimiter || c == newline;
      if (!ends && !(c == 13 && crlf && <u32>load<u8>(closing + 2) == newline && closing + 2 < end)) return 0;
      delimiters &= from(<u64>(closing - p));
    }
    p += 64;
  }
  return 0;
}
