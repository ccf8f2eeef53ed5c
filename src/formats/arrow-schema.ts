/**
 * Schemas of Arrow IPC (Schema.fbs), checked before apache-arrow decodes them: its flatbuffers follow any offset without bounds, it
 * reads big-endian files as if they were little-endian, and it names what it cannot read in words no user knows.
 */
import type { Field, Schema } from "apache-arrow";
import { Date as FbDate } from "apache-arrow/fb/date";
import { DateUnit } from "apache-arrow/fb/date-unit";
import { Decimal } from "apache-arrow/fb/decimal";
import { Duration } from "apache-arrow/fb/duration";
import { Endianness } from "apache-arrow/fb/endianness";
import type { Field as FbField } from "apache-arrow/fb/field";
import { FixedSizeBinary } from "apache-arrow/fb/fixed-size-binary";
import { FixedSizeList } from "apache-arrow/fb/fixed-size-list";
import { FloatingPoint } from "apache-arrow/fb/floating-point";
import { Int } from "apache-arrow/fb/int";
import { Interval } from "apache-arrow/fb/interval";
import { IntervalUnit } from "apache-arrow/fb/interval-unit";
import { Precision } from "apache-arrow/fb/precision";
import type { Schema as FbSchema } from "apache-arrow/fb/schema";
import { Time } from "apache-arrow/fb/time";
import { TimeUnit } from "apache-arrow/fb/time-unit";
import { Timestamp } from "apache-arrow/fb/timestamp";
import { Type } from "apache-arrow/fb/type";
import { Union } from "apache-arrow/fb/union";
import { DAMAGED_HINTS, refuseArrow } from "./arrow-error.ts";

const MAX_FIELDS = 1 << 20;
const MAX_DEPTH = 64;

/** Spelled as in the columnar format, with what users would call them. */
const UNREADABLE: Partial<Record<Type, string>> = {
  [Type.RunEndEncoded]: "run-end encoded",
  [Type.ListView]: "a list view",
  [Type.LargeListView]: "a large list view",
};

/** @param bytes length of the metadata that holds the schema: bounds every count in it */
export function checkSchema(file: string, schema: FbSchema | null, bytes: number): void {
  if (schema === null) throw refuseArrow(file, "it has no schema", DAMAGED_HINTS);
  if (schema.endianness() !== Endianness.Little) {
    throw refuseArrow(file, "its numbers are big-endian", [
      "write it again on a little-endian machine, or with pyarrow, which swaps them",
    ]);
  }
  const count = schema.fieldsLength();
  const walk = new Walk(file, bytes);
  walk.count(count);
  walk.customMetadata(schema.customMetadataLength());
  for (let at = 0; at < count; at++) walk.field(schema.fields(at), 0, "");
}

class Walk {
  private fields = 0;

  constructor(
    private readonly file: string,
    private readonly bytes: number,
  ) {}

  /** Vectors of tables hold 4 bytes per element. */
  count(elements: number): void {
    this.fields += elements;
    if (!(elements >= 0 && elements * 4 <= this.bytes && this.fields <= MAX_FIELDS))
      throw this.damaged("its schema has impossible counts");
  }

  /** apache-arrow reads every key that is announced, four billion if need be. */
  customMetadata(entries: number): void {
    if (!(entries >= 0 && entries * 4 <= this.bytes)) throw this.damaged("its schema has impossible counts");
  }

  field(field: FbField | null, depth: number, parent: string): void {
    if (field === null || depth > MAX_DEPTH) throw this.damaged("its schema is nested too deeply or has gaps");
    const name = parent === "" ? (field.name() ?? "") : `${parent}.${field.name() ?? ""}`;
    const type = field.typeType();
    const unreadable = UNREADABLE[type];
    if (unreadable !== undefined) {
      throw refuseArrow(this.file, `column "${name}" is ${unreadable}, a layout that is not supported`, [
        "write the column in an ordinary layout: in pyarrow, cast it to its value type or to a list",
      ]);
    }
    if (type <= Type.NONE || type > Type.LargeListView) throw this.damaged(`column "${name}" has an unknown type (${type})`);
    const children = field.childrenLength();
    this.count(children);
    this.customMetadata(field.customMetadataLength());
    for (let at = 0; at < children; at++) this.field(field.children(at), depth + 1, name);
    this.checkType(field, name, children);
    const index = field.dictionary()?.indexType();
    if (index !== null && index !== undefined && !INT_BITS.has(index.bitWidth()))
      throw this.damaged(`column "${name}" has impossible codes`);
  }

  private checkType(field: FbField, name: string, children: number): void {
    const type = field.typeType();
    const only = ONE_CHILD.has(type);
    if (only && children !== 1) throw this.damaged(`column "${name}" is a list without elements`);
    const sound = (): boolean => {
      switch (type) {
        case Type.Int:
          return INT_BITS.has((field.type(new Int()) as Int).bitWidth());
        case Type.FloatingPoint:
          return (field.type(new FloatingPoint()) as FloatingPoint).precision() in Precision;
        case Type.Decimal: {
          const decimal = field.type(new Decimal()) as Decimal;
          return DECIMAL_BITS.has(decimal.bitWidth()) && decimal.precision() >= 1 && Math.abs(decimal.scale()) <= 1000;
        }
        case Type.Duration:
          return (field.type(new Duration()) as Duration).unit() in TimeUnit;
        case Type.Timestamp:
          return (field.type(new Timestamp()) as Timestamp).unit() in TimeUnit;
        case Type.Time:
          return (field.type(new Time()) as Time).unit() in TimeUnit;
        case Type.Date:
          return (field.type(new FbDate()) as FbDate).unit() in DateUnit;
        case Type.Interval:
          return (field.type(new Interval()) as Interval).unit() in IntervalUnit;
        case Type.FixedSizeBinary:
          return (field.type(new FixedSizeBinary()) as FixedSizeBinary).byteWidth() >= 0;
        case Type.FixedSizeList:
          return (field.type(new FixedSizeList()) as FixedSizeList).listSize() >= 0;
        case Type.Map:
          return field.children(0)?.typeType() === Type.Struct_ && field.children(0)?.childrenLength() === 2;
        case Type.Union: {
          const ids = (field.type(new Union()) as Union).typeIdsArray();
          return ids === null || (ids.length === children && ids.every((id) => id >= 0 && id < 128));
        }
        default:
          return true;
      }
    };
    if (!sound()) throw this.damaged(`column "${name}" has an impossible type`);
  }

  private damaged(why: string): Error {
    return refuseArrow(this.file, why, DAMAGED_HINTS);
  }
}

const INT_BITS = new Set([8, 16, 32, 64]);
const DECIMAL_BITS = new Set([32, 64, 128, 256]);
const ONE_CHILD = new Set([Type.List, Type.LargeList, Type.FixedSizeList, Type.Map]);

/** First difference in names, order or types; nullability and metadata may differ. Null when there is none; undefined: no such column. */
export function schemaDifference(
  first: Schema,
  other: Schema,
): { index: number; expected: Field | undefined; actual: Field | undefined } | null {
  for (let index = 0; index < Math.max(first.fields.length, other.fields.length); index++) {
    const [a, b] = [first.fields[index], other.fields[index]];
    if (a !== undefined && b !== undefined && a.name === b.name && String(a.type) === String(b.type)) continue;
    return { index, expected: a, actual: b };
  }
  return null;
}
