import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatBytes, formatCount, formatSeconds, formatTable, nameList, printable, shorten } from "../../src/report/format.ts";
import { anyText } from "./any-text.ts";

it("writes counts with separators", () => {
  expect([0, 999, 1000, 1_234_567.4].map(formatCount)).toEqual(["0", "999", "1,000", "1,234,567"]);
});

describe("bytes", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 KB"],
    [1500, "1.5 KB"],
    [99_960, "100.0 KB"],
    [123_456, "123 KB"],
    [999_499, "999 KB"],
    [999_500, "1.0 MB"],
    [1_000_000, "1.0 MB"],
    [336e6, "336 MB"],
    [2.5e12, "2.5 TB"],
    [5e15, "5000 TB"],
  ])("%d are %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe("seconds", () => {
  it.each([
    [0, "0.00 s"],
    [0.42, "0.42 s"],
    [9.99, "9.99 s"],
    [9.999, "10.0 s"],
    [12.34, "12.3 s"],
    [59.94, "59.9 s"],
    [59.96, "1m 0s"],
    [75, "1m 15s"],
    [119.6, "2m 0s"],
    [3599.7, "1h 0m"],
    [3700, "1h 1m"],
    [90_000, "25h 0m"],
  ])("%d are %s", (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });
});

describe("printable", () => {
  it("shows control characters and marks that turn text around by their numbers", () => {
    expect(printable("a\u001b[31mb\u0000c\u007f\u0085\u202e\u2066\u2028")).toBe(
      "a\\u001b[31mb\\u0000c\\u007f\\u0085\\u202e\\u2066\\u2028",
    );
  });

  it("leaves all other text alone", () => {
    expect(printable("Größe 漢字 🎉\ttab\nline")).toBe("Größe 漢字 🎉\ttab\nline");
  });
});

describe("a table", () => {
  it("aligns columns and trims line ends", () => {
    expect(
      formatTable(
        [
          ["a", "bb", ""],
          ["ccc", "d", "e"],
        ],
        "  ",
      ),
    ).toBe("  a    bb\n  ccc  d   e");
    expect(formatTable([])).toBe("");
  });

  it("keeps one row on one line, whatever its cells hold", () => {
    fc.assert(
      fc.property(fc.array(fc.array(anyText(10), { minLength: 1, maxLength: 4 })), (rows) => {
        const text = formatTable(rows);
        expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
        if (rows.length > 0) expect(text.split("\n")).toHaveLength(rows.length);
      }),
    );
  });

  it("cuts long cells", () => {
    expect(formatTable([["x".repeat(100)]], "", 10)).toBe("xxxxxxx...");
  });
});

it("cuts text without breaking a character in two", () => {
  expect(shorten("abcdef", 6)).toBe("abcdef");
  expect(shorten("abcdefg", 6)).toBe("abc...");
  expect(shorten("ab🎉🎉🎉🎉", 6)).toBe("ab...");
});

it("lists long names by the first, the last and the number", () => {
  const names = Array.from({ length: 20 }, (_, at) => `f${at}`);
  expect(nameList(names.slice(0, 8))).toBe("f0, f1, f2, f3, f4, f5, f6, f7");
  expect(nameList(names, 4)).toBe("f0, f1, ... f19 (20 in all)");
  expect(nameList([])).toBe("");
});
