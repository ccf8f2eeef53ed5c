/**
 * Rows out of Arrow data, for every type: take by position, and concatenate, in one function. Two encodings come out plain, because
 * one schema must hold for a whole run while dictionaries differ from batch to batch: a dictionary becomes the values it stands for,
 * a string or binary view becomes an ordinary string or binary. All other types come out as they went in.
 */
import {
  Binary,
  type Data,
  DataType,
  Dictionary,
  Field,
  FixedSizeList,
  LargeList,
  List,
  Map_,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Type,
  Union,
  UnionMode,
  Utf8,
  type Vector,
} from "apache-arrow";
import { makeColumn, takeBytes } from "./arrow-take-bytes.ts";

/** In `Piece.rows`: a null comes out. */
export const NULL_ROW = 0xffff_ffff;

/** Positions count from the start of the (possibly sliced) data. */
export interface Piece {
  data: Data;
  rows: Uint32Array;
}

/** The type that `takePieces` gives; the same object when nothing changes. */
export function plainType(type: DataType): DataType {
  if (type instanceof Dictionary) return plainType(type.dictionary);
  if (DataType.isUtf8View(type)) return new Utf8();
  if (DataType.isBinaryView(type)) return new Binary();
  const before = (type.children ?? []) as Field[];
  if (before.length === 0) return type;
  const children = before.map((field) => {
    const plain = plainType(field.type);
    return plain === field.type ? field : new Field(field.name, plain, field.nullable, field.metadata);
  });
  if (children.every((field, at) => field === before[at])) return type;
  switch (type.typeId) {
    case Type.List:
      return new List(children[0]!);
    case Type.LargeList:
      return new LargeList(children[0]!);
    case Type.FixedSizeList:
      return new FixedSizeList((type as FixedSizeList).listSize, children[0]!);
    case Type.Map:
      return new Map_(children[0] as Field<Struct<{ key: DataType; value: DataType }>>, (type as Map_).keysSorted);
    case Type.Union: {
      const { mode, typeIds } = type as Union;
      return new Union(mode, typeIds, children);
    }
    default:
      return new Struct(children);
  }
}

/** Rows `from` up to `to` (exclusive) as positions. */
export function rowRange(from: number, to: number): Uint32Array {
  const rows = new Uint32Array(to - from);
  for (let i = 0; i < rows.length; i++) rows[i] = from + i;
  return rows;
}

/** Rows of one column, in the order given; see `takePieces`. @param rows positions, NULL_ROW for a null */
export function takeRows(data: Data, rows: Uint32Array): Data {
  return takePieces(data.type, [{ data, rows }]);
}

/**
 * @param type of every piece; needed because there may be none
 * @returns the rows of all pieces one after the other, in `plainType(type)`, sharing no memory with the pieces
 * @throws BP_SOURCE_LIMIT when the bytes of a string or binary column exceed 2^31 - 1
 */
export function takePieces(type: DataType, pieces: readonly Piece[]): Data {
  if (type instanceof Dictionary) return takePieces(type.dictionary, pieces.map(decodeDictionary));
  const plain = plainType(type);
  const length = pieces.reduce((sum, { rows }) => sum + rows.length, 0);
  switch (type.typeId) {
    case Type.Null:
      return makeColumn(plain, length, { nullCount: length });
    case Type.Bool:
      return makeColumn(plain, length, { ...takeValidity(pieces, length), values: takeBits(pieces, length, bitOfValues) });
    case Type.Utf8:
    case Type.LargeUtf8:
    case Type.Binary:
    case Type.LargeBinary:
    case Type.Utf8View:
    case Type.BinaryView:
      return makeColumn(plain, length, { ...takeValidity(pieces, length), ...takeBytes(plain, pieces, length) });
    case Type.List:
    case Type.LargeList:
    case Type.Map: {
      const { valueOffsets, items } = takeListOffsets(type, pieces, length);
      const children = [takePieces((type as List).children[0]!.type, items)];
      return makeColumn(plain, length, { ...takeValidity(pieces, length), valueOffsets, children });
    }
    case Type.FixedSizeList: {
      const { listSize } = type as FixedSizeList;
      const items = pieces.map(({ data, rows }) => ({ data: data.children[0]!, rows: spread(rows, listSize) }));
      return makeColumn(plain, length, {
        ...takeValidity(pieces, length),
        children: [takePieces((type as FixedSizeList).children[0]!.type, items)],
      });
    }
    case Type.Struct:
      return makeColumn(plain, length, { ...takeValidity(pieces, length), children: takeChildren(type, pieces) });
    case Type.Union:
      return takeUnion(type as Union, plain, pieces, length);
    default:
      return makeColumn(plain, length, { ...takeValidity(pieces, length), values: takeFixed(type, pieces, length) });
  }
}

/** A batch without rows, which still tells the (plain) types of its columns. */
export function emptyBatch(fields: readonly Field[]): RecordBatch {
  const children = fields.map(({ type }) => takePieces(type, []));
  const plain = fields.map(({ name, nullable }, at) => new Field(name, children[at]!.type, nullable));
  return new RecordBatch(new Schema(plain), makeData({ type: new Struct(plain), length: 0, nullCount: 0, children }));
}

const decoded = new WeakMap<Vector, Data>();

/** Rows of the dictionary instead of codes; the dictionary itself, which may be several chunks (deltas), is joined once. */
function decodeDictionary({ data, rows }: Piece): Piece {
  const dictionary = data.dictionary!;
  let values = decoded.get(dictionary);
  if (values === undefined) {
    const chunks = dictionary.data;
    values =
      chunks.length === 1
        ? chunks[0]!
        : takePieces(
            dictionary.type,
            chunks.map((chunk) => ({ data: chunk, rows: rowRange(0, chunk.length) })),
          );
    decoded.set(dictionary, values);
  }
  const codes = data.values;
  return { data: values, rows: rows.map((row) => (row === NULL_ROW || !isValid(data, row) ? NULL_ROW : Number(codes[row]))) };
}

function isValid(data: Data, row: number): boolean {
  return data.nullCount === 0 || data.getValid(row);
}

function takeValidity(pieces: readonly Piece[], length: number): { nullCount: number; nullBitmap?: Uint8Array } {
  const nullable = pieces.some(({ data, rows }) => data.nullCount > 0 || rows.includes(NULL_ROW));
  if (!nullable) return { nullCount: 0 };
  const nullBitmap = takeBits(pieces, length, (data, row) => isValid(data, row));
  return { nullCount: -1, nullBitmap };
}

function bitOfValues(data: Data, row: number): boolean {
  const at = data.offset + row;
  return ((data.values[at >> 3]! >> (at & 7)) & 1) === 1;
}

function takeBits(pieces: readonly Piece[], length: number, bit: (data: Data, row: number) => boolean): Uint8Array {
  // Padded to 8 bytes, as Arrow's writers expect of a bitmap.
  const bits = new Uint8Array(((length + 63) >> 6) << 3);
  let at = 0;
  for (const { data, rows } of pieces) {
    for (const row of rows) {
      if (row !== NULL_ROW && bit(data, row)) bits[at >> 3]! |= 1 << (at & 7);
      at++;
    }
  }
  return bits;
}

function takeFixed(type: DataType, pieces: readonly Piece[], length: number): Data["values"] {
  const stride = pieces[0]?.data.stride ?? 1;
  const values = new (type.ArrayType as Uint8ArrayConstructor)(length * stride);
  let at = 0;
  for (const { data, rows } of pieces) {
    const from = data.values as Uint8Array;
    for (let i = 0; i < rows.length; at++) {
      const row = rows[i++]!;
      if (row === NULL_ROW) continue;
      if (stride === 1) values[at] = from[row]!;
      else for (let k = 0; k < stride; k++) values[at * stride + k] = from[row * stride + k]!;
    }
  }
  return values;
}

function takeListOffsets(
  type: DataType,
  pieces: readonly Piece[],
  length: number,
): { valueOffsets: Int32Array | BigInt64Array; items: Piece[] } {
  const ends = new Float64Array(length + 1);
  let at = 0;
  let total = 0;
  const items = pieces.map(({ data, rows }): Piece => {
    const offsets = data.valueOffsets as Int32Array | BigInt64Array;
    const before = total;
    for (const row of rows) {
      if (row !== NULL_ROW && isValid(data, row)) total += Number(offsets[row + 1]) - Number(offsets[row]);
      ends[++at] = total;
    }
    const itemRows = new Uint32Array(total - before);
    let out = 0;
    for (const row of rows) {
      if (row === NULL_ROW || !isValid(data, row)) continue;
      for (let item = Number(offsets[row]), end = Number(offsets[row + 1]); item < end; item++) itemRows[out++] = item;
    }
    return { data: data.children[0]!, rows: itemRows };
  });
  return { valueOffsets: type.typeId === Type.LargeList ? BigInt64Array.from(ends, BigInt) : Int32Array.from(ends), items };
}

function spread(rows: Uint32Array, size: number): Uint32Array {
  const items = new Uint32Array(rows.length * size);
  for (let i = 0, at = 0; i < rows.length; i++) {
    for (let k = 0; k < size; k++) items[at++] = rows[i] === NULL_ROW ? NULL_ROW : rows[i]! * size + k;
  }
  return items;
}

function takeChildren(type: DataType, pieces: readonly Piece[]): Data[] {
  const fields = (type.children ?? []) as Field[];
  return fields.map((field, at) =>
    takePieces(
      field.type,
      pieces.map(({ data, rows }) => ({ data: data.children[at]!, rows })),
    ),
  );
}

/** A union has no nulls of its own: a null comes out as a null of its first child. */
function takeUnion(type: Union, plain: DataType, pieces: readonly Piece[], length: number): Data {
  const typeIds = new Int8Array(length);
  let at = 0;
  for (const { data, rows } of pieces)
    for (const row of rows) typeIds[at++] = row === NULL_ROW ? type.typeIds[0]! : data.typeIds[row]!;
  if (type.mode === UnionMode.Sparse)
    return makeColumn(plain, length, { nullCount: 0, typeIds, children: takeChildren(type, pieces) });
  const valueOffsets = new Int32Array(length);
  const used = type.children.map(() => 0);
  at = 0;
  const items = pieces.map(({ data, rows }) => {
    const childRows: number[][] = type.children.map(() => []);
    for (const row of rows) {
      const child = type.typeIdToChildIndex[typeIds[at]!]!;
      valueOffsets[at++] = used[child]!++;
      childRows[child]!.push(row === NULL_ROW ? NULL_ROW : Number(data.valueOffsets[row]));
    }
    return { data, childRows };
  });
  const children = type.children.map((field, child) =>
    takePieces(
      field.type,
      items.map(({ data, childRows }) => ({ data: data.children[child]!, rows: Uint32Array.from(childRows[child]!) })),
    ),
  );
  return makeColumn(plain, length, { nullCount: 0, typeIds, valueOffsets, children });
}
