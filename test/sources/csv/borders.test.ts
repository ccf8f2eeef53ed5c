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
const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 60, size: "max" }).map((parts) => parts.join(""));

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

/** Long ways without a border, as a kernel passes them: the common dialects, quotes and newlines at every place of its 64 bytes. */
const longPieces = [...pieces, '"a,b"', '"a ""b"" \n"', ',"', '",', "x".repeat(29), "y".repeat(61), `"${'""'.repeat(40)}"`];
const longTexts = fc.array(fc.constantFrom(...longPieces), { maxLength: 400, size: "max" }).map((parts) => parts.join(""));
/** Where each cut falls on a quote, or next to one. */
const denseTexts = fc
  .array(fc.constantFrom('"', '"', '"', ",", "\n", "a"), { maxLength: 1_500, size: "max" })
  .map((parts) => parts.join(""));
const commonDialects: typeof dialects = fc.record({
  delimiter: fc.constantFrom(",", ";", "\t"),
  quote: fc.constantFrom('"', "'", null),
  escape: fc.constant("same"),
  comment: fc.constant(null),
  recordDelimiter: fc.constantFrom("\n" as const, "\r" as const),
});
const plainDialect: typeof dialects = fc.constant({
  delimiter: ",",
  quote: '"',
  escape: "same",
  comment: null,
  recordDelimiter: "\n",
});

test.each([
  { of: "short texts", dialects, texts, blocks: [1, 9], steps: [1, 40], numRuns: 5_000 },
  { of: "long texts", dialects: commonDialects, texts: longTexts, blocks: [1, 3_000], steps: [1, 2_000], numRuns: 400 },
  { of: "quotes above all", dialects: plainDialect, texts: denseTexts, blocks: [250, 500], steps: [250, 1_200], numRuns: 500 },
])("the border finder stops where scanRecord stops, however the bytes are cut into blocks: $of", (size) => {
  const between = ([min, max]: number[]) => fc.integer({ min: min!, max: max! });
  const cuts = fc.array(between(size.blocks), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(size.dialects, size.texts, cuts, between(size.steps), fc.boolean(), (choice, text, blockSizes, step, inPlace) => {
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
      const memory = inPlace ? finder.blockMemory?.(size.blocks[1]!) : undefined;
      const found: number[] = [];
      let chunkStart = 0;
      let at = 0;
      for (let turn = 0; at < bytes.length; turn++) {
        const part = bytes.subarray(at, at + blockSizes[turn % blockSizes.length]!);
        const block = memory ? memory.subarray(0, part.copy(memory)) : Buffer.from(part);
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
    { numRuns: size.numRuns },
  );
});

test("a quoted megabyte with newlines is one record", () => {
  const bytes = Buffer.from(`a,b\n1,"${"line\n".repeat(200_000)}"\n2,3\n`);
  const tokens = tokensOf({ delimiter: ",", quote: '"', escape: '"', comment: null, encoding: "utf-8", recordDelimiter: "\n" });
  const finder = borderFinder(tokens, 0);
  expect(finder.find(bytes, 0, 0, 5)).toBe(bytes.length - 4);
  expect(finder.lastStart).toBe(4);
});

test.each(["x", "x,", '"x', '"x"', "x\n", '"x""'])(
  "a block that begins with a quote goes on from the state in which %j ended",
  (head) => {
    const tokens = tokensOf({ delimiter: ",", quote: '"', escape: '"', comment: null, encoding: "utf-8", recordDelimiter: "\n" });
    const tail = Buffer.from(`"${"a,b\n".repeat(200)}`);
    const whole = Buffer.concat([Buffer.from(head), tail]);
    let start = 0;
    let scan = scanRecord(whole, 0, whole.length, tokens, false);
    for (; scan.kind !== "incomplete"; scan = scanRecord(whole, start, whole.length, tokens, false)) start = scan.next;
    const finder = borderFinder(tokens, 0);
    expect(finder.find(Buffer.from(head), 0, 0, 10_000)).toBe(-1);
    expect(finder.find(tail, head.length, 0, 10_000)).toBe(-1);
    expect([finder.recordStart, finder.openQuote]).toEqual([start, scan.openQuote]);
  },
);
