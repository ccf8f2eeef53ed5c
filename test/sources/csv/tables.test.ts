import fc from "fast-check";
import iconv from "iconv-lite";
import { expect, test } from "vitest";
import { readCsv } from "./harness.ts";

const letters = fc.constantFrom(..."abZ019 .-+;,|\t\"'#\\\n\r", "é", "ß", "\r\n");
const cell = fc.array(letters, { maxLength: 8 }).map((parts) => parts.join(""));

test("any table written in any dialect comes back cell by cell, in chunks of any size", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        delimiter: fc.constantFrom(",", ";", "\t", "|", "||", "§"),
        quote: fc.constantFrom('"', "'"),
        backslash: fc.boolean(),
        comment: fc.constantFrom(null, "#"),
        newline: fc.constantFrom("\n", "\r\n", "\r"),
        lastNewline: fc.boolean(),
        encoding: fc.constantFrom("utf-8", "latin1", "utf-16le"),
        chunkBytes: fc.integer({ min: 1, max: 200 }),
      }),
      fc
        .integer({ min: 1, max: 4 })
        .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 12 })),
      async ({ delimiter, quote, backslash, comment, newline, lastNewline, encoding, chunkBytes }, table) => {
        const mark = backslash ? "\\" : quote;
        const quoted = (text: string): string => {
          const escaped = backslash ? text.replaceAll("\\", "\\\\") : text;
          return quote + escaped.replaceAll(quote, mark + quote) + quote;
        };
        // Files of old Macs are known by having no line feed at all.
        const rows = newline === "\r" ? table.map((row) => row.map((text) => text.replaceAll("\n", ""))) : table;
        const header = rows[0]!.map((_, index) => `name${index}`);
        const lines = [header, ...rows].map((row) => row.map(quoted).join(delimiter));
        const text = lines.join(newline) + (lastNewline ? newline : "");
        const csv = { delimiter, quote, escape: mark, comment, encoding, header: true, nullValues: [] };
        const back = await readCsv(iconv.encode(text, encoding), csv, chunkBytes);
        expect(back.rejects).toEqual([]);
        expect(back.rows).toEqual(rows);
      },
    ),
    { numRuns: 300 },
  );
});

test("tables of plain words and numbers are sniffed without being told anything", async () => {
  const word = fc.stringMatching(/^[a-z]{1,6}$/);
  const row = fc.tuple(word, fc.integer(), fc.integer({ min: -9999, max: 9999 }), word);
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 2, maxLength: 20 }),
      fc.constantFrom(",", ";", "\t", "|"),
      async (rows, delimiter) => {
        const lines = [["w", "a", "b", "v"], ...rows].map((cells) => cells.join(delimiter));
        const back = await readCsv(`${lines.join("\n")}\n`);
        expect(back.description.dialect).toMatchObject({ delimiter, header: true });
        expect(back.description.columns.map(({ keptType, numeric }) => [keptType, numeric])).toEqual(
          ["utf8", "int64", "int64", "utf8"].map((type) => [type, type === "int64"]),
        );
        expect(back.rows).toEqual(rows.map((cells) => cells.map(String)));
      },
    ),
    { numRuns: 150 },
  );
});
