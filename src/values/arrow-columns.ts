/** What an Arrow column can feed, and its type as people write it. */
import {
  type DataType,
  type Date_,
  DateUnit,
  type Decimal,
  Dictionary,
  type Duration,
  type Field,
  type FixedSizeBinary,
  type FixedSizeList,
  type Float,
  type Int,
  type Interval,
  IntervalUnit,
  Precision,
  type Time,
  type Timestamp,
  TimeUnit,
  Type,
  type Union,
} from "apache-arrow";
import type { ColumnRole, SourceColumn } from "../core/source.ts";

/** @param index position in the source's schema, 0-based */
export function describeArrowColumn(field: Field, index: number): SourceColumn {
  const role = roleOf(field.type);
  return {
    name: field.name,
    index,
    type: typeText(field.type),
    role,
    listSize: role === "list" ? listSize(field.type) : null,
    keptType: "source",
    numeric: role === "number",
  };
}

/** A column of nulls only feeds what missing values may feed. */
function roleOf(type: DataType): ColumnRole {
  switch (type.typeId) {
    case Type.Int:
    case Type.Float:
    case Type.Decimal:
    case Type.Null:
      return "number";
    case Type.Bool:
      return "bool";
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Utf8View:
      return "text";
    case Type.Dictionary:
      return roleOf((type as Dictionary).dictionary);
    case Type.List:
    case Type.LargeList:
    case Type.FixedSizeList: {
      const item = roleOf(itemType(type));
      return item === "number" || item === "bool" || item === "list" ? "list" : "other";
    }
    default:
      return "other";
  }
}

/** Elements per value, nested lists flattened; null as soon as one level has no fixed size. */
function listSize(type: DataType): number | null {
  if (type instanceof Dictionary) return listSize(type.dictionary);
  if (type.typeId === Type.List || type.typeId === Type.LargeList) return null;
  if (type.typeId !== Type.FixedSizeList) return 1;
  const inner = listSize(itemType(type));
  return inner === null ? null : inner * (type as FixedSizeList).listSize;
}

function itemType(type: DataType): DataType {
  return (type.children as Field[])[0]!.type;
}

const UNITS: Record<TimeUnit, string> = {
  [TimeUnit.SECOND]: "s",
  [TimeUnit.MILLISECOND]: "ms",
  [TimeUnit.MICROSECOND]: "us",
  [TimeUnit.NANOSECOND]: "ns",
};

/** pyarrow's and polars' spelling: `int64`, `list<float32>[384]`, `timestamp[us, UTC]`, `struct<a: int64>`. */
export function typeText(type: DataType): string {
  const fields = (type.children ?? []) as Field[];
  switch (type.typeId) {
    case Type.Null:
      return "null";
    case Type.Int: {
      const { isSigned, bitWidth } = type as Int;
      return `${isSigned ? "int" : "uint"}${bitWidth}`;
    }
    case Type.Float:
      return { [Precision.HALF]: "float16", [Precision.SINGLE]: "float32", [Precision.DOUBLE]: "float64" }[
        (type as Float).precision
      ];
    case Type.Bool:
      return "bool";
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Utf8View:
      return "text";
    case Type.Binary:
    case Type.LargeBinary:
    case Type.BinaryView:
      return "binary";
    case Type.FixedSizeBinary:
      return `binary[${(type as FixedSizeBinary).byteWidth}]`;
    case Type.Decimal: {
      const { precision, scale } = type as Decimal;
      return `decimal(${precision}, ${scale})`;
    }
    case Type.Date:
      return (type as Date_).unit === DateUnit.DAY ? "date32" : "date64";
    case Type.Time: {
      const { unit, bitWidth } = type as Time;
      return `time${bitWidth}[${UNITS[unit]}]`;
    }
    case Type.Timestamp: {
      const { unit, timezone } = type as Timestamp;
      return timezone ? `timestamp[${UNITS[unit]}, ${timezone}]` : `timestamp[${UNITS[unit]}]`;
    }
    case Type.Duration:
      return `duration[${UNITS[(type as Duration).unit]}]`;
    case Type.Interval:
      return `interval[${IntervalUnit[(type as Interval).unit].toLowerCase()}]`;
    case Type.Dictionary:
      return `dictionary<${typeText((type as Dictionary).dictionary)}>`;
    case Type.List:
    case Type.LargeList:
      return `list<${typeText(fields[0]!.type)}>`;
    case Type.FixedSizeList:
      return `list<${typeText(fields[0]!.type)}>[${(type as FixedSizeList).listSize}]`;
    case Type.Map: {
      const [key, value] = (fields[0]!.type.children ?? []) as Field[];
      return `map<${typeText(key!.type)}, ${typeText(value!.type)}>`;
    }
    case Type.Struct:
      return `struct<${fields.map((field) => `${field.name}: ${typeText(field.type)}`).join(", ")}>`;
    case Type.Union:
      return `union<${(type as Union).children.map((field) => `${field.name}: ${typeText(field.type)}`).join(", ")}>`;
    default:
      return String(type);
  }
}
