import {
  Bool,
  type Data,
  DateDay,
  DateMillisecond,
  Decimal,
  Dictionary,
  DurationMicrosecond,
  Field,
  FixedSizeBinary,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int32,
  Int64,
  IntervalDayTime,
  IntervalMonthDayNano,
  IntervalYearMonth,
  LargeUtf8,
  List,
  Map_,
  makeData,
  Null,
  Struct,
  TimeMillisecond,
  TimeNanosecond,
  TimestampMicrosecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint64,
  Utf8,
  type Vector,
  vectorFromArray,
} from "apache-arrow";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textReader } from "../../src/values/arrow-text.ts";
import { float32Text, float64Text } from "../../src/values/number-text.ts";
import { dateText } from "../../src/values/time-text.ts";

function texts(data: Data): (string | null)[] {
  const read = textReader(data);
  return Array.from({ length: data.length }, (_, index) => read(index));
}

/** Elements as they lie in memory, without the library's own conversions (it rounds nanoseconds to milliseconds). */
function raw(type: unknown, data: ArrayBufferView): Data {
  return makeData({ type, data } as never);
}

function from(values: unknown[], type: unknown): Data {
  return (vectorFromArray(values, type as never) as Vector).data[0]!;
}

describe("text of Arrow values", () => {
  it.each([
    ["bool", from([true, false, null], new Bool()), ["true", "false", null]],
    ["int64", from([2n ** 63n - 1n, -(2n ** 63n), null], new Int64()), ["9223372036854775807", "-9223372036854775808", null]],
    ["uint64", from([2n ** 64n - 1n, 0n], new Uint64()), ["18446744073709551615", "0"]],
    ["float32", from([0.1, 1e10, -0, null], new Float32()), ["0.1", "10000000000", "-0", null]],
    ["float64", from([0.1, 1e300, Number.NaN, -Infinity], new Float64()), ["0.1", "1e+300", "NaN", "-inf"]],
    ["float16", raw(new Float16(), Uint16Array.of(0x3c00, 0x3e00, 0x7c00, 0xfe00)), ["1", "1.5", "inf", "NaN"]],
    ["utf8, ASCII", from(["", "plain", null, "a,b"], new Utf8()), ["", "plain", null, "a,b"]],
    ["utf8, not ASCII", from(["", "žluť", "a", "\u{1F600}"], new Utf8()), ["", "žluť", "a", "\u{1F600}"]],
    ["large utf8", from(["x", "yz"], new LargeUtf8()), ["x", "yz"]],
    ["binary of fixed size", from([Uint8Array.of(0, 255, 16)], new FixedSizeBinary(3)), ["00ff10"]],
    [
      "date32",
      raw(new DateDay(), Int32Array.of(0, -1, 19_782, 11_016, 2_932_897)),
      ["1970-01-01", "1969-12-31", "2024-02-29", "2000-02-29", "+010000-01-01"],
    ],
    ["date64", raw(new DateMillisecond(), BigInt64Array.of(86_400_000n, 1n)), ["1970-01-02", "1970-01-01T00:00:00.001"]],
    [
      "timestamp[s]",
      raw(new TimestampSecond(), BigInt64Array.of(-1n, 1_700_000_000n)),
      ["1969-12-31T23:59:59", "2023-11-14T22:13:20"],
    ],
    [
      "timestamp[us, zone]",
      raw(new TimestampMicrosecond("Europe/Berlin"), BigInt64Array.of(1_700_000_000_000_001n)),
      ["2023-11-14T22:13:20.000001Z"],
    ],
    [
      "timestamp[ns]",
      raw(new TimestampNanosecond(), BigInt64Array.of(-1n, 2n ** 63n - 1n)),
      ["1969-12-31T23:59:59.999999999", "2262-04-11T23:47:16.854775807"],
    ],
    ["time32[ms]", raw(new TimeMillisecond(), Int32Array.of(3_723_004)), ["01:02:03.004"]],
    ["time64[ns]", raw(new TimeNanosecond(), BigInt64Array.of(86_399_999_999_999n)), ["23:59:59.999999999"]],
    ["duration[us]", raw(new DurationMicrosecond(), BigInt64Array.of(3_723_000_001n, -1n)), ["PT3723.000001S", "-PT0.000001S"]],
    ["interval[year_month]", raw(new IntervalYearMonth(), Int32Array.of(14)), ["P1Y2M"]],
    ["interval[day_time]", raw(new IntervalDayTime(), Int32Array.of(3, -500)), ["P3DT-0.500S"]],
    ["interval[month_day_nano]", raw(new IntervalMonthDayNano(), Int32Array.of(1, 3, 1, 0)), ["P1M3DT0.000000001S"]],
    [
      "decimal",
      raw(new Decimal(2, 10, 128), Uint32Array.of(1230, 0, 0, 0, 0xffff_fffb, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff)),
      ["12.30", "-0.05"],
    ],
    ["decimal without places", raw(new Decimal(0, 38, 128), Uint32Array.of(0, 0, 1, 0)), ["18446744073709551616"]],
    ["decimal of negative scale", raw(new Decimal(-3, 10, 128), Uint32Array.of(7, 0, 0, 0)), ["7000"]],
    ["null", makeData({ type: new Null(), length: 2 }), [null, null]],
    ["dictionary", from(["red", null, "blue", "red"], new Dictionary(new Utf8(), new Int32())), ["red", null, "blue", "red"]],
  ])("%s", (_name, data, expected) => {
    expect(texts(data)).toEqual(expected);
  });

  it("gives nested values as JSON that keeps nulls, exact integers and what is not a number", () => {
    const floats = new List(new Field("item", new Float32(), true));
    expect(texts(from([[0.1, null, Number.NaN], [], null, [Infinity]], floats))).toEqual([
      '[0.1,null,"NaN"]',
      "[]",
      null,
      '["Infinity"]',
    ]);
    const ints = new FixedSizeList(2, new Field("item", new Int64(), true));
    expect(texts(from([[2n ** 60n, 1n], null], ints))).toEqual(["[1152921504606846976,1]", null]);
    const struct = new Struct<{ a: Utf8; b: Bool }>([new Field("a", new Utf8(), true), new Field("b", new Bool(), true)]);
    expect(
      texts(
        from(
          [
            { a: 'say "hi"', b: true },
            { a: null, b: null },
          ],
          struct,
        ),
      ),
    ).toEqual(['{"a":"say \\"hi\\"","b":true}', '{"a":null,"b":null}']);
    const pair = new Struct([new Field("key", new Utf8(), false), new Field("value", new Int32(), true)]);
    const map = new Map_(new Field("entries", pair, false) as never);
    expect(
      texts(
        from(
          [
            new Map([
              ["x", 1],
              ["y", null],
            ]),
          ],
          map,
        ),
      ),
    ).toEqual(['{"x":1,"y":null}']);
  });

  it("reads a slice as it reads the whole", () => {
    const columns = [
      from([true, null, false, true, null], new Bool()),
      from(["a", null, "ccc", "", "é"], new Utf8()),
      from([1n, null, 3n, 4n, 5n], new Int64()),
      from([[1, 2], null, [3], [], [4]], new List(new Field("item", new Float32(), true))),
      from([[1, 2], null, [3, 4], [5, 6], [7, 8]], new FixedSizeList(2, new Field("item", new Float32(), true))),
      from(["x", "y", null, "x", "z"], new Dictionary(new Utf8(), new Int32())),
      from([{ a: 1 }, null, { a: null }, { a: 4 }, { a: 5 }], new Struct([new Field("a", new Int32(), true)])),
    ];
    for (const data of columns) expect(texts(data.slice(1, 3))).toEqual(texts(data).slice(1, 4));
  });
});

describe("shortest numbers", () => {
  it("float32 reads back to the same bits and is never longer than nine digits", () => {
    const bits = fc.integer({ min: 0, max: 0xffff_ffff });
    fc.assert(
      fc.property(bits, (pattern) => {
        const value = new Float32Array(Uint32Array.of(pattern).buffer)[0]!;
        if (!Number.isFinite(value)) return;
        const text = float32Text(value);
        expect(Object.is(Math.fround(Number(text)), value)).toBe(true);
        const digits = text
          .replace(/e.*/, "")
          .replace(/\D/g, "")
          .replace(/^0+|0+$/g, "");
        if (Math.abs(value) < 2 ** 24) expect(digits.length).toBeLessThanOrEqual(9);
      }),
      { numRuns: 20_000 },
    );
  });

  it("float32 that was written with up to six digits comes back as it was written", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999 }), fc.integer({ min: 0, max: 12 }), (digits, places) => {
        const written = digits / 10 ** places;
        expect(float32Text(Math.fround(written))).toBe(String(written));
      }),
    );
  });

  it("float64 reads back to the same value, infinities and NaN by name", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => Object.is(Number(float64Text(value)), value)),
    );
    expect([Number.NaN, Infinity, -Infinity].map(float64Text)).toEqual(["NaN", "inf", "-inf"]);
  });
});

describe("dates", () => {
  it("agree with the language's own calendar over its whole range", () => {
    fc.assert(
      fc.property(fc.integer({ min: -100_000_000, max: 100_000_000 }), (day) => {
        expect(dateText(day)).toBe(new Date(day * 86_400_000).toISOString().split("T")[0]);
      }),
      { numRuns: 5_000 },
    );
  });
});
