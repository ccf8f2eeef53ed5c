/**
 * An Arrow record batch as what can be posted to another thread by transfer, and back. As IPC the same batch costs the run a third of the
 * CPU that is not spent in kernels: a chunk has two columns and some thousand rows, and flatbuffers of it are built and read by JavaScript
 * that is never called often enough to be compiled well.
 */
import {
  BufferType,
  Data,
  type DataType,
  type Field,
  makeData,
  RecordBatch,
  RecordBatchReader,
  RecordBatchStreamWriter,
  type Schema,
  Struct,
  Type,
  util,
  Vector,
} from "apache-arrow";
import { BatchPredictError } from "../core/errors.ts";
import type { WireBatch, WireBuffer, WireColumn } from "../core/wire-batch.ts";
import { linear } from "./linear-schema.ts";

/** Makes wire batches of one run: what does not change from one to the next is encoded once. */
export class WireEncoder {
  private schema: Schema | null = null;
  private bytes: Uint8Array = new Uint8Array(0);

  /**
   * @param owned buffers that nobody else holds and that may go away with the batch; all others are copied
   * @returns the batch and what to transfer with it
   * @throws BP_INTERNAL for view types, which no column of a result has (see `plainType`)
   */
  encode(batch: RecordBatch, owned: ReadonlySet<ArrayBufferLike> = NOTHING): { wire: WireBatch; transfer: ArrayBuffer[] } {
    if (this.schema === null || !util.compareSchemas(this.schema, batch.schema)) {
      this.schema = batch.schema;
      this.bytes = schemaBytes(batch.schema);
    }
    const packer = new Packer(owned);
    const columns = batch.data.children.map((data) => packer.pack(data));
    return {
      wire: { rows: batch.numRows, bytes: packer.bytes, schema: this.bytes, columns },
      transfer: [...packer.transfer],
    };
  }
}

const NOTHING: ReadonlySet<ArrayBufferLike> = new Set();

/** Reads wire batches. The same schema comes out as the same object as long as its bytes are the same. */
export class WireDecoder {
  private bytes: Uint8Array | null = null;
  private schema: Schema | null = null;

  /** @throws BP_INTERNAL when a column has not as many elements as the batch has rows */
  decode(wire: WireBatch): RecordBatch {
    const schema = this.schemaOf(wire.schema);
    const odd = wire.columns.findIndex((column) => column.length !== wire.rows);
    if (odd >= 0 || wire.columns.length !== schema.fields.length) {
      throw new BatchPredictError("BP_INTERNAL", "a batch for the output is not what its header says", {
        expected: `${schema.fields.length} columns of ${wire.rows} rows`,
        actual: odd < 0 ? `${wire.columns.length} columns` : `${wire.columns[odd]!.length} rows in column ${odd}`,
      });
    }
    const children = schema.fields.map((field, at) => unpack(field.type, wire.columns[at]!));
    return new RecordBatch(
      schema,
      makeData({ type: new Struct(schema.fields as Field[]), length: wire.rows, nullCount: 0, children }),
    );
  }

  private schemaOf(bytes: Uint8Array): Schema {
    if (this.schema === null || this.bytes === null || Buffer.compare(this.bytes, bytes) !== 0) {
      this.schema = linear(RecordBatchReader.from(bytes).open().schema);
      this.bytes = bytes;
    }
    return this.schema;
  }
}

function schemaBytes(schema: Schema): Uint8Array {
  const writer = new RecordBatchStreamWriter();
  writer.reset(undefined, schema);
  writer.finish();
  return writer.toUint8Array(true).slice();
}

class Packer {
  readonly transfer = new Set<ArrayBuffer>();
  bytes = 0;

  constructor(private readonly owned: ReadonlySet<ArrayBufferLike>) {}

  pack(data: Data): WireColumn {
    const { type, length, nullCount } = data;
    const { typeId } = type;
    if (typeId === Type.Utf8View || typeId === Type.BinaryView)
      throw new BatchPredictError("BP_INTERNAL", "a column of views was to be written; they are made plain before");
    // Slices of the library keep bitmaps whole and say where they begin; all other buffers are cut already.
    const firstByte = data.offset >> 3;
    const bitOffset = data.offset & 7;
    const bits = (bitmap: Uint8Array): Uint8Array => bitmap.subarray(firstByte, firstByte + ((bitOffset + length + 7) >> 3));
    const column: WireColumn = {
      length,
      bitOffset,
      nullCount,
      offsets: undefined,
      values: undefined,
      validity: nullCount > 0 && data.nullBitmap?.length ? (this.take(bits(data.nullBitmap)) as Uint8Array) : undefined,
      typeIds: data.typeIds ? this.take(data.typeIds.subarray(0, length) as WireBuffer) : undefined,
      children: [],
      dictionary: data.dictionary?.data.map((part) => this.pack(part)),
    };
    if (typeId === Type.Union) {
      // Offsets of a dense union point anywhere into its children.
      if (data.valueOffsets) column.offsets = this.take(data.valueOffsets.subarray(0, length)) as Int32Array;
      column.children = data.children.map((child) => this.pack(child));
      return column;
    }
    if (data.valueOffsets) {
      const { offsets, first, last } = rebased(data.valueOffsets, length);
      column.offsets = this.take(offsets) as Int32Array;
      if (data.values) column.values = this.take((data.values as WireBuffer).subarray(first, last));
      column.children = data.children.map((child) => this.pack(child.slice(first, last - first)));
      return column;
    }
    if (data.values) {
      const values = data.values as WireBuffer;
      column.values = this.take(typeId === Type.Bool ? bits(values as Uint8Array) : values.subarray(0, length * data.stride));
    }
    const perRow = typeId === Type.FixedSizeList ? data.stride : 1;
    column.children = data.children.map((child) =>
      this.pack(child.length === length * perRow ? child : child.slice(0, length * perRow)),
    );
    return column;
  }

  private take(view: WireBuffer): WireBuffer {
    this.bytes += view.byteLength;
    const { buffer } = view;
    const whole = view.byteLength === buffer.byteLength;
    // Two columns may show one buffer: the first takes it along.
    const mine = whole && this.owned.has(buffer) && !this.transfer.has(buffer as ArrayBuffer);
    const taken = mine ? view : view.slice();
    this.transfer.add(taken.buffer as ArrayBuffer);
    return taken;
  }
}

/** Offsets from 0 on, and where the values lie that they speak of. */
function rebased(
  given: Int32Array | BigInt64Array,
  length: number,
): { offsets: Int32Array | BigInt64Array; first: number; last: number } {
  const offsets = given.subarray(0, length + 1);
  const first = Number(offsets[0] ?? 0);
  const last = Number(offsets[length] ?? 0);
  if (first === 0) return { offsets, first, last };
  if (offsets instanceof BigInt64Array) return { offsets: offsets.map((offset) => offset - BigInt(first)), first, last };
  return { offsets: offsets.map((offset) => offset - first), first, last };
}

function unpack(type: DataType, wire: WireColumn): Data {
  const { children: types } = type as { children?: Field[] };
  const children = wire.children.map((child, at) => unpack(types![at]!.type, child));
  const buffers = {
    [BufferType.OFFSET]: wire.offsets,
    [BufferType.DATA]: wire.values,
    [BufferType.VALIDITY]: wire.validity,
    [BufferType.TYPE]: wire.typeIds,
  } as ConstructorParameters<typeof Data>[4];
  const { dictionary } = type as { dictionary?: DataType };
  const values = wire.dictionary && new Vector(wire.dictionary.map((part) => unpack(dictionary!, part)));
  return new Data(type, wire.bitOffset, wire.length, wire.nullCount, buffers, children, values);
}
