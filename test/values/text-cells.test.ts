import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocateTensor, type TensorType } from "../../src/core/tensor-types.ts";
import {
  CELL_BAD,
  CELL_INEXACT,
  CELL_MISSING,
  CELL_OK,
  CELL_OVERFLOW,
  cellWriter,
  expectedText,
} from "../../src/values/text-cells.ts";

const names = ["ok", "missing", "overflow", "bad", "inexact"];

function read(type: TensorType, text: string, rules: { nullValues?: string[]; decimal?: "." | "," } = {}): unknown {
  const out = allocateTensor(type, 3);
  const status = cellWriter(type, { nullValues: rules.nullValues ?? [""], decimal: rules.decimal ?? "." })(text, out, 1);
  expect([out[0], out[2]]).toEqual(type === "string" ? ["", ""] : type.endsWith("int64") ? [0n, 0n] : [0, 0]);
  return status === CELL_OK
    ? out[1]
    : [CELL_OVERFLOW, CELL_INEXACT].includes(status as 2)
      ? `${names[status]} ${out[1]}`
      : names[status];
}

const INTS: [TensorType, bigint, bigint][] = [
  ["int8", -128n, 127n],
  ["int16", -32768n, 32767n],
  ["int32", -2147483648n, 2147483647n],
  ["int64", -9223372036854775808n, 9223372036854775807n],
  ["uint8", 0n, 255n],
  ["uint16", 0n, 65535n],
  ["uint32", 0n, 4294967295n],
  ["uint64", 0n, 18446744073709551615n],
];

describe("the table of text values", () => {
  const floats: [string, unknown][] = [
    ["1", 1],
    ["-1.5", -1.5],
    ["+.5", 0.5],
    ["3.", 3],
    ["1.e2", 100],
    ["-0", -0],
    ["0000000000000000000000000001.50", 1.5],
    [" \t12\t ", 12],
    ["1e-7", 1e-7],
    ["1E+2", 100],
    ["9007199254740992", 9007199254740992],
    ["9007199254740993", "inexact 9007199254740992"],
    ["9007199254740993.0", 9007199254740992],
    ["123456789012345678901234567890", "inexact 1.2345678901234568e+29"],
    ["0.1", 0.1],
    ["2.2250738585072011e-308", 2.225073858507201e-308],
    ["1e-400", 0],
    ["nan", Number.NaN],
    ["-NaN", Number.NaN],
    ["INF", Number.POSITIVE_INFINITY],
    ["+Infinity", Number.POSITIVE_INFINITY],
    ["-inf", Number.NEGATIVE_INFINITY],
    ["TRUE", 1],
    ["false", 0],
    ["", "missing"],
    [" \t", "missing"],
    ["1e400", "overflow Infinity"],
    ["-1e400", "overflow -Infinity"],
  ];
  test.each(floats)("float64 %j", (text, value) => expect(read("float64", text)).toBe(value));

  const refused = [
    "0x10",
    "1_000",
    "1,000",
    "1,5",
    "--1",
    "+-1",
    "1e",
    "1e+",
    "e5",
    ".",
    "-",
    "+",
    "1.2.3",
    "1 2",
    "n/a",
    "infin",
    "nanx",
  ];
  const alsoRefused = ["٣", "\u00a01", "1\n", "1f", "#N/A", "-true", "t", "yes", "1e5.", "NULL", "∞"];
  test.each([...refused, ...alsoRefused])("%j is no number of any type", (text) => {
    for (const type of ["float64", "float32", "float16", "int8", "int32", "int64", "uint64"] as const) {
      expect(read(type, text), type).toBe("bad");
    }
  });

  test("an empty cell is bad where the empty text is not a null value", () => {
    for (const type of ["float32", "int64", "uint8", "bool"] as const)
      expect(read(type, " ", { nullValues: ["NA"] })).toBe("bad");
  });

  test.each(INTS)("%s holds its limits exactly and nothing beyond", (type, low, high) => {
    const wide = type.endsWith("64");
    const as = (value: bigint): unknown => (wide ? value : Number(value));
    for (const value of [low, low + 1n, 0n, 1n, high - 1n, high]) {
      for (const text of [`${value}`, `${value}.`, ` ${value}.000 `, value >= 0n ? `+000${value}` : `-000${-value}`]) {
        expect(read(type, text), text).toBe(as(value));
      }
    }
    for (const value of [low - 1n, high + 1n, high * 1000n, -(10n ** 30n), 10n ** 30n])
      expect(read(type, `${value}`)).toBe("bad");
    for (const text of ["1.5", "1e3", ".0", "3.01", "nan", "inf"]) expect(read(type, text), text).toBe("bad");
    expect([read(type, "true"), read(type, "False")]).toEqual([as(1n), as(0n)]);
    expect(expectedText(type)).toContain(`from ${low} to ${high}`);
  });

  test("a minus before zero is zero for unsigned types", () =>
    expect([read("uint8", "-0"), read("uint64", "-0")]).toEqual([0, 0n]));

  test("booleans", () => {
    for (const text of ["true", "True", "T", "yes", "Y", "1", "1.0", " TRUE "]) expect(read("bool", text), text).toBe(1);
    for (const text of ["false", "FALSE", "f", "no", "N", "0", "0.0"]) expect(read("bool", text), text).toBe(0);
    for (const text of ["2", "on", "-1", "1.00", "ja", "1,0", "truee"]) expect(read("bool", text), text).toBe("bad");
    expect(read("bool", "1,0", { decimal: "," })).toBe(1);
    expect(read("bool", "1.0", { decimal: "," })).toBe("bad");
  });

  test("strings stay as they are, blanks included", () => {
    expect(read("string", " a\tb ")).toBe(" a\tb ");
    expect(read("string", " ")).toBe(" ");
    expect(read("string", "")).toBe("missing");
    expect(read("string", "NA", { nullValues: ["NA"] })).toBe("missing");
  });

  test("a decimal comma refuses the point instead of guessing at thousands", () => {
    expect(read("float64", "1,5", { decimal: "," })).toBe(1.5);
    expect(read("float64", "-,5e1", { decimal: "," })).toBe(-5);
    expect(read("float64", "12345678901234567890,5", { decimal: "," })).toBe(12345678901234567000);
    expect(read("float64", "1.5", { decimal: "," })).toBe("bad");
    expect(read("float64", "1.000,5", { decimal: "," })).toBe("bad");
    expect(read("int32", "3,0", { decimal: "," })).toBe(3);
    expect(read("int32", "3.0", { decimal: "," })).toBe("bad");
  });

  test("null values are compared without blanks around them, and win over numbers", () => {
    const nullValues = ["NA", "-999", "nan"];
    for (const text of ["NA", " NA ", "-999", "\t-999", "nan"])
      expect(read("float32", text, { nullValues }), text).toBe("missing");
    expect(read("float32", "NaN", { nullValues })).toBe(Number.NaN);
    expect(read("float32", "-99", { nullValues })).toBe(-99);
    expect(read("int64", "-999", { nullValues })).toBe("missing");
    expect(read("bool", "na", { nullValues })).toBe("bad");
  });

  test("every double prints and reads back to its bits", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = Object.is(value, -0) ? "-0" : String(value);
        const got = read("float64", text);
        return Object.is(got, value) || got === `inexact ${value}`;
      }),
      { numRuns: 3000 },
    );
  });

  test("decimals of every length and exponent are what Number makes of them", () => {
    const digits = fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 1, maxLength: 24 });
    fc.assert(
      fc.property(digits, digits, fc.integer({ min: -330, max: 310 }), fc.boolean(), (whole, rest, power, exponent) => {
        const text = `-${whole}.${rest}${exponent ? `e${power}` : ""}`;
        const value = Number(text);
        expect(read("float64", text)).toBe(Number.isFinite(value) ? value : "overflow -Infinity");
      }),
      { numRuns: 5000 },
    );
  });
});

describe("float32", () => {
  test("rounds the text, not the double between", () => {
    // 1 + 2^-24 is halfway between two float32; one digit more decides, and a double cannot hold that digit.
    const half = "1.000000059604644775390625";
    expect(read("float32", half)).toBe(1);
    expect(read("float32", `${half}0000000000000000000001`)).toBe(1.0000001192092896);
    expect(read("float32", "1.000000059604644775390624999999999999999")).toBe(1);
    expect(read("float32", "1.000000178813934326171874999999999999999")).toBe(1.0000001192092896);
    expect(read("float32", "1.000000178813934326171875")).toBe(1.000000238418579);
    expect(read("float32", `-${half}0000000000000000000001e0`)).toBe(-1.0000001192092896);
    expect(read("float32", "16777217")).toBe("inexact 16777216");
    expect(read("float32", "16777218")).toBe(16777218);
    expect(read("float32", "-16777217")).toBe("inexact -16777216");
    expect(read("float32", "16777217.0")).toBe(16777216);
    expect(read("float32", "7.006492321624085e-46")).toBe(0);
    expect(read("float32", "7.0064923216240853546186479164495e-46")).toBe(0);
    expect(read("float32", "7.0064923216240853546186479164496e-46")).toBe(1.401298464324817e-45);
  });

  test("overflow begins halfway above the largest float32", () => {
    expect(read("float32", "1e39")).toBe("overflow Infinity");
    expect(read("float32", "-1e400")).toBe("overflow -Infinity");
    expect(read("float32", "340282356779733661637539395458142568447")).toBe("inexact 3.4028234663852886e+38");
    expect(read("float32", "340282356779733661637539395458142568448")).toBe("overflow Infinity");
    expect(read("float32", "inf")).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("float16 bits", () => {
  const bits: [string, unknown][] = [
    ["1", 0x3c00],
    ["-2", 0xc000],
    ["-0", 0x8000],
    ["65504", 0x7bff],
    ["65519.99", 0x7bff],
    ["65520", `overflow ${0x7c00}`],
    ["-1e9", `overflow ${0xfc00}`],
    ["-inf", 0xfc00],
    ["nan", 0x7e00],
    ["5.960464477539063e-8", 1],
    ["2.9802322387695312e-8", 0],
    ["2.98023223876954e-8", 1],
    ["6.103515625e-5", 0x0400],
    ["6.1005353927612305e-5", 0x0400],
    ["1.00048828125", 0x3c00],
    ["1.00146484375", 0x3c02],
    ["0.1", 0x2e66],
    ["true", 0x3c00],
  ];
  test.each(bits)("%s", (text, value) => expect(read("float16", text)).toBe(value));
});

test("statuses are four different numbers", () => {
  expect(new Set([CELL_OK, CELL_MISSING, CELL_OVERFLOW, CELL_BAD]).size).toBe(4);
});
