/**
 * Columns that are written by our own loops: integers, dates, timestamps and floats of fixed width. They are what predictions and ids are
 * made of, and the general encoder spends ten times their cost on them.
 * Source: parquet.thrift (Type, ConvertedType, LogicalType, SchemaElement). The elements are those of the general encoder, byte for
 * byte, because row groups of one file may come from either.
 */
import {
  type DataType,
  type Date_,
  DateUnit,
  type Field,
  type Float,
  type Int,
  Precision,
  type Timestamp,
  TimeUnit,
  Type,
} from "apache-arrow";
import { Thrift, type ThriftStruct, type ThriftValue } from "../../formats/thrift-compact.ts";

/** How the kernel compares values: the numbers of `range` in src/kernels/parquet.ts. */
export const RANGE = { int32: 0, uint32: 1, int64: 2, uint64: 3, float32: 4, float64: 5 } as const;

export interface PlainType {
  /** parquet.thrift Type: 1 INT32, 2 INT64, 4 FLOAT, 5 DOUBLE. */
  physical: 1 | 2 | 4 | 5;
  /** Bytes of a stored value. */
  width: 4 | 8;
  range: (typeof RANGE)[keyof typeof RANGE];
  /** ConvertedType, where there is one. */
  converted?: number;
  /** LogicalType, a union of one field. */
  logical?: ThriftStruct;
}

/** @returns null for all others */
export function plainType(type: DataType): PlainType | null {
  switch (type.typeId) {
    case Type.Int:
      return integer(type as Int);
    case Type.Float: {
      const { precision } = type as Float;
      if (precision === Precision.HALF) return null;
      return precision === Precision.SINGLE
        ? { physical: 4, width: 4, range: RANGE.float32 }
        : { physical: 5, width: 8, range: RANGE.float64 };
    }
    case Type.Date:
      return (type as Date_).unit === DateUnit.DAY
        ? { physical: 1, width: 4, range: RANGE.int32, converted: 6, logical: new Map([[6, EMPTY]]) }
        : null;
    case Type.Timestamp:
      return timestamp(type as Timestamp);
    default:
      return null;
  }
}

/** The leaf of a column in the schema list. */
export function schemaElement(field: Field, type: PlainType): ThriftStruct {
  return new Map<number, ThriftValue>([
    [1, i32(type.physical)],
    [3, i32(field.nullable ? 1 : 0)],
    [4, { type: Thrift.Binary, value: Buffer.from(field.name) }],
    ...(type.converted === undefined ? [] : [[6, i32(type.converted)] as [number, ThriftValue]]),
    ...(type.logical === undefined ? [] : [[10, { type: Thrift.Struct, value: type.logical }] as [number, ThriftValue]]),
  ]);
}

const EMPTY: ThriftValue = { type: Thrift.Struct, value: new Map() };

function integer({ bitWidth, isSigned }: Int): PlainType {
  const wide = bitWidth === 64;
  const shape = wide ? ({ physical: 2, width: 8 } as const) : ({ physical: 1, width: 4 } as const);
  const range = wide ? (isSigned ? RANGE.int64 : RANGE.uint64) : isSigned ? RANGE.int32 : RANGE.uint32;
  // int32 and int64 are what the physical types say already.
  if (isSigned && bitWidth >= 32) return { ...shape, range };
  const logical: ThriftStruct = new Map([
    [
      10,
      {
        type: Thrift.Struct,
        value: new Map<number, ThriftValue>([
          [1, { type: Thrift.I8, value: bitWidth }],
          [2, { type: Thrift.True, value: isSigned }],
        ]),
      },
    ],
  ]);
  return { ...shape, range, converted: (isSigned ? 15 : 11) + Math.log2(bitWidth / 8), logical };
}

function timestamp({ unit, timezone }: Timestamp): PlainType | null {
  const slot = { [TimeUnit.SECOND]: 0, [TimeUnit.MILLISECOND]: 1, [TimeUnit.MICROSECOND]: 2, [TimeUnit.NANOSECOND]: 3 }[unit];
  if (slot === 0) return null;
  const isUtc = timezone !== null && timezone !== undefined && timezone !== "";
  const value: ThriftStruct = new Map<number, ThriftValue>([
    [1, { type: Thrift.True, value: isUtc }],
    [2, { type: Thrift.Struct, value: new Map([[slot, EMPTY]]) }],
  ]);
  const logical: ThriftStruct = new Map([[8, { type: Thrift.Struct, value }]]);
  return { physical: 2, width: 8, range: RANGE.int64, ...(slot < 3 ? { converted: 8 + slot } : {}), logical };
}

function i32(value: number): ThriftValue {
  return { type: Thrift.I32, value };
}
