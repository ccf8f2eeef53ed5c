import { type Data, Vector } from "apache-arrow";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type KeptTextType, keptFromText } from "../../src/values/kept-text.ts";
import { readCanonicalInt64, significantDigits } from "../../src/values/text-numbers.ts";

const rules = { nullValues: [""], decimal: "." as const };
const rows = (data: Data | null): unknown[] => Array.from(new Vector([data!]));
const keep = (type: KeptTextType, ...cells: string[]) =>
  keptFromText(
    type,
    cells.map((cell) => ["other", cell]),
    1,
    rules,
  );

describe("kept text columns", () => {
  test("utf8 keeps every letter and blank; missing is null", () => {
    expect(rows(keep("utf8", "a", " b ", "", "Grüße", "😀", "").data)).toEqual(["a", " b ", null, "Grüße", "😀", null]);
    expect(keep("utf8", "a", "").data!.nullCount).toBe(1);
    expect(rows(keep("utf8").data)).toEqual([]);
  });

  test("small columns own their memory, so that they can be transferred", () => {
    const { data } = keep("utf8", "a", "b");
    expect(data!.values.buffer.byteLength).toBeLessThan(64);
  });

  test("any texts come back as they were", () => {
    const cell = fc.string({ unit: "grapheme", maxLength: 12 });
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 40 }), (cells) => {
        expect(rows(keep("utf8", ...cells).data)).toEqual(cells.map((text) => (text === "" ? null : text)));
      }),
    );
  });

  test("int64 is exact up to its limits", () => {
    const cells = ["0", "-1", "", "9223372036854775807", "-9223372036854775808", " 7 ", "123456789012345", "1234567890123456"];
    expect(rows(keep("int64", ...cells).data)).toEqual(cells.map((text) => (text === "" ? null : BigInt(text.trim()))));
  });

  test.each([
    "9223372036854775808",
    "-9223372036854775809",
    "007",
    "-0",
    "+1",
    "1.0",
    "x",
    "-",
    "1e3",
    "0x1",
    "12345678901234567890123",
  ])("int64 refuses %j and says in which row", (text) =>
    expect(keep("int64", "1", text, "2")).toEqual({ data: null, badRows: [1] }),
  );

  test("canonical means that the number prints the same text", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."-+0123456789. "), maxLength: 21 }), (text) => {
        const value = readCanonicalInt64(text);
        if (value !== null) expect(String(value)).toBe(text);
        else expect(/^-?[1-9]\d{0,17}$/.test(text)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  test("float64 takes doubles as they print, and refuses digits it would lose", () => {
    expect(rows(keep("float64", "1.5", "", "0.30000000000000004", "-1e-300").data)).toEqual([
      1.5,
      null,
      0.30000000000000004,
      -1e-300,
    ]);
    expect(keep("float64", "1.5", "x", "12345678901234567890", "1e999").badRows).toEqual([1, 2, 3]);
    expect(significantDigits("-0.00120e17")).toBe(3);
  });

  test("bool, over more than one byte of bits", () => {
    const cells = ["yes", "no", "", "1", "0", "T", "f", "true", "FALSE", "y", ""];
    const values = [true, false, null, true, false, true, false, true, false, true, null];
    expect(rows(keep("bool", ...cells).data)).toEqual(values);
    expect(keep("bool", "yes", "2").badRows).toEqual([1]);
  });
});
