/**
 * INT96 timestamps: a day and the nanoseconds within it, of any year. Decoders make 64-bit nanoseconds of them, which end in 1677 and
 * 2262 and wrap around in silence, and writers put 9999-12-31 there for "never". Here they are microseconds, unless the file's stored
 * Arrow schema says otherwise, and a value that its unit cannot hold is an error.
 */
import {
  type Data,
  type DataType,
  type Field,
  FixedSizeList,
  List,
  Map_,
  Schema,
  Struct,
  Table,
  Timestamp,
  TimeUnit,
  Type,
  tableToIPC,
} from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import type { ParquetField } from "../../formats/parquet-schema.ts";
import { timestampText } from "../../values/time-text.ts";

/** Base64 of the schema with INT96 columns in this unit, as writers store it under "ARROW:schema"; null where there are none. */
export function int96Hint(schema: Schema, fields: readonly ParquetField[], unit: TimeUnit): string | null {
  if (!fields.some(({ int96 }) => int96.includes(true))) return null;
  const made = new Schema(schema.fields.map((field, at) => inUnit(field, [...fields[at]!.int96], unit)));
  const stream = Buffer.from(tableToIPC(new Table(made, []), "stream"));
  return stream.subarray(0, 8 + stream.readInt32LE(4)).toString("base64");
}

/** @param leaves of the field, in order; consumed */
function inUnit(field: Field, leaves: boolean[], unit: TimeUnit): Field {
  return field.clone({ type: typeInUnit(field.type, leaves, unit) });
}

function typeInUnit(type: DataType, leaves: boolean[], unit: TimeUnit): DataType {
  const children = (type.children ?? []) as Field[];
  if (children.length === 0) return leaves.shift() ? new Timestamp(unit, (type as Timestamp).timezone ?? null) : type;
  const [first, ...rest] = children.map((child) => inUnit(child, leaves, unit)) as [Field, ...Field[]];
  switch (type.typeId) {
    case Type.List:
      return new List(first);
    case Type.FixedSizeList:
      return new FixedSizeList((type as FixedSizeList).listSize, first);
    case Type.Map:
      return new Map_(first as Field<Struct>, (type as Map_).keysSorted);
    default:
      return new Struct([first, ...rest]);
  }
}

const PER_SECOND: Record<TimeUnit, bigint> = {
  [TimeUnit.SECOND]: 1n,
  [TimeUnit.MILLISECOND]: 1000n,
  [TimeUnit.MICROSECOND]: 1_000_000n,
  [TimeUnit.NANOSECOND]: 1_000_000_000n,
};

/** The same rows decoded again in seconds, which hold every INT96, and in nanoseconds, whose last digits are right even where they wrap. */
export interface Int96Check {
  seconds: Data;
  nanoseconds: Data;
}

/** @returns the first timestamp of the column that its unit cannot hold, as seconds; null when all are exact */
export function firstInexact(data: Data, check: Int96Check): { row: number; seconds: bigint } | null {
  if (data.type.typeId === Type.Timestamp) return firstInexactLeaf(data, check);
  for (const [at, child] of data.children.entries()) {
    const found = firstInexact(child, {
      seconds: check.seconds.children[at]!,
      nanoseconds: check.nanoseconds.children[at]!,
    });
    if (found !== null) return found;
  }
  return null;
}

function firstInexactLeaf(data: Data, { seconds, nanoseconds }: Int96Check): { row: number; seconds: bigint } | null {
  const values = data.values as BigInt64Array;
  const perSecond = PER_SECOND[(data.type as Timestamp).unit];
  const nanosPerUnit = PER_SECOND[TimeUnit.NANOSECOND] / perSecond;
  for (let row = 0; row < data.length; row++) {
    if (!data.getValid(row)) continue;
    const value = values[row]!;
    const whole = seconds.values[row] as bigint;
    const exact =
      floorDivide(value, perSecond) === whole && BigInt.asIntN(64, value * nanosPerUnit) === (nanoseconds.values[row] as bigint);
    if (!exact) return { row, seconds: whole };
  }
  return null;
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value < 0n && quotient * by !== value ? quotient - 1n : quotient;
}

export function refuseInt96(file: string, column: string, type: string, seconds: bigint): BatchPredictError {
  return new BatchPredictError("BP_SOURCE_CELL", `column "${column}" holds a timestamp that ${type} cannot hold exactly`, {
    where: { file, column },
    expected: "timestamps of the old INT96 kind that are whole in their unit and in its range",
    actual: `about ${timestampText(seconds, TimeUnit.SECOND, null)}`,
    hints: [
      "leave the column out of --keep",
      "write the file again with 64-bit timestamps: spark.sql.parquet.outputTimestampType",
    ],
  });
}
