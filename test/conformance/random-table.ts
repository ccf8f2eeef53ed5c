/** Random tables of every kind of column, their values made as Arrow holds them: nothing is rounded on the way in. */
import {
  Binary,
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Dictionary,
  Field,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  List,
  makeData,
  Struct,
  TimeMicrosecond,
  TimeMillisecond,
  Timestamp,
  TimeUnit,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import fc from "fast-check";

/** Values of one column; null where there is none. */
type Values = readonly unknown[];

export interface Kind {
  type: DataType;
  value: fc.Arbitrary<unknown>;
  data(values: Values): Data;
}

export const ROWS = { minLength: 1, maxLength: 40 };

function validity(values: Values): { nullCount: number; nullBitmap: Uint8Array } {
  const nullBitmap = new Uint8Array(Math.ceil(values.length / 64) * 8);
  values.forEach((value, row) => {
    if (value !== null) nullBitmap[row >> 3]! |= 1 << (row & 7);
  });
  return { nullCount: values.filter((value) => value === null).length, nullBitmap };
}

type Numbers = { new (length: number): { [at: number]: number | bigint; length: number } };

/** One array element per value; what stands under a null is 0. */
function plain(type: DataType, Made: Numbers, value: fc.Arbitrary<number | bigint>): Kind {
  return {
    type,
    value,
    data: (values) => {
      const data = new Made(values.length);
      values.forEach((one, row) => {
        if (one !== null) data[row] = one as number;
      });
      return makeData({ type, length: values.length, ...validity(values), data } as never);
    },
  };
}

const integer = (type: DataType, Made: Numbers, low: number, high: number): Kind =>
  plain(type, Made, fc.oneof(fc.integer({ min: low, max: high }), fc.constantFrom(low, high, 0)));
const big = (type: DataType, Made: Numbers, low: bigint, high: bigint): Kind =>
  plain(type, Made, fc.oneof(fc.bigInt({ min: low, max: high }), fc.constantFrom(low, high, 0n, 2n ** 53n + 1n)));

/** By apache-arrow's own builders, which these kinds go through exactly. */
const built = (type: DataType, value: fc.Arbitrary<unknown>): Kind => ({
  type,
  value,
  data: (values) => vectorFromArray(values as unknown[], type).data[0]!,
});

const SPECIAL_FLOATS = [
  Number.NaN,
  Infinity,
  -Infinity,
  -0,
  0,
  5e-324,
  1.5e-45,
  1.7976931348623157e308,
  3.4028234663852886e38,
  0.1,
  2 ** 53,
];
const double = fc.oneof(fc.double(), fc.constantFrom(...SPECIAL_FLOATS));
const single = fc.oneof(fc.float(), fc.constantFrom(...SPECIAL_FLOATS.map(Math.fround)));

const ODD_TEXTS = [
  "",
  " ",
  ",",
  ";",
  '"',
  '""',
  "a,b",
  'say "hi"',
  "\n",
  "a\r\nb",
  "\t",
  "é",
  "日本",
  "👩‍👩‍👧",
  "NaN",
  "null",
  "007",
  "1e5",
  "\\",
  "#x",
  "'",
  "a|b",
  "x".repeat(300),
];
/** U+FEFF at a file's start is a byte order mark, and a lone surrogate no text. */
const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }).filter((value) => !/[\p{Surrogate}\ufeff]/u.test(value)),
  fc.constantFrom(...ODD_TEXTS),
);

/** Years -9999 to 9999, in the unit. */
const timestamp = (unit: TimeUnit, timezone: string | null): Kind => {
  const limit = unit === TimeUnit.NANOSECOND ? 2n ** 63n - 1n : 250_000_000_000n * 1000n ** BigInt(unit);
  return plain(new Timestamp(unit, timezone), BigInt64Array, fc.bigInt({ min: -limit, max: limit }));
};

/** @param precision at most 38 */
function decimal(precision: number, scale: number): Kind {
  const type = new Decimal(scale, precision, 128);
  const limit = 10n ** BigInt(precision) - 1n;
  return {
    type,
    value: fc.oneof(fc.bigInt({ min: -limit, max: limit }), fc.constantFrom(limit, -limit, 0n, -1n)),
    data: (values) => {
      const data = new Uint32Array(values.length * 4);
      values.forEach((one, row) => {
        for (let word = 0; one !== null && word < 4; word++)
          data[row * 4 + word] = Number(BigInt.asUintN(32, (one as bigint) >> BigInt(32 * word)));
      });
      return makeData({ type, length: values.length, ...validity(values), data } as never);
    },
  };
}

const orNull = (value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => fc.option(value, { nil: null, freq: 4 });
const int32 = fc.integer();
const DAY_MS = 86_400_000;

export const KINDS: Record<string, Kind> = {
  i8: integer(new Int8(), Int8Array, -128, 127),
  i16: integer(new Int16(), Int16Array, -32768, 32767),
  i32: integer(new Int32(), Int32Array, -(2 ** 31), 2 ** 31 - 1),
  i64: big(new Int64(), BigInt64Array, -(2n ** 63n), 2n ** 63n - 1n),
  u8: integer(new Uint8(), Uint8Array, 0, 255),
  u16: integer(new Uint16(), Uint16Array, 0, 65535),
  u32: integer(new Uint32(), Uint32Array, 0, 2 ** 32 - 1),
  u64: big(new Uint64(), BigUint64Array, 0n, 2n ** 64n - 1n),
  f16: plain(new Float16(), Uint16Array, fc.integer({ min: 0, max: 65535 })),
  f32: plain(new Float32(), Float32Array, single),
  f64: plain(new Float64(), Float64Array, double),
  bool: built(new Bool(), fc.boolean()),
  text: built(new Utf8(), text),
  day: plain(new DateDay(), Int32Array, fc.integer({ min: -3_000_000, max: 2_900_000 })),
  "at s": timestamp(TimeUnit.SECOND, null),
  "at ms UTC": timestamp(TimeUnit.MILLISECOND, "UTC"),
  "at us": timestamp(TimeUnit.MICROSECOND, null),
  "at us Berlin": timestamp(TimeUnit.MICROSECOND, "Europe/Berlin"),
  "at ns": timestamp(TimeUnit.NANOSECOND, null),
  "time ms": plain(new TimeMillisecond(), Int32Array, fc.integer({ min: 0, max: DAY_MS - 1 })),
  "time us": plain(new TimeMicrosecond(), BigInt64Array, fc.bigInt({ min: 0n, max: BigInt(DAY_MS) * 1000n - 1n })),
  "decimal 9": decimal(9, 2),
  "decimal 38": decimal(38, 12),
  "decimal whole": decimal(20, 0),
  binary: built(new Binary(), fc.uint8Array({ maxLength: 8 })),
  dictionary: built(new Dictionary(new Utf8(), new Int32()), text),
  "list of int": built(new List(new Field("item", new Int32(), true)), fc.array(orNull(int32), { maxLength: 4 })),
  "list of float": built(new List(new Field("item", new Float64(), true)), fc.array(orNull(double), { maxLength: 4 })),
  "list of text": built(new List(new Field("item", new Utf8(), true)), fc.array(orNull(text), { maxLength: 4 })),
  three: built(new FixedSizeList(3, new Field("item", new Float32(), true)), fc.tuple(single, single, single)),
  struct: built(
    new Struct([new Field("a", new Int32(), true), new Field("b", new Utf8(), true)]),
    fc.record({ a: orNull(int32), b: orNull(text) }),
  ),
};

/** Column name -> values, all columns of one length. */
export const randomTable: fc.Arbitrary<Record<string, Data>> = fc
  .integer({ min: ROWS.minLength, max: ROWS.maxLength })
  .chain((rows) =>
    fc.record(
      Object.fromEntries(
        Object.entries(KINDS).map(([name, { value }]) => [name, fc.array(orNull(value), { minLength: rows, maxLength: rows })]),
      ),
    ),
  )
  .map((columns) => Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, KINDS[name]!.data(values)])));
