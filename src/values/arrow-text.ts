/**
 * Arrow values as text: what CSV cells, SQLite TEXT columns and `inspect` show. One rule per type:
 *
 * | type | text |
 * |---|---|
 * | bool | `true`, `false` |
 * | integers | decimal, exact |
 * | floats | shortest that reads back to the same value of that type; `NaN`, `inf`, `-inf` |
 * | decimal | plain decimal with the type's scale: `12.30` |
 * | date, timestamp, time | ISO 8601; a timestamp with a zone in UTC with `Z` |
 * | duration, interval | ISO 8601: `PT3723.000001S`, `P1Y2M`, `P1M3DT0.000000001S` |
 * | binary | hexadecimal, lower case |
 * | list, struct, map, union | JSON; a map is an object, numbers stay bare digits, NaN and infinities are the strings `"NaN"`, `"Infinity"`, `"-Infinity"` (as in proto3's JSON mapping) |
 * | dictionary | the value it stands for |
 */
import { isAscii } from "node:buffer";
import {
  type Data,
  type DataType,
  type Date_,
  DateUnit,
  type Decimal,
  type Duration,
  type Float,
  type Interval,
  IntervalUnit,
  Precision,
  type RecordBatch,
  type Time,
  type Timestamp,
  Type,
  type Union,
  UnionMode,
  util,
  Vector,
} from "apache-arrow";
import { float32Text, float64Text } from "./number-text.ts";
import { dateText, dayTimeText, durationText, monthDayNanoText, monthsText, timestampText, timeText } from "./time-text.ts";

/** Text of one element; null for a null. `index` counts from the start of the (possibly sliced) data. */
export type TextReader = (index: number) => string | null;
type JsonReader = (index: number) => string;

/** Chosen once per column and batch. */
export function textReader(data: Data): TextReader {
  const { typeId } = data.type;
  if (typeId === Type.Null) return () => null;
  if (typeId === Type.Dictionary) return dictionaryReader(data, textReader);
  if (isNested(data.type)) {
    const json = jsonReader(data);
    return (index) => (data.getValid(index) ? json(index) : null);
  }
  return nullable(data, scalarReader(data));
}

export function isNested(type: DataType): boolean {
  const { typeId } = type;
  return (
    typeId === Type.List ||
    typeId === Type.LargeList ||
    typeId === Type.FixedSizeList ||
    typeId === Type.Struct ||
    typeId === Type.Map ||
    typeId === Type.Union
  );
}

/** The reader is only asked for valid elements. */
export function nullable<T>(data: Data, read: (index: number) => T): (index: number) => T | null {
  return data.nullCount === 0 ? read : (index) => (data.getValid(index) ? read(index) : null);
}

/** Decodes each code once. @param open makes the reader of a chunk of the dictionary */
export function dictionaryReader<T>(data: Data, open: (chunk: Data) => (index: number) => T): (index: number) => T | null {
  const chunks = data.dictionary?.data ?? [];
  const readers: { from: number; read: (index: number) => T }[] = [];
  let length = 0;
  for (const chunk of chunks) {
    readers.unshift({ from: length, read: open(chunk) });
    length += chunk.length;
  }
  const known = new Map<number, T>();
  return nullable(data, (index) => {
    const code = Number(data.values[index]);
    let value = known.get(code);
    if (value === undefined) {
      const chunk = readers.find(({ from }) => code >= from)!;
      value = chunk.read(code - chunk.from);
      known.set(code, value);
    }
    return value;
  });
}

export function boolReader(data: Data): (index: number) => boolean {
  const { offset, values } = data;
  return (index) => ((values[(offset + index) >> 3]! >> ((offset + index) & 7)) & 1) === 1;
}

export function binaryReader(data: Data): (index: number) => Uint8Array {
  const vector = new Vector([data]);
  return (index) => vector.get(index) as Uint8Array;
}

/** Float16 as the number it stands for; other widths as they are. */
export function floatReader(data: Data): (index: number) => number {
  const { values } = data;
  if ((data.type as Float).precision === Precision.HALF) return (index) => util.uint16ToFloat64(values[index]!);
  return (index) => values[index]!;
}

/**
 * Where all bytes are ASCII, byte positions are character positions: the batch is decoded at once and cut, about four times as
 * fast as decoding value by value.
 */
export function utf8Reader(data: Data): (index: number) => string {
  const { values, valueOffsets, length } = data;
  if (data.type.typeId === Type.Utf8View || length === 0) {
    const vector = new Vector([data]);
    return (index) => vector.get(index) as string;
  }
  const offsets = valueOffsets as Int32Array | BigInt64Array;
  const start = Number(offsets[0]);
  const bytes = Buffer.from(values.buffer, values.byteOffset + start, Number(offsets[length]) - start);
  if (isAscii(bytes)) {
    const text = bytes.toString("latin1");
    return (index) => text.substring(Number(offsets[index]) - start, Number(offsets[index + 1]) - start);
  }
  return (index) => bytes.toString("utf8", Number(offsets[index]) - start, Number(offsets[index + 1]) - start);
}

function scalarReader(data: Data): (index: number) => string {
  const { type, values } = data;
  switch (type.typeId) {
    case Type.Bool: {
      const read = boolReader(data);
      return (index) => (read(index) ? "true" : "false");
    }
    case Type.Int:
      return (index) => String(values[index]);
    case Type.Float: {
      const read = floatReader(data);
      const text = (type as Float).precision === Precision.DOUBLE ? float64Text : float32Text;
      return (index) => text(read(index));
    }
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Utf8View:
      return utf8Reader(data);
    case Type.Binary:
    case Type.LargeBinary:
    case Type.BinaryView:
    case Type.FixedSizeBinary: {
      const read = binaryReader(data);
      return (index) => {
        const bytes = read(index);
        return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
      };
    }
    case Type.Decimal: {
      const { scale } = type as Decimal;
      return (index) => decimalText(data, index, scale);
    }
    default:
      return temporalReader(data);
  }
}

function temporalReader(data: Data): (index: number) => string {
  const { type, values } = data;
  switch (type.typeId) {
    case Type.Date:
      if ((type as Date_).unit === DateUnit.DAY) return (index) => dateText(values[index]!);
      return (index) => dateOfMilliseconds(values[index]!);
    case Type.Timestamp: {
      const { unit, timezone } = type as Timestamp;
      return (index) => timestampText(values[index]!, unit, timezone ?? null);
    }
    case Type.Time: {
      const { unit } = type as Time;
      return (index) => timeText(BigInt(values[index]!), unit);
    }
    case Type.Duration: {
      const { unit } = type as Duration;
      return (index) => durationText(values[index]!, unit);
    }
    case Type.Interval:
      return intervalReader(values, (type as Interval).unit);
    default: {
      const vector = new Vector([data]);
      return (index) => String(vector.get(index));
    }
  }
}

/** A Date64 is meant to hold whole days; one that does not is shown in full rather than cut. */
function dateOfMilliseconds(value: bigint): string {
  return value % 86_400_000n === 0n ? dateText(Number(value / 86_400_000n)) : timestampText(value, 1, null);
}

function intervalReader(values: Int32Array, unit: IntervalUnit): (index: number) => string {
  if (unit === IntervalUnit.YEAR_MONTH) return (index) => monthsText(values[index]!);
  if (unit === IntervalUnit.DAY_TIME) return (index) => dayTimeText(values[index * 2]!, values[index * 2 + 1]!);
  return (index) => {
    const at = index * 4;
    const nanoseconds = (BigInt(values[at + 3]!) << 32n) | BigInt(values[at + 2]! >>> 0);
    return monthDayNanoText(values[at]!, values[at + 1]!, nanoseconds);
  };
}

/** Two's complement of 1 to 8 little-endian words, unscaled. */
function decimalText(data: Data, index: number, scale: number): string {
  const words = data.values as Uint32Array;
  const { stride } = data;
  let value = BigInt(words[index * stride + stride - 1]! | 0);
  for (let word = stride - 2; word >= 0; word--) value = (value << 32n) | BigInt(words[index * stride + word]!);
  const digits = String(value < 0n ? -value : value);
  const sign = value < 0n ? "-" : "";
  if (scale <= 0) return sign + (value === 0n ? "0" : digits + "0".repeat(-scale));
  const padded = digits.padStart(scale + 1, "0");
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
}

function jsonReader(data: Data): JsonReader {
  const read = validJsonReader(data);
  return (index) => (data.getValid(index) ? read(index) : "null");
}

function validJsonReader(data: Data): JsonReader {
  const { type, valueOffsets, children, stride } = data;
  switch (type.typeId) {
    case Type.Null:
      return () => "null";
    case Type.Dictionary:
      return dictionaryReader(data, jsonReader) as JsonReader;
    case Type.List:
    case Type.LargeList: {
      const item = jsonReader(children[0]!);
      return (index) => jsonArray(item, Number(valueOffsets[index]), Number(valueOffsets[index + 1]));
    }
    case Type.FixedSizeList: {
      const item = jsonReader(children[0]!);
      return (index) => jsonArray(item, index * stride, (index + 1) * stride);
    }
    case Type.Struct: {
      const fields = (type.children as { name: string }[]).map(({ name }, at) => ({
        key: JSON.stringify(name),
        read: jsonReader(children[at]!),
      }));
      return (index) => `{${fields.map(({ key, read }) => `${key}:${read(index)}`).join(",")}}`;
    }
    case Type.Map: {
      const [keys, items] = children[0]!.children as [Data, Data];
      const key = textReader(keys);
      const item = jsonReader(items);
      return (index) => {
        const parts: string[] = [];
        for (let at = valueOffsets[index]!; at < valueOffsets[index + 1]!; at++)
          parts.push(`${JSON.stringify(key(at))}:${item(at)}`);
        return `{${parts.join(",")}}`;
      };
    }
    case Type.Union:
      return unionReader(data);
    case Type.Bool:
    case Type.Int:
      return scalarReader(data);
    case Type.Float: {
      const text = scalarReader(data);
      return (index) => JSON_NOT_NUMBERS.get(text(index)) ?? text(index);
    }
    default: {
      const text = scalarReader(data);
      return (index) => JSON.stringify(text(index));
    }
  }
}

const JSON_NOT_NUMBERS = new Map([
  ["NaN", '"NaN"'],
  ["inf", '"Infinity"'],
  ["-inf", '"-Infinity"'],
]);

function jsonArray(item: JsonReader, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += at === start ? item(at) : `,${item(at)}`;
  return `[${text}]`;
}

function unionReader(data: Data): JsonReader {
  const { mode, typeIdToChildIndex } = data.type as Union;
  const readers = data.children.map(jsonReader);
  const { typeIds, valueOffsets } = data;
  return (index) => {
    const read = readers[typeIdToChildIndex[typeIds[index]!]!]!;
    return read(mode === UnionMode.Dense ? Number(valueOffsets[index]) : index);
  };
}

/** One row as a JSON object, for rejects and previews. @param row position in the batches as one; null when there is none */
export function rowJson(batches: readonly RecordBatch[], row: number): string | null {
  let start = 0;
  for (const batch of batches) {
    // Cut to the row first: readers prepare whole columns.
    if (row < start + batch.numRows) return row < start ? null : jsonReader(batch.data.slice(row - start, 1))(0);
    start += batch.numRows;
  }
  return null;
}
