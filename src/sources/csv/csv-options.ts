/**
 * csv-parse's options for a dialect: the one place that decides how records are cut into cells.
 * No max_record_size: what comes here are whole records, which the planner has measured.
 */
import { type Options, parse } from "csv-parse/sync";
import type { CsvDialect } from "../../core/source.ts";
import { asBuffer, codecOf } from "./encoding.ts";

/** Records of bytes that begin and end at record borders, read as `byteEncoding` of the dialect's codec (see TextCodec.finish). */
export type CellSplitter = (bytes: Uint8Array, as?: "utf8" | "latin1") => string[][];

/**
 * The same records by the string's own `split`, where that is all there is to it: bytes without a quote, in a dialect without comments. For samples:
 * csv-parse takes 100 ms of a run's start for 400 kB of them. Rows of the run itself are never cut by it.
 */
export function sampleSplitter(dialect: CsvDialect): CellSplitter {
  const general = cellSplitter(dialect);
  const codec = codecOf(dialect.encoding);
  const { quote, escape: mark, comment, recordDelimiter } = dialect;
  if (comment !== null || recordDelimiter === "\r" || (quote !== null && mark !== quote)) return general;
  const quoteBytes = quote === null ? null : codec.encode(quote);
  return (bytes, as = codec.byteEncoding) => {
    const buffer = asBuffer(bytes);
    if (quoteBytes !== null && buffer.includes(quoteBytes)) return general(bytes, as);
    const delimiter = codec.encode(dialect.delimiter).toString(as);
    const lines = buffer.toString(as).split("\n");
    const last = lines.pop()!;
    const records = lines.map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
    return [...records, last].filter((line) => line !== "").map((line) => line.split(delimiter));
  };
}

export function cellSplitter(dialect: CsvDialect): CellSplitter {
  const codec = codecOf(dialect.encoding);
  return (bytes, as = codec.byteEncoding) => {
    // Tokens become the same bytes as in the file, whatever csv-parse decodes cells with.
    const token = (text: string): string => codec.encode(text).toString(as);
    const quoted = dialect.quote !== null;
    return parse(asBuffer(bytes), {
      bom: false,
      columns: false,
      comment: dialect.comment === null ? null : token(dialect.comment),
      comment_no_infix: true,
      delimiter: token(dialect.delimiter),
      encoding: as,
      escape: quoted ? token(dialect.escape) : null,
      quote: quoted ? token(dialect.quote!) : null,
      record_delimiter: dialect.recordDelimiter === "\r" ? ["\r"] : ["\r\n", "\n"],
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
    } as Options) as unknown as string[][];
  };
}
