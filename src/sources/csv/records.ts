/**
 * The grammar of records, as an exact and plain automaton over bytes: the reference for the fast border finder, and the one that finds
 * positions of rejected records. It equals csv-parse with relax_quotes, skip_empty_lines and comment_no_infix.
 *
 * - A quote opens only at the start of a field. Inside, the escape takes the next byte as it is (a doubled quote is one quote).
 * - After the closing quote the rest of the field is unquoted text. Quotes within unquoted text are letters.
 * - Blank lines are no records, also in a file of one column (as in pandas and pyarrow; their writers quote an empty single cell).
 * - A line whose first bytes are the comment mark is no record.
 */
import type { CsvDialect } from "../../core/source.ts";
import { codecOf } from "./encoding.ts";

export const LF = 10;
export const CR = 13;

/** A dialect in the bytes that chunks hold. */
export interface Tokens {
  delimiter: Uint8Array;
  quote: Uint8Array | null;
  /** Null without quotes. */
  escape: Uint8Array | null;
  escapeIsQuote: boolean;
  comment: Uint8Array | null;
  newline: typeof LF | typeof CR;
}

export function tokensOf(
  dialect: Pick<CsvDialect, "delimiter" | "quote" | "escape" | "comment" | "encoding" | "recordDelimiter">,
): Tokens {
  const { encode } = codecOf(dialect.encoding);
  const quoted = dialect.quote !== null;
  return {
    delimiter: encode(dialect.delimiter),
    quote: quoted ? encode(dialect.quote!) : null,
    escape: quoted ? encode(dialect.escape) : null,
    escapeIsQuote: dialect.escape === dialect.quote,
    comment: dialect.comment === null ? null : encode(dialect.comment),
    newline: dialect.recordDelimiter === "\r" ? CR : LF,
  };
}

export type ScanKind = "record" | "blank" | "comment" | "incomplete";

export interface RecordScan {
  kind: ScanKind;
  /** Just after the record's newline (or the end of the bytes). */
  next: number;
  /** End of the record without its newline. */
  contentEnd: number;
  /** Where the quote stands that is still open at the end of the bytes, -1 if none. */
  openQuote: number;
}

/**
 * Scan one line or record that begins at `start`.
 * @param isLast nothing follows `end`: what is left there without a newline is a record too, unless a quote is open
 */
export function scanRecord(bytes: Uint8Array, start: number, end: number, tokens: Tokens, isLast: boolean): RecordScan {
  const { delimiter, comment, newline } = tokens;
  if (comment !== null && matches(comment, bytes, start, end))
    return lineEnd(bytes, start, start, end, newline, isLast, "comment");
  const first = bytes[start];
  if (start < end && (first === newline || (newline === LF && first === CR && start + 1 < end && bytes[start + 1] === LF))) {
    return { kind: "blank", next: start + (first === newline ? 1 : 2), contentEnd: start, openQuote: -1 };
  }
  let i = start;
  for (;;) {
    if (tokens.quote !== null && matches(tokens.quote, bytes, i, end)) {
      const close = closingQuote(bytes, i + tokens.quote.length, end, tokens);
      if (close < 0) return { kind: "incomplete", next: end, contentEnd: end, openQuote: i };
      const emptyFirst = i === start && close === i + 2 * tokens.quote.length;
      i = close;
      // csv-parse takes a comment mark behind an empty quoted first field for a comment up to the end of the line.
      if (emptyFirst && comment !== null && matches(comment, bytes, i, end)) {
        return lineEnd(bytes, start, i, end, newline, isLast, "record");
      }
    }
    for (; i < end; i++) {
      const c = bytes[i];
      if (c === newline) return lineEnd(bytes, start, i, end, newline, isLast, "record");
      if (c === delimiter[0] && matches(delimiter, bytes, i, end)) break;
    }
    if (i >= end) return lineEnd(bytes, start, end, end, newline, isLast, "record");
    i += delimiter.length;
  }
}

/** Index just after the closing quote, -1 if it is not there. */
function closingQuote(bytes: Uint8Array, from: number, end: number, tokens: Tokens): number {
  const quote = tokens.quote!;
  const mark = tokens.escape;
  let i = from;
  while (i < end) {
    if (!tokens.escapeIsQuote && mark !== null && matches(mark, bytes, i, end) && i + mark.length < end) {
      i += mark.length + 1;
    } else if (matches(quote, bytes, i, end)) {
      i += quote.length;
      if (!tokens.escapeIsQuote || !matches(quote, bytes, i, end)) return i;
      i += quote.length;
    } else i++;
  }
  return -1;
}

function lineEnd(
  bytes: Uint8Array,
  start: number,
  from: number,
  end: number,
  newline: number,
  isLast: boolean,
  kind: "record" | "comment",
): RecordScan {
  let i = from;
  while (i < end && bytes[i] !== newline) i++;
  if (i < end) {
    const contentEnd = newline === LF && i > start && bytes[i - 1] === CR ? i - 1 : i;
    return { kind, next: i + 1, contentEnd, openQuote: -1 };
  }
  if (!isLast || end === start) return { kind: "incomplete", next: end, contentEnd: end, openQuote: -1 };
  return { kind, next: end, contentEnd: end, openQuote: -1 };
}

function matches(token: Uint8Array, bytes: Uint8Array, at: number, end: number): boolean {
  if (bytes[at] !== token[0] || at + token.length > end) return false;
  for (let i = 1; i < token.length; i++) if (bytes[at + i] !== token[i]) return false;
  return true;
}

/** Line feeds (carriage returns in files of old Macs) in bytes[start, end). */
export function countLines(bytes: Uint8Array, start: number, end: number, newline: number): number {
  let lines = 0;
  for (let i = start; i < end; i++) if (bytes[i] === newline) lines++;
  return lines;
}

export interface RecordPlace {
  start: number;
  contentEnd: number;
  /** Lines before the record within the bytes. */
  line: number;
}

/** Places of the records with the given numbers (ascending, 0-based) within bytes that hold whole records. */
export function placeRecords(bytes: Uint8Array, tokens: Tokens, rows: readonly number[]): RecordPlace[] {
  const places: RecordPlace[] = [];
  let row = 0;
  let line = 0;
  let start = 0;
  for (let i = 0; i < rows.length && start < bytes.length; ) {
    const scan = scanRecord(bytes, start, bytes.length, tokens, true);
    if (scan.kind === "record" || scan.kind === "incomplete") {
      if (row === rows[i]) {
        places.push({ start, contentEnd: scan.contentEnd, line });
        i++;
      }
      row++;
    }
    line += countLines(bytes, start, scan.next, tokens.newline);
    start = scan.next;
  }
  return places;
}
