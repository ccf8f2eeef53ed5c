/**
 * AssemblyScript, compiled to WebAssembly: passes over CSV bytes as the border finder does (sources/csv/borders.ts), 64 at a time. It finds
 * no border: it tells what is open where the caller wants to look for one.
 *
 * Reads up to 64 bytes beyond `to`, whatever stands there.
 */
import { equal64, from } from "./find";

/** States; the same numbers stand in sources/csv/borders.ts. */
const UNQUOTED: i32 = 0;
const QUOTED: i32 = 1;
const MAYBE_CLOSED: i32 = 2;

/** Results: address behind the last newline outside of quotes, and of the quote that opened last; 0: none was passed. */
export let behindNewline: usize = 0;
export let openedAt: usize = 0;

/**
 * @param state before `start`: UNQUOTED, QUOTED or MAYBE_CLOSED (the byte before is a quote that closes unless another follows)
 * @param fieldStart a quote at `start` would open a cell
 * @param quote its escape is itself
 * @returns the state behind `to`
 */
export function pass(start: usize, to: usize, state: i32, fieldStart: bool, delimiter: u32, quote: u32, newline: u32): i32 {
  const quotes16 = i8x16.splat(<i8>quote);
  const newlines16 = i8x16.splat(<i8>newline);
  behindNewline = 0;
  openedAt = 0;
  let quoted = state == QUOTED;
  let p = start;
  if (state == MAYBE_CLOSED && p < to && <u32>load<u8>(p) == quote) {
    quoted = true;
    p++;
  }
  let step: usize = 64;
  for (; p < to; p += step) {
    step = 64;
    const room = <u64>(to - p);
    const seen = room < 64 ? ~from(room) : <u64>-1;
    let quotes = equal64(p, quotes16) & seen;
    if (quotes == 0 && quoted) continue;
    const newlines = equal64(p, newlines16) & seen;
    let outside: u64 = quoted ? 0 : <u64>-1;
    while (quotes != 0) {
      const bit = ctz(quotes);
      const at = p + <usize>bit;
      quotes &= quotes - 1;
      if (quoted) {
        if (at + 1 == to) {
          noteNewlines(p, newlines & outside);
          return MAYBE_CLOSED;
        }
        if (<u32>load<u8>(at + 1) == quote) {
          if (bit < 63) quotes &= quotes - 1;
          else step = 65;
        } else {
          quoted = false;
          outside |= from(bit);
        }
      } else {
        const before: u32 = at == start ? (fieldStart ? delimiter : quote) : load<u8>(at - 1);
        if (before != delimiter && before != newline) continue;
        quoted = true;
        openedAt = at;
        outside &= ~from(bit);
      }
    }
    noteNewlines(p, newlines & outside);
  }
  return quoted ? QUOTED : UNQUOTED;
}

// @ts-ignore: decorator
@inline
function noteNewlines(p: usize, newlines: u64): void {
  if (newlines != 0) behindNewline = p + 64 - <usize>clz(newlines);
}

/** First byte that the caller may lay out. */
export function heapBase(): usize {
  return __heap_base;
}
