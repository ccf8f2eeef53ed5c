/**
 * Rows of some columns out of the body of a record batch. Only what is asked for is read: of an uncompressed body the bytes of those
 * rows, of a compressed one the buffers of those columns. apache-arrow's own loader reads whole bodies, takes truncated buffers for
 * short ones (missing numbers then read as undefined) and misreads compressed string views; here every buffer, offset, code and
 * view is checked against what it points into, so that damaged bytes are an error and never a wrong number.
 */
import { isUtf8 } from "node:buffer";
import {
  Data,
  type DataType,
  Dictionary,
  type Field,
  type FixedSizeList,
  Type,
  type Union,
  UnionMode,
  type Vector,
} from "apache-arrow";
import { BatchPredictError } from "../core/errors.ts";
import { decompressBuffer } from "./arrow-codecs.ts";
import { DAMAGED_HINTS, DamagedData, refuseArrow, refusing } from "./arrow-error.ts";
import { type Cursor, skipColumn, valueBytes } from "./arrow-layout.ts";
import type { BatchHeader } from "./arrow-messages.ts";
import { checkCodes, checkOffsets, checkTypeIds, checkUnionOffsets, cutViews } from "./arrow-soundness.ts";

/** Bytes of a body, offsets from its start. Memory of its own or shared, as long as it does not change. */
export interface ArrowBody {
  read(offset: number, length: number): Uint8Array;
}

export type Dictionaries = ReadonlyMap<number, Vector>;

/** One per record batch; decompressed buffers are kept as long as it lives. */
export class BatchLoader {
  private readonly decompressed = new Map<number, Uint8Array>();
  private readonly starts: Cursor[] = [];

  constructor(
    private readonly file: string,
    private readonly fields: readonly Field[],
    readonly header: BatchHeader,
    private readonly body: ArrowBody,
    private readonly dictionaries: Dictionaries,
  ) {
    const cursor: Cursor = { node: 0, buffer: 0, variadic: 0 };
    for (const field of fields) {
      this.starts.push({ ...cursor });
      skipColumn(field.type, cursor, header.variadicCounts, header.unionValidity);
    }
    if (cursor.node !== header.nodes.length || cursor.buffer > header.buffers.length) {
      throw refuseArrow(file, "a record batch does not fit the schema", DAMAGED_HINTS);
    }
  }

  /** @param rowEnd exclusive @returns the rows of one column @throws BP_INPUT_FORMAT */
  column(index: number, rowStart: number, rowEnd: number): Data {
    const field = this.fields[index]!;
    const cursor = { ...this.starts[index]! };
    try {
      return refusing(this.file, () => {
        this.atLeast(this.header.nodes[cursor.node]!.length, this.header.rows);
        return this.load(field.type, cursor, rowStart, rowEnd);
      });
    } catch (error) {
      throw this.withColumn(error, field.name);
    }
  }

  private withColumn(error: unknown, column: string): unknown {
    if (error instanceof BatchPredictError && error.code === "BP_SOURCE_LIMIT") {
      return new BatchPredictError(error.code, error.message, { ...error.details, where: { file: this.file, column } });
    }
    const cause = error instanceof Error ? error.cause : undefined;
    if (!(cause instanceof DamagedData)) return error;
    return refuseArrow(this.file, `column "${column}" is damaged: ${cause.message}`, DAMAGED_HINTS, cause);
  }

  private load(type: DataType, cursor: Cursor, from: number, to: number): Data {
    const { length, nullCount } = this.header.nodes[cursor.node++]!;
    this.atLeast(length, to);
    if (type instanceof Dictionary) return this.loadDictionary(type, cursor, nullCount, from, to);
    switch (type.typeId) {
      case Type.Null:
        return new Data(type, 0, to - from, to - from);
      case Type.Bool: {
        const validity = this.bits(cursor, nullCount, from, to);
        return column(type, from, to, validity, { values: this.slice(cursor, from >> 3, (to + 7) >> 3) });
      }
      case Type.Utf8:
      case Type.Binary:
      case Type.LargeUtf8:
      case Type.LargeBinary: {
        const validity = this.bits(cursor, nullCount, from, to);
        const { offsets, start, end } = this.offsets(type, cursor, from, to);
        const values = this.slice(cursor, start, end);
        // Else it would fail where it is written, or be mended in silence.
        const isText = type.typeId === Type.Utf8 || type.typeId === Type.LargeUtf8;
        if (isText && !isUtf8(values)) throw new DamagedData("its text is not UTF-8");
        return column(type, from, to, validity, { valueOffsets: offsets, values });
      }
      case Type.Utf8View:
      case Type.BinaryView:
        return this.loadViews(type, cursor, nullCount, from, to);
      case Type.List:
      case Type.LargeList:
      case Type.Map: {
        const validity = this.bits(cursor, nullCount, from, to);
        const { offsets, start, end } = this.offsets(type, cursor, from, to);
        const children = this.children(type, cursor, start, end);
        return column(type, from, to, validity, { valueOffsets: offsets, children });
      }
      case Type.FixedSizeList: {
        const { listSize } = type as FixedSizeList;
        const validity = this.bits(cursor, nullCount, from, to);
        return column(type, from, to, validity, { children: this.children(type, cursor, from * listSize, to * listSize) });
      }
      case Type.Struct: {
        const validity = this.bits(cursor, nullCount, from, to);
        return column(type, from, to, validity, { children: this.children(type, cursor, from, to) });
      }
      case Type.Union:
        return this.loadUnion(type as Union, cursor, from, to);
      default: {
        const validity = this.bits(cursor, nullCount, from, to);
        return column(type, from, to, validity, { values: this.values(type, cursor, from, to) });
      }
    }
  }

  private loadDictionary(type: Dictionary, cursor: Cursor, nullCount: number, from: number, to: number): Data {
    const dictionary = this.dictionaries.get(type.id);
    const validity = this.bits(cursor, nullCount, from, to);
    const values = this.values(type.indices, cursor, from, to);
    const data = column(type, from, to, validity, { values }, dictionary);
    checkCodes(data, dictionary?.length ?? 0);
    return data;
  }

  private loadViews(type: DataType, cursor: Cursor, nullCount: number, from: number, to: number): Data {
    const validity = this.bits(cursor, nullCount, from, to);
    const views = this.slice(cursor, from * 16, to * 16).slice();
    const count = this.header.variadicCounts[cursor.variadic++] ?? 0;
    const first = cursor.buffer;
    cursor.buffer += count;
    const data = column(type, from, to, validity, { values: views });
    const spans = cutViews(data, count);
    const variadic = spans.map(({ start, end }, at) => this.slice({ ...cursor, buffer: first + at }, start, end));
    return new Data(type, data.offset, data.length, validity === null ? 0 : -1, data.buffers, [], undefined, variadic);
  }

  private loadUnion(type: Union, cursor: Cursor, from: number, to: number): Data {
    if (this.header.unionValidity) cursor.buffer++;
    const typeIds = typed(Int8Array, this.slice(cursor, from, to));
    checkTypeIds(typeIds, type);
    if (type.mode === UnionMode.Sparse)
      return column(type, 0, to - from, null, { typeIds, children: this.children(type, cursor, from, to) });
    const valueOffsets = typed(Int32Array, this.slice(cursor, from * 4, to * 4));
    // Each child is read whole: its rows are in no order that would follow from the range.
    const children = type.children.map((field) => this.load(field.type, cursor, 0, this.header.nodes[cursor.node]!.length));
    checkUnionOffsets(typeIds, valueOffsets, type, children);
    return column(type, 0, to - from, null, { typeIds, valueOffsets, children });
  }

  private children(type: DataType, cursor: Cursor, from: number, to: number): Data[] {
    return ((type.children ?? []) as Field[]).map((field) => this.load(field.type, cursor, from, to));
  }

  /** The bitmap's bytes that hold the rows; null when all are valid. */
  private bits(cursor: Cursor, nullCount: number, from: number, to: number): Uint8Array | null {
    const stored = this.header.buffers[cursor.buffer]!.length;
    if (nullCount === 0 || (stored === 0 && nullCount < 0) || from === to) {
      cursor.buffer++;
      return null;
    }
    return this.slice(cursor, from >> 3, (to + 7) >> 3);
  }

  private values(type: DataType, cursor: Cursor, from: number, to: number): Data["values"] {
    const bytes = valueBytes(type);
    return typed(type.ArrayType as TypedArrayConstructor, this.slice(cursor, from * bytes, to * bytes));
  }

  /** Offsets counted from the first one, which is where the values or children start. */
  private offsets(
    type: DataType,
    cursor: Cursor,
    from: number,
    to: number,
  ): { offsets: Int32Array | BigInt64Array; start: number; end: number } {
    const large = type.typeId === Type.LargeUtf8 || type.typeId === Type.LargeBinary || type.typeId === Type.LargeList;
    if (from === to) {
      // A column without rows may have no offsets at all.
      cursor.buffer++;
      return { offsets: large ? new BigInt64Array(1) : new Int32Array(1), start: 0, end: 0 };
    }
    const width = large ? 8 : 4;
    const bytes = this.slice(cursor, from * width, (to + 1) * width);
    return checkOffsets(large ? typed(BigInt64Array, bytes) : typed(Int32Array, bytes));
  }

  /** Bytes start..end of the next buffer, aligned to 8. */
  private slice(cursor: Cursor, start: number, end: number): Uint8Array {
    const at = cursor.buffer++;
    const { offset, length } = this.header.buffers[at]!;
    if (start === end) return EMPTY;
    if (this.header.codec !== null) {
      const whole = this.whole(at, offset, length);
      this.atLeast(whole.length, end);
      return aligned(whole.subarray(start, end));
    }
    this.atLeast(length, end);
    return aligned(this.body.read(offset + start, end - start));
  }

  private whole(at: number, offset: number, length: number): Uint8Array {
    let bytes = this.decompressed.get(at);
    if (bytes === undefined) {
      bytes = decompressBuffer(this.header.codec!, this.body.read(offset, length));
      this.decompressed.set(at, bytes);
    }
    return bytes;
  }

  private atLeast(has: number, needs: number): void {
    if (has < needs) throw new DamagedData("it ends early");
  }
}

const EMPTY = new Uint8Array(0);

interface TypedArrayConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): Data["values"];
}

function typed<T>(
  type: { readonly BYTES_PER_ELEMENT: number; new (buffer: ArrayBufferLike, byteOffset: number, length: number): T },
  bytes: Uint8Array,
): T {
  return new type(bytes.buffer, bytes.byteOffset, bytes.byteLength / type.BYTES_PER_ELEMENT);
}

function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
}

interface Parts {
  values?: Data["values"];
  valueOffsets?: Int32Array | BigInt64Array;
  typeIds?: Int8Array;
  children?: Data[];
}

/** As `Data.slice` would leave it: bits count from `offset`, everything else from the first row. */
function column(type: DataType, from: number, to: number, validity: Uint8Array | null, parts: Parts, dictionary?: Vector): Data {
  const { values, valueOffsets, typeIds, children } = parts;
  const buffers = [valueOffsets, values, validity ?? undefined, typeIds] as unknown as ConstructorParameters<typeof Data>[4];
  return new Data(type, from & 7, to - from, validity === null ? 0 : -1, buffers, children ?? [], dictionary);
}
