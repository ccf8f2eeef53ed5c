/** Samples are cut by a shorter way than rows are; it must see the same cells. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { CsvDialect } from "../../../src/core/source.ts";
import { cellSplitter, sampleSplitter } from "../../../src/sources/csv/csv-options.ts";

const DIALECT: CsvDialect = {
  delimiter: ",",
  quote: '"',
  escape: '"',
  header: true,
  comment: null,
  decimal: ".",
  encoding: "utf-8",
  nullValues: [""],
  recordDelimiter: "\n",
  maxRecordBytes: 1 << 20,
} as CsvDialect;

function outcome(split: () => string[][]): string[][] | string {
  try {
    return split();
  } catch (error) {
    return String(error);
  }
}

it("as csv-parse does, for any bytes", () => {
  const piece = fc.constantFrom(",", ";", "\t", "\n", "\r\n", "\r", '"', "'", "a", "1.5", "-0", " ", "é", "漢", "#", "\\");
  let quick = 0;
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }),
      fc.constantFrom(",", ";", "\t", "é"),
      fc.constantFrom("utf-8", "latin1", "windows-1252"),
      fc.constantFrom('"', "'", null),
      (pieces, delimiter, encoding, quote) => {
        const text = pieces.join("");
        const dialect = { ...DIALECT, delimiter, encoding, quote, escape: quote ?? '"' };
        const bytes = Buffer.from(text, encoding === "utf-8" ? "utf8" : "latin1");
        if (quote === null || !text.includes(quote)) quick++;
        expect(outcome(() => sampleSplitter(dialect)(bytes))).toEqual(outcome(() => cellSplitter(dialect)(bytes)));
      },
    ),
    { numRuns: 2000 },
  );
  expect(quick).toBeGreaterThan(200);
});
