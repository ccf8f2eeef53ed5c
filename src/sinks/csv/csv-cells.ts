/** Arrow columns as CSV cells (RFC 4180, comma, double quotes), by the rules of values/arrow-text.ts. */
import { type Data, Type } from "apache-arrow";
import { isNested, textReader } from "../../values/arrow-text.ts";

type CellReader = (index: number) => string;

/**
 * A null is an empty cell, an empty string is `""`.
 * @param only the file has this column alone: a null is then `""` too, because an empty line is no record to most readers
 */
export function cellReader(data: Data, only: boolean): CellReader {
  const read = textReader(data);
  const missing = only ? '""' : "";
  if (needsNoQuotes(data)) return (index) => read(index) ?? missing;
  return (index) => {
    const text = read(index);
    return text === null ? missing : quoteCell(text);
  };
}

export function quoteCell(text: string): string {
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Numbers, times and hexadecimal digits hold no character that CSV gives a meaning. */
function needsNoQuotes({ type }: Data): boolean {
  if (isNested(type)) return false;
  return ![
    Type.Utf8,
    Type.LargeUtf8,
    Type.Utf8View,
    Type.Binary,
    Type.LargeBinary,
    Type.BinaryView,
    Type.FixedSizeBinary,
    Type.Dictionary,
  ].includes(type.typeId);
}
