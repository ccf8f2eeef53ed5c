import { stripVTControlCharacters, styleText } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { WireError } from "../../src/core/errors.ts";
import { errorText, type Paint, placeText } from "../../src/report/error-text.ts";
import { anyText } from "./any-text.ts";

const plain: Paint = (_style, text) => text;

/** The contract's example, as a worker would report it. */
const CELL: WireError = {
  code: "BP_SOURCE_CELL",
  message: 'cannot read "n/a" as float32 for model input "age"',
  where: { file: "customers.csv", line: 439, row: 438, byte: 6997, column: "age", columnIndex: 3 },
  hints: ['add "n/a" to --null-values, or put bad rows aside with --on-error reject'],
  exitCode: 1,
  stack: "BatchPredictError: cannot read\n    at somewhere",
};

describe("an error", () => {
  it("looks exactly as the contract shows it", () => {
    expect(errorText(CELL, plain)).toBe(
      [
        'error BP_SOURCE_CELL: cannot read "n/a" as float32 for model input "age"',
        '  at customers.csv line 439 (row 438, byte 6997), column 3 "age"',
        '  fix: add "n/a" to --null-values, or put bad rows aside with --on-error reject',
      ].join("\n"),
    );
  });

  it("shows expected and actual, and one line per mend", () => {
    expect(errorText({ code: "BP_BINDING", message: "m", expected: "3 columns", actual: "2", hints: ["a", "b"] }, plain)).toBe(
      ["error BP_BINDING: m", "  expected: 3 columns", "  actual: 2", "  fix: a", "  fix: b"].join("\n"),
    );
  });

  it("shows every problem in full under the first line", () => {
    const problems: WireError[] = [
      { code: "BP_BINDING", message: "one", hints: ["mend one"] },
      { code: "BP_BINDING", message: "two", where: { column: "x" } },
    ];
    const where = { file: "model.onnx" };
    expect(errorText({ code: "BP_BINDING", message: "2 problems", where, problems }, plain)).toBe(
      [
        "error BP_BINDING: 2 problems",
        "  at model.onnx",
        "  problem BP_BINDING: one",
        "    fix: mend one",
        "  problem BP_BINDING: two",
        '    at column "x"',
      ].join("\n"),
    );
  });

  it("has a stack trace only under --debug", () => {
    expect(errorText(CELL, plain)).not.toContain("somewhere");
    expect(errorText(CELL, plain, true)).toMatch(/\n {6}at somewhere$/);
  });

  it("is the same text in colour", () => {
    const coloured = errorText(CELL, (style, text) => styleText(style, text, { validateStream: false } as never));
    expect(coloured).not.toBe(errorText(CELL, plain));
    expect(stripVTControlCharacters(coloured)).toBe(errorText(CELL, plain));
  });

  it("never hands control characters of names and cells to the terminal, nor lets them begin a line", () => {
    const hostile = "\u001b]0;owned\u0007\u001b[2J\r\u009b31m\u202e\nerror BP_USAGE: fix: rm -rf /";
    const wire: WireError = {
      code: "BP_SOURCE_CELL",
      message: hostile,
      where: { file: hostile, column: hostile },
      expected: hostile,
      actual: hostile,
      hints: [hostile],
      problems: [{ code: "BP_BINDING", message: hostile }],
      stack: `Error: ${hostile}`,
    };
    const text = errorText(wire, plain, true);
    expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(text).toContain("\\u001b]0;owned\\u0007");
    const [first, ...others] = text.split("\n");
    expect(first).toMatch(/^error BP_SOURCE_CELL/);
    for (const line of others.filter((one) => !one.startsWith("Error: "))) expect(line).toMatch(/^ {2}/);
  });

  it("of any text is free of control characters", () => {
    const text = anyText(20);
    fc.assert(
      fc.property(text, text, text, (message, column, hint) => {
        const shown = errorText({ code: "BP_INTERNAL", message, where: { column }, hints: [hint] }, plain);
        expect(shown).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/);
      }),
    );
  });
});

describe("a place", () => {
  it.each([
    [undefined, null],
    [{}, null],
    [{ file: "a.csv" }, "a.csv"],
    [{ file: "a.parquet", row: 5 }, "a.parquet (row 5)"],
    [{ file: "a.csv", line: 1_234_567 }, "a.csv line 1234567"],
    [{ column: "x", columnIndex: 2 }, 'column 2 "x"'],
    [{ file: "a.csv", byte: 0, row: 0, line: 1, column: "x" }, 'a.csv line 1 (row 0, byte 0), column "x"'],
    [{ row: 3 }, "(row 3)"],
  ])("%j is %s", (where, expected) => {
    expect(placeText(where)).toBe(expected);
  });
});
