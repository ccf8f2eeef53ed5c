/** Options as given + the head of the first file -> a dialect with every field decided. What the user gives always wins. */
import { BatchPredictError } from "../../core/errors.ts";
import type { CsvDialect, CsvOptions } from "../../core/source.ts";
import { canonicalEncoding, sniffEncoding, utf8BomBytes } from "./encoding.ts";
import { CR, LF } from "./records.ts";
import { sniffStructure } from "./sniff-structure.ts";

export const DEFAULT_MAX_RECORD_BYTES = 16 * 1024 * 1024;

/** @param samples further blocks of the file, which tell an encoding that the head does not show */
export function resolveEncoding(
  options: CsvOptions,
  head: Uint8Array,
  samples: readonly Uint8Array[],
): { encoding: string; bomBytes: number } {
  if (options.encoding === undefined) return sniffEncoding(head, samples);
  const encoding = canonicalEncoding(options.encoding);
  if (encoding === "utf-8") return { encoding, bomBytes: utf8BomBytes(head) };
  const bom =
    (encoding.startsWith("utf-16") && sniffEncoding(head, []).encoding === encoding && (head[0] === 0xff || head[0] === 0xfe)) ||
    false;
  return { encoding, bomBytes: bom ? 2 : 0 };
}

export interface DialectInput {
  /** Head in the bytes that chunks will hold, without a byte order mark. */
  bytes: Buffer;
  /** The head is the whole file. */
  complete: boolean;
  fileName: string;
  encoding: string;
  bomBytes: number;
  compression: "none" | "gzip";
}

/** Everything but `header`, which needs records (see sniff-header.ts): it is true here unless given. */
export function resolveDialect(options: CsvOptions, input: DialectInput): CsvDialect {
  const given = { ...options, delimiter: delimiterOf(options.delimiter), quote: quoteOf(options.quote) };
  const recordDelimiter = !input.bytes.includes(LF) && input.bytes.includes(CR) ? "\r" : "\n";
  const comment = options.comment ?? null;
  const structure = sniffStructure(input.bytes.subarray(0, 131072), {
    delimiter: given.delimiter,
    quote: given.quote,
    escape: options.escape,
    comment: comment === "" ? null : comment,
    newline: recordDelimiter === "\r" ? CR : LF,
    preferTab: /\.(?:tsv|tab)(?:\.gz)?$/i.test(input.fileName),
    complete: input.complete && input.bytes.length <= 131072,
  });
  const dialect: CsvDialect = {
    delimiter: structure.delimiter,
    quote: given.quote === null ? null : structure.quote,
    escape: structure.escape,
    encoding: input.encoding,
    bomBytes: input.bomBytes,
    header: options.header ?? true,
    recordDelimiter,
    nullValues: options.nullValues ?? [""],
    decimal: options.decimal ?? ".",
    comment: comment === "" ? null : comment,
    maxRecordBytes: options.maxRecordBytes ?? DEFAULT_MAX_RECORD_BYTES,
    compression: input.compression,
    sniffed: [],
  };
  const sniffable = ["delimiter", "quote", "escape", "encoding", "header"] as const;
  dialect.sniffed = [...sniffable.filter((key) => options[key] === undefined), "recordDelimiter"];
  checkDialect(dialect);
  return dialect;
}

function delimiterOf(given: string | undefined): string | undefined {
  return given === "\\t" || given?.toLowerCase() === "tab" ? "\t" : given;
}

function quoteOf(given: string | null | undefined): string | null | undefined {
  return given === "" || given?.toLowerCase() === "none" ? null : given;
}

function checkDialect(dialect: CsvDialect): void {
  const { delimiter, quote, escape: mark, comment, decimal } = dialect;
  const refuse = (what: string, hint: string): never => {
    throw new BatchPredictError("BP_CONFIG", what, { hints: [hint] });
  };
  if (delimiter === "" || /[\r\n]/.test(delimiter))
    refuse("the delimiter must be one or more characters, none of them a line end", "set --delimiter");
  if (quote !== null && ([...quote].length !== 1 || /[\r\n]/.test(quote)))
    refuse(
      `the quote must be one character, not ${JSON.stringify(quote)}`,
      'set --quote, for instance --quote "\'" or --quote none',
    );
  if (quote !== null && ([...mark].length !== 1 || /[\r\n]/.test(mark)))
    refuse(`the escape must be one character, not ${JSON.stringify(mark)}`, "set --escape");
  if (quote !== null && delimiter.startsWith(quote)) refuse("delimiter and quote are the same", "set --delimiter or --quote");
  if (quote !== null && mark !== quote && delimiter.startsWith(mark)) refuse("delimiter and escape are the same", "set --escape");
  if (
    comment !== null &&
    (/[\r\n]/.test(comment) || comment.startsWith(delimiter) || (quote !== null && comment.startsWith(quote)))
  ) {
    refuse("the comment mark must not be a line end, the delimiter or the quote", "set --comment");
  }
  if (decimal === delimiter)
    refuse(`the decimal mark ${JSON.stringify(decimal)} is also the delimiter`, "set --delimiter, for instance --delimiter ';'");
  if (!Number.isInteger(dialect.maxRecordBytes) || dialect.maxRecordBytes < 1)
    refuse("maxRecordBytes must be a whole number of bytes above 0", "set csv.maxRecordBytes");
}
