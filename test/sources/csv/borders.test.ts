import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { expect, test } from "vitest";
import { borderFinder } from "../../../src/sources/csv/borders.ts";
import { placeRecords, scanRecord, tokensOf } from "../../../src/sources/csv/records.ts";

const dialects = fc.record({
  delimiter: fc.constantFrom(",", ";", "\t", "||", ",,"),
  quote: fc.constantFrom('"', "'", null),
  escape: fc.constantFrom("same", "\\"),
  comment: fc.constantFrom(null, "#", "//"),
  recordDelimiter: fc.constantFrom("\n" as const, "\r" as const),
});

const pieces = [",", ";", "\t", "|", "||", '"', '""', "'", "\\", "#", "//", "\n", "\r\n", "\r", "a", "bc", "é", "\0", " "];
const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((parts) => parts.join(""));

function setUp(choice: typeof dialects extends fc.Arbitrary<infer T> ? T : never) {
  const mark = choice.escape === "same" ? (choice.quote ?? '"') : choice.escape;
  const dialect = { ...choice, escape: mark, encoding: "utf-8" };
  const options = {
    delimiter: dialect.delimiter,
    quote: dialect.quote,
    escape: dialect.quote === null ? null : mark,
    comment: dialect.comment,
    comment_no_infix: true,
    record_delimiter: dialect.recordDelimiter === "\r" ? ["\r"] : ["\r\n", "\n"],
    relax_quotes: true,
    relax_column_count: true,
    skip_empty_lines: true,
  };
  return { tokens: tokensOf(dialect), options: options as object };
}

/** null: a quote is never closed. */
function oracle(bytes: Buffer, options: object): string[][] | null {
  try {
    return parse(bytes, options) as unknown as string[][];
  } catch (error) {
    if ((error as { code?: string }).code === "CSV_QUOTE_NOT_CLOSED") return null;
    throw error;
  }
}

test("records found one by one parse into what csv-parse makes of the whole", () => {
  fc.assert(
    fc.property(dialects, texts, (choice, text) => {
      const { tokens, options } = setUp(choice);
      const bytes = Buffer.from(text);
      const whole = oracle(bytes, options);
      const records: string[][] = [];
      let unclosed = false;
      const starts: number[] = [];
      for (let start = 0; start < bytes.length; ) {
        const scan = scanRecord(bytes, start, bytes.length, tokens, true);
        if (scan.kind === "incomplete") {
          unclosed = true;
          break;
        }
        const parsed = oracle(bytes.subarray(start, scan.next), options)!;
        expect(parsed.length).toBe(scan.kind === "record" ? 1 : 0);
        if (scan.kind === "record") {
          starts.push(start);
          records.push(...parsed);
        }
        start = scan.next;
      }
      expect(unclosed).toBe(whole === null);
      if (whole === null) return;
      expect(records).toEqual(whole);
      expect(placeRecords(bytes, tokens, [...starts.keys()]).map((place) => place.start)).toEqual(starts);
    }),
    { numRuns: 5_000 },
  );
});

test("the border finder stops where scanRecord stops, however the bytes are cut into blocks", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(dialects, texts, cuts, fc.integer({ min: 1, max: 40 }), (choice, text, blockSizes, step) => {
      const { tokens } = setUp(choice);
      const bytes = Buffer.from(text);
      const lines: number[] = [];
      let openQuote = -1;
      for (let start = 0; start < bytes.length; ) {
        const scan = scanRecord(bytes, start, bytes.length, tokens, false);
        openQuote = scan.openQuote;
        if (scan.kind === "incomplete") break;
        lines.push(scan.next);
        start = scan.next;
      }
      const base = 1000;
      const wanted: number[] = [];
      let previous = 0;
      for (const line of lines) {
        if (line >= previous + step) {
          wanted.push(line);
          previous = line;
        }
      }
      const finder = borderFinder(tokens, base);
      const found: number[] = [];
      let chunkStart = 0;
      let at = 0;
      for (let turn = 0; at < bytes.length; turn++) {
        const block = Buffer.from(bytes.subarray(at, at + blockSizes[turn % blockSizes.length]!));
        let from = 0;
        for (;;) {
          const border = finder.find(block, base + at, from, Math.max(chunkStart + step - at, from + 1));
          if (border < 0) break;
          found.push(at + border);
          expect(finder.lastStart - base).toBe(lines.findLast((line) => line < at + border) ?? 0);
          expect(finder.recordStart - base).toBe(at + border);
          chunkStart = at + border;
          from = border;
        }
        at += block.length;
      }
      expect(found).toEqual(wanted);
      expect(finder.recordStart - base).toBe(lines.at(-1) ?? 0);
      expect(finder.openQuote < 0 ? -1 : finder.openQuote - base).toBe(openQuote);
    }),
    { numRuns: 5_000 },
  );
});

test("a quoted megabyte with newlines is one record", () => {
  const bytes = Buffer.from(`a,b\n1,"${"line\n".repeat(200_000)}"\n2,3\n`);
  const tokens = tokensOf({ delimiter: ",", quote: '"', escape: '"', comment: null, encoding: "utf-8", recordDelimiter: "\n" });
  const finder = borderFinder(tokens, 0);
  expect(finder.find(bytes, 0, 0, 5)).toBe(bytes.length - 4);
  expect(finder.lastStart).toBe(4);
});
