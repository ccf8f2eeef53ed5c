/**
 * Arrow types as Parquet can say them. The encoder writes three of them as bare integers, which every other reader then shows as
 * integers; they are turned into the nearest type with the same values:
 * date64 -> date32, timestamp[s] -> timestamp[ms], time32[s] -> time32[ms].
 */

import type { Interval, Time, Timestamp } from "apache-arrow";
import {
  type Data,
  type DataType,
  type Date_,
  DateDay,
  DateUnit,
  Dictionary,
  Field,
  FixedSizeList,
  IntervalUnit,
  LargeList,
  List,
  Map_,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  TimeMillisecond,
  TimestampMillisecond,
  TimeUnit,
  Type,
  Vector,
} from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import { typeText } from "../../values/arrow-columns.ts";
import { linear } from "../../values/linear-schema.ts";

const DAY_MS = 86_400_000n;

/** @throws BP_CONFIG naming every column that Parquet has no words for */
export function checkParquetTypes(fields: readonly Field[], file: string): void {
  const bad = fields.filter((field) => !isWritable(field.type));
  if (bad.length === 0) return;
  const [first] = bad;
  const problems = bad.map((field) => unwritable(field, file));
  const error = unwritable(first!, file);
  throw new BatchPredictError(error.code, error.message, {
    where: { file, column: first!.name },
    actual: typeText(first!.type),
    hints: ["leave the column out with --keep, or write to another format with --output"],
    ...(bad.length > 1
      ? { problems: problems.map(({ code, message, details }) => ({ code, message, where: details.where! })) }
      : {}),
  });
}

function unwritable(field: Field, file: string): BatchPredictError {
  return new BatchPredictError(
    "BP_CONFIG",
    `column ${field.name} cannot be written to Parquet: its type ${typeText(field.type)} has no Parquet form`,
    {
      where: { file, column: field.name },
    },
  );
}

function isWritable(type: DataType): boolean {
  const children = (type.children ?? []) as Field[];
  switch (type.typeId) {
    case Type.Union:
      return false;
    case Type.Interval:
      return (type as Interval).unit !== IntervalUnit.MONTH_DAY_NANO;
    case Type.Dictionary:
      return isWritable((type as Dictionary).dictionary);
    case Type.Struct:
      return children.length > 0 && children.every((child) => isWritable(child.type));
    default:
      return children.every((child) => isWritable(child.type));
  }
}

/** The same rows in types that Parquet has; unchanged columns share their memory. */
export function adaptBatch(batch: RecordBatch): RecordBatch {
  const children = batch.data.children.map(adapt);
  if (children.every((child, k) => child === batch.data.children[k])) return batch;
  const fields = batch.schema.fields.map((field, k) => withType(field, children[k]!.type));
  const schema = linear(new Schema(fields, batch.schema.metadata));
  return new RecordBatch(schema, makeData({ type: new Struct(fields), length: batch.numRows, nullCount: 0, children }));
}

function adapt(data: Data): Data {
  const { type, length } = data;
  switch (type.typeId) {
    case Type.Null:
      // A slice of it forgets that every value is null, and the encoder refuses the count.
      return makeData({ type, length });
    case Type.Date:
      return (type as Date_).unit === DateUnit.DAY ? data : days(data);
    case Type.Timestamp: {
      const { unit, timezone } = type as Timestamp;
      return unit === TimeUnit.SECOND ? retyped(data, new TimestampMillisecond(timezone), milliseconds(data)) : data;
    }
    case Type.Time:
      return (type as Time).unit === TimeUnit.SECOND ? retyped(data, new TimeMillisecond(), timeMilliseconds(data)) : data;
    case Type.Dictionary:
      return adaptDictionary(data);
    default:
      return data.children.length === 0 ? data : adaptChildren(data);
  }
}

function adaptChildren(data: Data): Data {
  const children = data.children.map(adapt);
  if (children.every((child, k) => child === data.children[k])) return data;
  const fields = (data.type.children as Field[]).map((field, k) => withType(field, children[k]!.type));
  return data.clone(nestedType(data.type, fields), data.offset, data.length, data.nullCount, data.buffers, children);
}

/** A list, map or struct with other children. */
export function nestedType(type: DataType, fields: Field[]): DataType {
  const child = fields[0]!;
  switch (type.typeId) {
    case Type.List:
      return new List(child);
    case Type.LargeList:
      return new LargeList(child);
    case Type.FixedSizeList:
      return new FixedSizeList((type as FixedSizeList).listSize, child);
    case Type.Map:
      return new Map_(child as Field<Struct<{ key: DataType; value: DataType }>>, (type as Map_).keysSorted);
    default:
      return new Struct(fields);
  }
}

function adaptDictionary(data: Data): Data {
  const values = data.dictionary!;
  const adapted = values.data.map(adapt);
  if (adapted.every((chunk, k) => chunk === values.data[k])) return data;
  const old = data.type as Dictionary;
  const type = new Dictionary(adapted[0]!.type, old.indices, old.id, old.isOrdered);
  const copy = data.clone(type);
  (copy as { dictionary: Vector }).dictionary = new Vector(adapted);
  return copy;
}

function days(data: Data): Data {
  const from = data.values as BigInt64Array;
  const into = new Int32Array(data.length);
  for (let row = 0; row < data.length; row++) {
    if (!data.getValid(row)) continue;
    const value = from[row]!;
    if (value % DAY_MS !== 0n) throw inexact(`${value} ms`, "a date64 value must be a whole day");
    into[row] = Number(value / DAY_MS);
  }
  return retyped(data, new DateDay(), into);
}

function milliseconds(data: Data): BigInt64Array {
  const from = data.values as BigInt64Array;
  const into = new BigInt64Array(data.length);
  for (let row = 0; row < data.length; row++) {
    if (!data.getValid(row)) continue;
    const value = from[row]! * 1000n;
    if (BigInt.asIntN(64, value) !== value) throw inexact(`${from[row]} s`, "the timestamp is too far away for milliseconds");
    into[row] = value;
  }
  return into;
}

function timeMilliseconds(data: Data): Int32Array {
  return Int32Array.from({ length: data.length }, (_, row) => (data.getValid(row) ? (data.values[row] as number) * 1000 : 0));
}

/** `values` start at the first row, so the null bitmap must too. */
function retyped(data: Data, type: DataType, values: Int32Array | BigInt64Array): Data {
  const nullBitmap = data.nullCount === 0 ? undefined : bitmap(data);
  return makeData({
    type,
    length: data.length,
    nullCount: data.nullCount,
    data: values,
    ...(nullBitmap && { nullBitmap }),
  } as Parameters<typeof makeData>[0]);
}

function bitmap(data: Data): Uint8Array {
  const bits = new Uint8Array(Math.ceil(data.length / 8));
  for (let row = 0; row < data.length; row++) if (data.getValid(row)) bits[row >> 3]! |= 1 << (row & 7);
  return bits;
}

function withType(field: Field, type: DataType): Field {
  return field.type === type ? field : new Field(field.name, type, field.nullable, field.metadata);
}

function inexact(actual: string, why: string): BatchPredictError {
  return new BatchPredictError("BP_OUTPUT_WRITE", `a kept value cannot be written to Parquet: ${why}`, {
    actual,
    hints: ["leave the column out with --keep, or write to another format with --output"],
  });
}
