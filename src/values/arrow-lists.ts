/** List columns as one run of elements with borders per row, nested lists flattened. */
import { type Data, type FixedSizeList, Type } from "apache-arrow";
import { rowRange, takeRows } from "./arrow-take.ts";

export interface FlatLists {
  /** The innermost elements; never a dictionary. */
  leaf: Data;
  /** Per row: first element and end (exclusive) in `leaf`. */
  starts: Uint32Array;
  ends: Uint32Array;
}

/** Rows `from` up to `to` of a list column. Rows that are null have unspecified borders; a null inner list counts as empty. */
export function flattenLists(column: Data, from: number, to: number): FlatLists {
  const starts = rowRange(from, to);
  const ends = starts.map((row) => row + 1);
  let data = column;
  for (;;) {
    const { typeId } = data.type;
    if (typeId === Type.Dictionary) {
      data = takeRows(data, rowRange(0, data.length));
    } else if (typeId === Type.FixedSizeList) {
      const { listSize } = data.type as FixedSizeList;
      scale(starts, listSize);
      scale(ends, listSize);
      data = data.children[0]!;
    } else if (typeId === Type.List || typeId === Type.LargeList) {
      const offsets = data.valueOffsets as Int32Array | BigInt64Array;
      follow(starts, offsets);
      follow(ends, offsets);
      data = data.children[0]!;
    } else {
      return { leaf: data, starts, ends };
    }
  }
}

function scale(positions: Uint32Array, size: number): void {
  for (let i = 0; i < positions.length; i++) positions[i] = positions[i]! * size;
}

function follow(positions: Uint32Array, offsets: Int32Array | BigInt64Array): void {
  for (let i = 0; i < positions.length; i++) positions[i] = Number(offsets[positions[i]!]);
}
