/** The part of taking rows that moves strings and binaries, and the one place that puts a column together. */
import { Data, type DataType, Type } from "apache-arrow";
import { BatchPredictError } from "../core/errors.ts";

const NULL_ROW = 0xffff_ffff;
const VIEW_BYTES = 16;
const INLINE_BYTES = 12;
/** Below this a loop beats making a subarray for `set`. */
const SHORT_BYTES = 32;

export interface ColumnParts {
  nullCount: number;
  nullBitmap?: Uint8Array;
  values?: Data["values"];
  valueOffsets?: Int32Array | BigInt64Array;
  typeIds?: Int8Array;
  children?: Data[];
}

/** `makeData` without its conversions: the parts are already of the type's own array types. */
export function makeColumn(type: DataType, length: number, parts: ColumnParts): Data {
  const { nullCount, nullBitmap, values, valueOffsets, typeIds, children } = parts;
  const buffers = [valueOffsets, values, nullBitmap, typeIds] as unknown as ConstructorParameters<typeof Data>[4];
  return new Data(type, 0, length, nullCount, buffers, children ?? []);
}

/** Where the bytes of one element lie. */
interface Span {
  bytes: Uint8Array;
  start: number;
  length: number;
}

export function takeBytes(
  type: DataType,
  pieces: readonly { data: Data; rows: Uint32Array }[],
  length: number,
): { valueOffsets: Int32Array | BigInt64Array; values: Uint8Array } {
  const ends = new Float64Array(length + 1);
  const span: Span = { bytes: new Uint8Array(0), start: 0, length: 0 };
  let at = 0;
  let total = 0;
  for (const { data, rows } of pieces) {
    const locate = locator(data);
    for (const row of rows) {
      if (row !== NULL_ROW && (data.nullCount === 0 || data.getValid(row))) {
        locate(row, span);
        total += span.length;
      }
      ends[++at] = total;
    }
  }
  const large = type.typeId === Type.LargeUtf8 || type.typeId === Type.LargeBinary;
  if (!large && total > 0x7fff_ffff) {
    throw new BatchPredictError("BP_SOURCE_LIMIT", "the texts of one chunk take more than 2 GiB in one column", {
      actual: `${total} bytes`,
      hints: ["read smaller chunks, or leave the column out with --keep"],
    });
  }
  const values = new Uint8Array(total);
  at = 0;
  for (const { data, rows } of pieces) {
    const locate = locator(data);
    for (const row of rows) {
      const into = ends[at]!;
      if (ends[++at] === into) continue;
      locate(row, span);
      copy(span, values, into);
    }
  }
  return { valueOffsets: large ? BigInt64Array.from(ends, BigInt) : Int32Array.from(ends), values };
}

function copy({ bytes, start, length }: Span, into: Uint8Array, at: number): void {
  if (length > SHORT_BYTES) into.set(bytes.subarray(start, start + length), at);
  else for (let i = 0; i < length; i++) into[at + i] = bytes[start + i]!;
}

function locator(data: Data): (row: number, span: Span) => void {
  const bytes = data.values as Uint8Array;
  const { typeId } = data.type;
  if (typeId !== Type.Utf8View && typeId !== Type.BinaryView) {
    const offsets = data.valueOffsets as Int32Array | BigInt64Array;
    return (row, span) => {
      span.bytes = bytes;
      span.start = Number(offsets[row]);
      span.length = Number(offsets[row + 1]) - span.start;
    };
  }
  // Columnar format, "variable-size binary view layout": length, then either the bytes or prefix, buffer index and offset.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const buffers = data.variadicBuffers as Uint8Array[];
  return (row, span) => {
    const at = row * VIEW_BYTES;
    span.length = view.getInt32(at, true);
    const inline = span.length <= INLINE_BYTES;
    span.bytes = inline ? bytes : buffers[view.getInt32(at + 8, true)]!;
    span.start = inline ? at + 4 : view.getInt32(at + 12, true);
  };
}
