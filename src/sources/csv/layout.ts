/** Where the data of an input begins: behind the byte order mark and the header. */
import { BatchPredictError } from "../../core/errors.ts";
import type { CsvDialect, SourceFile } from "../../core/source.ts";
import type { CellSplitter } from "./csv-options.ts";
import { codecOf } from "./encoding.ts";
import type { InputHead } from "./head.ts";
import { limitError } from "./limits.ts";
import { countLines, type RecordScan, scanRecord, type Tokens } from "./records.ts";

export interface FirstRecord {
  cells: string[];
  start: number;
  /** Just after its newline. */
  next: number;
}

/** The first record; "more" when the head is too short to hold it; null when the input has none. */
export function firstRecord(
  head: InputHead,
  tokens: Tokens,
  dialect: CsvDialect,
  split: CellSplitter,
  file: SourceFile,
): FirstRecord | "more" | null {
  const { bytes, complete } = head;
  for (let start = head.textStart; start < bytes.length; ) {
    const scan = scanRecord(bytes, start, bytes.length, tokens, complete);
    if (scan.kind === "incomplete") {
      if (complete || bytes.length - start > dialect.maxRecordBytes) throw tooLong(scan, start, head, tokens, dialect, file);
      return "more";
    }
    if (scan.kind === "record") {
      if (scan.next - start > dialect.maxRecordBytes)
        throw tooLong({ ...scan, openQuote: -1 }, start, head, tokens, dialect, file);
      const [cells] = split(bytes.subarray(start, scan.next));
      const { finish } = codecOf(dialect.encoding);
      return { cells: finish === null ? cells! : cells!.map(finish), start, next: scan.next };
    }
    start = scan.next;
  }
  return complete ? null : "more";
}

function tooLong(
  scan: RecordScan,
  start: number,
  head: InputHead,
  tokens: Tokens,
  dialect: CsvDialect,
  file: SourceFile,
): BatchPredictError {
  const byte = scan.openQuote >= 0 ? scan.openQuote : start;
  const line = 1 + countLines(head.bytes, 0, byte, tokens.newline);
  const problem = { recordStart: start, openQuote: scan.openQuote, atEnd: head.complete && scan.kind === "incomplete" };
  return limitError(dialect, { file: file.path, line, byte }, problem);
}

/** Whole records of the bytes, without what is cut off at their end. */
export function wholeRecords(
  bytes: Buffer,
  start: number,
  complete: boolean,
  tokens: Tokens,
): { end: number; records: number; multiline: boolean } {
  let end = start;
  let records = 0;
  let multiline = false;
  while (end < bytes.length) {
    const scan = scanRecord(bytes, end, bytes.length, tokens, complete);
    if (scan.kind === "incomplete") break;
    if (scan.kind === "record") {
      records++;
      const newline = bytes.indexOf(tokens.newline, end);
      if (newline >= 0 && newline + 1 < scan.next) multiline = true;
    }
    end = scan.next;
  }
  return { end, records, multiline };
}

/** @throws BP_SOURCE_SCHEMA naming the first column that differs */
export function checkSameHeader(
  cells: readonly string[],
  first: readonly string[],
  file: SourceFile,
  firstFile: SourceFile,
): void {
  const differs = (at: number): boolean => cells[at] !== first[at];
  const at = Array.from({ length: Math.max(cells.length, first.length) }, (_, index) => index).find(differs);
  if (at === undefined) return;
  const name = (of: readonly string[]): string => (of[at] === undefined ? "no such column" : `"${of[at]}"`);
  throw new BatchPredictError(
    "BP_SOURCE_SCHEMA",
    `column ${at + 1} is ${name(cells)} here, but ${name(first)} in ${firstFile.path}`,
    {
      where: { file: file.path, line: 1, columnIndex: at + 1, ...(first[at] === undefined ? {} : { column: first[at] }) },
      expected: `the ${first.length} columns of the first file, in the same order`,
      actual: `${cells.length} columns`,
      hints: ["score files of different shape in runs of their own", "if the files have no header, pass --header false"],
    },
  );
}
