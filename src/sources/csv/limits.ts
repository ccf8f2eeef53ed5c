/** The error of a record that never ends, with its line counted only now. */
import { BatchPredictError, type ErrorPlace } from "../../core/errors.ts";
import type { CsvDialect, SourceFile } from "../../core/source.ts";
import { asBuffer } from "./encoding.ts";
import type { Bytes } from "./input.ts";

export interface TooLong {
  /** Absolute bytes in the decoded stream; openQuote is -1 when no quote is open. */
  recordStart: number;
  openQuote: number;
  atEnd: boolean;
}

export function limitError(dialect: CsvDialect, where: ErrorPlace, problem: TooLong): BatchPredictError {
  const hints: string[] = [];
  if (problem.openQuote >= 0)
    hints.push(`close the quote in the file, or pass --quote none if ${dialect.quote} is an ordinary letter in it`);
  if (!problem.atEnd) hints.push("raise csv.maxRecordBytes in the job file if records are that long");
  const message = problem.atEnd
    ? "a quoted field is never closed"
    : problem.openQuote >= 0
      ? `a record is longer than ${dialect.maxRecordBytes} bytes, because a quoted field in it is not closed`
      : `a record is longer than ${dialect.maxRecordBytes} bytes`;
  return new BatchPredictError("BP_SOURCE_LIMIT", message, {
    where,
    expected: problem.atEnd
      ? `a closing ${dialect.quote} before the end of the file`
      : `at most ${dialect.maxRecordBytes} bytes (maxRecordBytes)`,
    hints,
  });
}

/** Place of a byte: the line is counted by reading the input again from its start. */
export async function placeOf(file: SourceFile, bytes: Bytes, byte: number, newline: number): Promise<ErrorPlace> {
  let line = 1;
  let position = 0;
  for await (const block of bytes) {
    const end = Math.min(block.length, byte - position);
    const buffer = asBuffer(block);
    for (let at = buffer.indexOf(newline); at >= 0 && at < end; at = buffer.indexOf(newline, at + 1)) line++;
    position += block.length;
    if (position >= byte) break;
  }
  return { file: file.path, line, byte };
}
