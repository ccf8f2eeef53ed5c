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

import {
  A_DEST,
  A_FLAGS,
  A_KIND,
  A_STRIDE,
  A_WIDTH,
  ACTION_BYTES,
  act,
  actEmpty,
  CHECK_NULLS,
  countInexact,
  EXCEPTION,
  FLOAT32,
  floatCell,
  KEEP_FLOAT64,
  KEEP_TEXT,
  rounded,
} from "./actions";
import { findEither, SKIP_FAILED, skipColumns, skipEnded, skippedLines } from "./find";
import { ENDS, fourFloat32, LONGEST_FOUR, MOST_ENDS, noteEnds } from "./four";
import { DOUBLED } from "./gather";

export { gather } from "./gather";

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
    if (crlf && head == CR && <u32>load<u8>(p + 1) == newline && p + 1 < end) {
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
    let most = MOST_ENDS;
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
      if (run > 0 && <u32>load<u8>(p) != quote) {
        let action = actions + <usize>load<u32>(entry) * ACTION_BYTES;
        let at = <usize>load<u32>(action, A_DEST) + <usize>row * <usize>load<u32>(action, A_STRIDE);
        const part = min<u32>(run, most);
        const stopColumn = column + part;
        const found = noteEnds(p, part, delimiters16, newlines16);
        const closes = stopColumn == count;
        // Cells that this way may read: those that a delimiter ends, and the record's last.
        let known = min<u32>(found, part);
        const stopper: u32 = load<u8>(<usize>load<u32>(ENDS + (<usize>(known - 1) << 2)));
        if ((stopper == newline) != (closes && known == part)) known--;
        let slot = ENDS;
        const behind = slot + (<usize>known << 2);
        const lastSlot = ENDS + (<usize>(part - 1) << 2);
        const recordEnd = <usize>load<u32>(lastSlot);
        const closed = closes && known == part;
        // A CR before the sentinel is the file's last byte and belongs to the cell.
        if (closed && crlf && recordEnd < end && <u32>load<u8>(recordEnd - 1) == CR && recordEnd - 1 > <usize>load<u32>(lastSlot - 4))
          store<u32>(lastSlot, <u32>(recordEnd - 1));
        let plain = true;
        while (slot < behind) {
          let bad: u32 = 1;
          let four: usize = 4;
          if (slot + 16 <= behind) {
            // Four that cannot all be short are not tried.
            bad = load<u32>(slot, 12) - load<u32>(slot - 4) > LONGEST_FOUR ? 15 : fourFloat32(slot, at);
            four = 16;
          }
          while (bad != 0) {
            const nth = <usize>ctz(bad);
            const cell = slot + (nth << 2);
            const cellStart = <usize>load<u32>(cell - 4) + 1;
            if (!floatCell(cellStart, <usize>load<u32>(cell), at + (nth << 2), action + nth * ACTION_BYTES, row)) {
              slot = cell;
              plain = false;
              break;
            }
            bad &= bad - 1;
          }
          if (!plain) break;
          slot += four;
          at += four;
          action += (four >> 2) * ACTION_BYTES;
        }
        column += <u32>((slot - ENDS) >> 2);
        // Where cells need the general way, more of them may: no long walk for each.
        if (!plain) most = 4;
        if (plain && closed) {
          p = recordEnd + 1;
          if (recordEnd < end) lineCount++;
          break;
        }
        p = <usize>load<u32>(slot - 4) + 1;
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
