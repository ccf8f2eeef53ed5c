/** The words of rejected records. */
import type { ChunkReject } from "../../core/chunk.ts";
import type { CsvDialect, SourceColumn } from "../../core/source.ts";
import { expectedKept, type KeptTextType } from "../../values/kept-text.ts";
import { expectedText } from "../../values/text-cells.ts";
import type { BadCell } from "./fill-tensors.ts";

/** A reject before its place is known. */
export type Complaint = Omit<ChunkReject, "lineInChunk" | "byte" | "raw">;

const PUT_ASIDE = "put bad rows aside with --on-error reject";

/** Cells can be megabytes long; a message shows their beginning. */
function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

export function wrongWidth(row: number, cells: number, columns: readonly SourceColumn[], dialect: CsvDialect): Complaint {
  const expected = columns.length;
  const many = cells > expected;
  const column = columns[cells];
  return {
    rowInChunk: row,
    column: many ? null : (column?.name ?? null),
    columnIndex: many ? expected + 1 : cells + 1,
    code: "BP_SOURCE_RECORD",
    message: many
      ? `the record has ${cells} cells, ${cells - expected} more than there are columns`
      : `the record has only ${cells} of ${expected} cells`,
    expected: `${expected} cells`,
    actual: `${cells} cells`,
    hints: [
      many
        ? `quote cells that hold the delimiter ${JSON.stringify(dialect.delimiter)}, or give the right --delimiter and --quote`
        : "give the right --delimiter and --quote if the file was cut up wrongly",
      PUT_ASIDE,
    ],
  };
}

const THOUSANDS = /^\s*[+-]?\d{1,3}(?:([,.'_ \u00a0\u202f])\d{3})(?:\1\d{3})*(?:[.,]\d+)?\s*$/;

export function badInput(row: number, cell: BadCell, dialect: CsvDialect): Complaint {
  const { column, index, input, type, text } = cell;
  const hints: string[] = [];
  if (cell.missing) {
    hints.push(
      type.startsWith("float")
        ? "let missing cells be NaN with --missing nan"
        : "give missing cells a value with --missing VALUE",
    );
  } else {
    const grouped = THOUSANDS.test(text);
    if (grouped) hints.push("write numbers without thousands separators: they are never guessed");
    if (dialect.decimal === "." && /^\s*[+-]?\d*,\d+\s*$/.test(text))
      hints.push(`${grouped ? 'or, if "," is the decimal mark, say so' : 'read "," as the decimal mark'} with --decimal ,`);
    hints.push(`add ${shown(text.trim())} to --null-values if it means that the value is missing`);
  }
  hints.push(PUT_ASIDE);
  return {
    rowInChunk: row,
    column,
    columnIndex: index + 1,
    code: "BP_SOURCE_CELL",
    message: cell.missing
      ? `no value for model input "${input}" (${type})`
      : `cannot read ${shown(text)} as ${type} for model input "${input}"`,
    expected: expectedText(type, dialect.decimal),
    actual: shown(text),
    hints,
  };
}

export function badKept(row: number, column: string, index: number, type: KeptTextType, text: string): Complaint {
  return {
    rowInChunk: row,
    column,
    columnIndex: index + 1,
    code: "BP_SOURCE_CELL",
    message: `cannot keep ${shown(text)} as ${type} in column "${column}"`,
    expected: expectedKept(type),
    actual: shown(text),
    hints: [`keep the column as text with --column-type ${column}=utf8`, PUT_ASIDE],
  };
}

export function notUtf8(row: number, column: string, index: number, text: string): Complaint {
  return {
    rowInChunk: row,
    column,
    columnIndex: index + 1,
    code: "BP_SOURCE_CELL",
    message: `the bytes of ${shown(text)} are not UTF-8`,
    expected: "valid UTF-8",
    actual: shown(text),
    hints: ["name the file's encoding, for instance --encoding windows-1252", PUT_ASIDE],
  };
}
