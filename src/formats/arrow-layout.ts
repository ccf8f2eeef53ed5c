/** How many nodes and buffers each type takes in a record batch (columnar format, "recursive flattening"). */
import { type DataType, Dictionary, type Field, Type, type Union, UnionMode } from "apache-arrow";

/** Where a column starts in the flat lists of a record batch. */
export interface Cursor {
  node: number;
  buffer: number;
  variadic: number;
}

/** Moves the cursor behind a column of that type. */
export function skipColumn(type: DataType, cursor: Cursor, variadicCounts: readonly number[], unionValidity: boolean): void {
  cursor.node++;
  if (type instanceof Dictionary) {
    cursor.buffer += 2;
    return;
  }
  switch (type.typeId) {
    case Type.Null:
      return;
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Binary:
    case Type.LargeBinary:
      cursor.buffer += 3;
      return;
    case Type.Utf8View:
    case Type.BinaryView:
      cursor.buffer += 2 + (variadicCounts[cursor.variadic++] ?? 0);
      return;
    case Type.Struct:
    case Type.FixedSizeList:
      cursor.buffer += 1;
      break;
    case Type.Union:
      cursor.buffer += ((type as Union).mode === UnionMode.Dense ? 2 : 1) + (unionValidity ? 1 : 0);
      break;
    default:
      cursor.buffer += 2;
  }
  for (const child of (type.children ?? []) as Field[]) skipColumn(child.type, cursor, variadicCounts, unionValidity);
}

/** Dictionaries that reading a column needs, those inside of dictionaries too. */
export function dictionaryIds(type: DataType, into: Set<number> = new Set()): Set<number> {
  if (type instanceof Dictionary) {
    into.add(type.id);
    dictionaryIds(type.dictionary, into);
  }
  for (const child of (type.children ?? []) as Field[]) dictionaryIds(child.type, into);
  return into;
}

/** Bytes per value of a type whose values lie side by side. */
export function valueBytes(type: DataType): number {
  const { BYTES_PER_ELEMENT } = type.ArrayType as Uint8ArrayConstructor;
  return BYTES_PER_ELEMENT * strideOf(type);
}

function strideOf(type: DataType): number {
  switch (type.typeId) {
    case Type.Decimal:
      return (type as unknown as { bitWidth: number }).bitWidth / 32;
    case Type.Interval:
      return [1, 2, 4][(type as unknown as { unit: number }).unit]!;
    case Type.FixedSizeBinary:
      return (type as unknown as { byteWidth: number }).byteWidth;
    default:
      return 1;
  }
}
