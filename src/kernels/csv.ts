/**
 * AssemblyScript, compiled to WebAssembly: CSV bytes -> columns, in one pass over the input.
 *
 * It understands plain records only and says so otherwise: what it does not know it hands back (a cell as an exception, a record by
 * stopping at its first byte), so that the decoder on csv-parse, which is the reference, decides. Numbers are written only when they
 * are exactly what the text table gives.
 *
 * Memory is laid out by the caller. The byte at `end` must be a newline (sentinel), so loops need no bound of their own; up to 80 bytes from
 * `end` on and 24 before the input are read.
 *
 * Column table: per column four u32: index of its first action, number of actions, length of the run of plain float32 columns that
 * starts here and fills neighbouring elements (0: none), which is parsed in one tight loop, and number of columns without actions that
 * starts here, which are passed in one go.
 * Action, 64 bytes (byte offsets below): kind, destination, stride, flags, missing count, null count, bitmap, width, min, max,
 * inexact count.
 * Exception, 16 bytes: row, action, start, end (top bit of end: the cell holds doubled quotes).
 * Span (kept text), 8 bytes per row: start, end (top bit as above).
 */

import { longFloat32, shortFloat32 } from "./digits";
import { either64, findEither, SKIP_FAILED, skipColumns, skipEnded, skippedLines } from "./find";
import { DOUBLED } from "./gather";
import {
  isExact,
  mantissa,
  negative,
  STORED,
  STORED_LARGE,
  scaled,
  scanInteger,
  scanNumber,
  storeFloat32,
  wasRounded,
} from "./numbers";

export { gather } from "./gather";

/** Action kinds; the same numbers stand in sources/csv/kernel-layout.ts. */
const FLOAT32: u32 = 1;
const FLOAT64: u32 = 2;
const INTEGER: u32 = 3;
const BOOL: u32 = 4;
const KEEP_INT64: u32 = 5;
const KEEP_FLOAT64: u32 = 6;
const KEEP_TEXT: u32 = 7;
const EXCEPTION: u32 = 8;

/** Action flags. */
const EMPTY_IS_NAN: u32 = 1;
const EMPTY_IS_NULL: u32 = 2;
/** Text that may be one of the null values: shorter or equal to `width` bytes, the caller looks. */
const CHECK_NULLS: u32 = 4;

const A_KIND: usize = 0;
const A_DEST: usize = 4;
const A_STRIDE: usize = 8;
const A_FLAGS: usize = 12;
const A_MISSING: usize = 16;
const A_NULLS: usize = 20;
const A_BITMAP: usize = 24;
const A_WIDTH: usize = 28;
const A_MIN: usize = 32;
const A_MAX: usize = 40;
const A_INEXACT: usize = 48;
const ACTION_BYTES: usize = 64;
const COLUMN_BYTES: usize = 16;

/** Why parsing stopped. */
const DONE: i32 = 0;
const ODD_RECORD: i32 = 1;
const FULL: i32 = 2;

const CR: u32 = 13;

/** Results of a call, read by the caller. */
export let rows: u32 = 0;
export let lines: u32 = 0;
export let exceptions: u32 = 0;
/** Where it stopped: the first byte of the record it does not know. */
export let position: u32 = 0;

/** The float32 that `act` just wrote is a whole number rounded. */
let rounded: bool = false;

function countInexact(action: usize): void {
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
function act(action: usize, kind: u32, row: u32, start: usize): usize {
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
    const p = scanInteger(start, kind == KEEP_INT64);
    if (p == 0) return 0;
    const value = negative ? -(<i64>mantissa) : <i64>mantissa;
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
function actEmpty(action: usize, kind: u32, row: u32): bool {
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

/**
 * @param input first byte of a record
 * @param end after the last byte; holds a newline
 * @param columns column table; `actions` action table
 * @param count columns of every record
 * @param maxRows room of every destination
 * @param starts room for the address of each record, u32
 * @param exceptionsAt room for `maxExceptions`
 * @param quote -1: none; its escape is itself
 */
export function parse(
  input: usize,
  end: usize,
  columns: usize,
  actions: usize,
  count: u32,
  maxRows: u32,
  starts: usize,
  exceptionsAt: usize,
  maxExceptions: u32,
  delimiter: u32,
  quote: u32,
  newline: u32,
): i32 {
  let p = input;
  let row: u32 = 0;
  let lineCount: u32 = 0;
  let raised: u32 = 0;
  const crlf = newline == 10;
  const lastColumn = count - 1;
  const delimiters16 = i8x16.splat(<i8>delimiter);
  const newlines16 = i8x16.splat(<i8>newline);
  let stop: i32 = DONE;
  let record = p;
  /** Exceptions and lines before the record at hand: one that is handed back leaves none of its own. */
  let raisedBefore: u32 = 0;
  let linesBefore: u32 = 0;

  while (p < end) {
    record = p;
    const head: u32 = load<u8>(p);
    if (head == newline) {
      p++;
      lineCount++;
      continue;
    }
    if (crlf && head == CR && <u32>load<u8>(p + 1) == newline) {
      p += 2;
      lineCount++;
      continue;
    }
    if (row >= maxRows) {
      stop = FULL;
      break;
    }
    store<u32>(starts + ((<usize>row) << 2), <u32>record);
    raisedBefore = raised;
    linesBefore = lineCount;
    let column: u32 = 0;
    while (column < count) {
      let entry = columns + <usize>column * COLUMN_BYTES;
      const skip = load<u32>(entry, 12);
      if (skip > 0) {
        const toEnd = column + skip == count;
        const after = skipColumns(p, end, toEnd ? skip - 1 : skip, toEnd, delimiter, quote, newline, crlf);
        if (skipEnded == SKIP_FAILED) {
          stop = ODD_RECORD;
          break;
        }
        lineCount += skippedLines;
        column += skip;
        p = after;
        if (!toEnd) continue;
        if (p < end) lineCount++;
        p++;
        break;
      }
      const run = load<u32>(entry, 8);
      if (run > 0) {
        let action = actions + <usize>load<u32>(entry) * ACTION_BYTES;
        let at = <usize>load<u32>(action, A_DEST) + <usize>row * <usize>load<u32>(action, A_STRIDE);
        const stopColumn = column + run;
        let window = p;
        let ends = either64(window, delimiters16, newlines16);
        for (;;) {
          while (ends == 0) {
            window += 64;
            ends = either64(window, delimiters16, newlines16);
          }
          const cellStop = window + <usize>ctz(ends);
          const isLast = column == lastColumn;
          if ((<u32>load<u8>(cellStop) == newline) != isLast) break;
          // A CR before the sentinel is the file's last byte and belongs to the cell.
          const cellEnd = isLast && crlf && cellStop < end && cellStop > p && <u32>load<u8>(cellStop - 1) == CR ? cellStop - 1 : cellStop;
          if (!shortFloat32(p, cellEnd, at)) {
            if (cellEnd == p) {
              if (!actEmpty(action, FLOAT32, row)) break;
            } else if (longFloat32(p, cellEnd, at) != STORED) {
              // Whole numbers that may have to be counted go the general way, which knows their action.
              const after = scanNumber(p);
              if (after != cellEnd || storeFloat32(at) != STORED) break;
            }
          }
          p = cellStop + 1;
          column++;
          if (isLast) {
            if (cellStop < end) lineCount++;
            break;
          }
          if (column == stopColumn) break;
          ends &= ends - 1;
          at += 4;
          action += ACTION_BYTES;
        }
        if (column == count) break;
        if (column == stopColumn) continue;
        entry = columns + <usize>column * COLUMN_BYTES;
      }
      const actionCount = load<u32>(entry, 4);
      const first: u32 = load<u8>(p);
      let cellStart = p;
      let cellEnd: usize = 0;
      let doubled: u32 = 0;
      let done = false;

      if (first == quote) {
        cellStart = ++p;
        for (;;) {
          const c: u32 = load<u8>(p);
          if (c == quote) {
            if (<u32>load<u8>(p + 1) == quote && p + 1 < end) {
              doubled = DOUBLED;
              p += 2;
              continue;
            }
            break;
          }
          if (c == newline) {
            if (p >= end) {
              stop = ODD_RECORD;
              break;
            }
            lineCount++;
          }
          p++;
        }
        if (stop != DONE) break;
        cellEnd = p++;
      } else if (actionCount == 1) {
        const action = actions + <usize>load<u32>(entry) * ACTION_BYTES;
        const kind = load<u32>(action, A_KIND);
        if (kind <= KEEP_FLOAT64) {
          const after = act(action, kind, row, p);
          if (after != 0) {
            const c: u32 = load<u8>(after);
            if (c == delimiter || c == newline || (c == CR && crlf && <u32>load<u8>(after + 1) == newline)) {
              p = after;
              done = true;
              if (kind == FLOAT32 && rounded) countInexact(action);
            }
          }
        }
      }

      if (!done) {
        if (cellEnd == 0) {
          p = findEither(p, delimiters16, newlines16);
          cellEnd = crlf && <u32>load<u8>(p) == newline && p < end && p > cellStart && <u32>load<u8>(p - 1) == CR ? p - 1 : p;
          // The newline at `end` is ours; a CR before it is the file's last byte and belongs to the cell.
        }
        for (let a: u32 = 0; a < actionCount; a++) {
          const index = load<u32>(entry) + a;
          const action = actions + <usize>index * ACTION_BYTES;
          const kind = load<u32>(action, A_KIND);
          if (cellEnd == cellStart && actEmpty(action, kind, row)) continue;
          if (kind == KEEP_TEXT) {
            const at = <usize>load<u32>(action, A_DEST) + ((<usize>row) << 3);
            store<u32>(at, <u32>cellStart);
            store<u32>(at, <u32>cellEnd | doubled, 4);
            if (!(load<u32>(action, A_FLAGS) & CHECK_NULLS) || cellEnd - cellStart > <usize>load<u32>(action, A_WIDTH)) continue;
          } else if (kind != EXCEPTION && doubled == 0 && act(action, kind, row, cellStart) == cellEnd) {
            if (kind == FLOAT32 && rounded) countInexact(action);
            continue;
          }
          if (raised == maxExceptions) {
            stop = FULL;
            break;
          }
          const slot = exceptionsAt + ((<usize>raised) << 4);
          store<u32>(slot, row);
          store<u32>(slot, index, 4);
          store<u32>(slot, <u32>cellStart, 8);
          store<u32>(slot, <u32>cellEnd | doubled, 12);
          raised++;
        }
        if (stop != DONE) break;
      }

      const c: u32 = load<u8>(p);
      if (column < lastColumn) {
        if (c != delimiter || p >= end) {
          stop = ODD_RECORD;
          break;
        }
        p++;
      } else if (c == newline) {
        if (p < end) lineCount++;
        p++;
      } else if (c == CR && crlf && <u32>load<u8>(p + 1) == newline && p + 1 < end) {
        lineCount++;
        p += 2;
      } else {
        stop = ODD_RECORD;
        break;
      }
      column++;
    }
    if (stop != DONE) break;
    row++;
  }
  rows = row;
  lines = stop == ODD_RECORD ? linesBefore : lineCount;
  exceptions = stop == ODD_RECORD ? raisedBefore : raised;
  position = <u32>(stop == DONE ? end : record);
  return stop;
}

/** First byte that the caller may lay out. */
export function heapBase(): usize {
  return __heap_base;
}
