/** Checks of what Arrow data points into: offsets, codes, union types, views. A pass over the rows that are read, no more. */
import type { Data, Union } from "apache-arrow";
import { DamagedData } from "./arrow-error.ts";

/** @returns the offsets counted from the first, and where the first and the last point */
export function checkOffsets(offsets: Int32Array | BigInt64Array): {
  offsets: Int32Array | BigInt64Array;
  start: number;
  end: number;
} {
  const start = Number(offsets[0]);
  const end = Number(offsets[offsets.length - 1]);
  let before = offsets[0]!;
  if (before < 0) throw new DamagedData("an offset is negative");
  for (const offset of offsets) {
    if (offset < before) throw new DamagedData("its offsets go back");
    before = offset;
  }
  // Beyond 2^53 two offsets may look like one.
  if (end > Number.MAX_SAFE_INTEGER) throw new DamagedData("an offset points past its values");
  if (start === 0) return { offsets, start, end };
  const moved =
    offsets instanceof BigInt64Array ? offsets.map((offset) => offset - BigInt(start)) : offsets.map((offset) => offset - start);
  return { offsets: moved, start, end };
}

/** Codes under a null may be anything. */
export function checkCodes(data: Data, size: number): void {
  const codes = data.values as Int32Array | BigInt64Array;
  for (let row = 0; row < data.length; row++) {
    const code = codes[row]!;
    if ((code < 0 || code >= size) && data.getValid(row))
      throw new DamagedData(`code ${code} is not in its dictionary of ${size} values`);
  }
}

export function checkTypeIds(typeIds: Int8Array, type: Union): void {
  for (const id of typeIds) if (type.typeIdToChildIndex[id] === undefined) throw new DamagedData(`its union knows no type ${id}`);
}

export function checkUnionOffsets(typeIds: Int8Array, offsets: Int32Array, type: Union, children: readonly Data[]): void {
  for (let row = 0; row < typeIds.length; row++) {
    const child = children[type.typeIdToChildIndex[typeIds[row]!]!]!;
    if (!(offsets[row]! >= 0 && offsets[row]! < child.length)) throw new DamagedData("a union offset points past its values");
  }
}

const VIEW_BYTES = 16;
const INLINE_BYTES = 12;

/**
 * Which bytes of each data buffer the views use; the views are changed to count from there, those under a null to be empty.
 * @param data views that may be written to
 */
export function cutViews(data: Data, buffers: number): { start: number; end: number }[] {
  const bytes = data.values as Uint8Array;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const spans = Array.from({ length: buffers }, () => ({ start: Number.POSITIVE_INFINITY, end: 0 }));
  const long: number[] = [];
  for (let row = 0; row < data.length; row++) {
    const at = row * VIEW_BYTES;
    if (!data.getValid(row)) {
      view.setInt32(at, 0, true);
      continue;
    }
    const length = view.getInt32(at, true);
    if (length < 0) throw new DamagedData("a view has a negative length");
    if (length <= INLINE_BYTES) continue;
    const span = spans[view.getInt32(at + 8, true)];
    const start = view.getInt32(at + 12, true);
    if (span === undefined || start < 0) throw new DamagedData("a view points nowhere");
    span.start = Math.min(span.start, start);
    span.end = Math.max(span.end, start + length);
    long.push(at);
  }
  for (const at of long) view.setInt32(at + 12, view.getInt32(at + 12, true) - spans[view.getInt32(at + 8, true)]!.start, true);
  return spans.map(({ start, end }) => (end === 0 ? { start: 0, end: 0 } : { start, end }));
}
