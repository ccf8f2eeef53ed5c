/** Columns on their way from one thread to another: plain data that is posted by transfer, never copied on the way. */
import type { TensorArray } from "./tensor-types.ts";

export interface WireBatch {
  rows: number;
  /** Of all buffers. */
  bytes: number;
  /** The columns as an Arrow IPC stream without batches. Equal bytes mean equal columns. */
  schema: Uint8Array;
  columns: WireColumn[];
}

export type WireBuffer = Exclude<TensorArray, string[]>;

/** An Arrow array by its buffers, each the whole of its own memory. Source: Arrow Columnar Format, "Physical Memory Layout". */
export interface WireColumn {
  length: number;
  /** Where the first element stands in bitmaps, 0 to 7; in all other buffers it stands first. */
  bitOffset: number;
  nullCount: number;
  offsets: Int32Array | BigInt64Array | undefined;
  values: WireBuffer | undefined;
  validity: Uint8Array | undefined;
  typeIds: WireBuffer | undefined;
  children: WireColumn[];
  /** Of a dictionary type: its values, in pieces. */
  dictionary: WireColumn[] | undefined;
}

/** All buffers of a batch that came by transfer. */
export function buffersOf({ columns }: WireBatch): ArrayBuffer[] {
  const of = ({ offsets, values, validity, typeIds, children, dictionary }: WireColumn): ArrayBuffer[] => [
    ...[offsets, values, validity, typeIds].flatMap((view) => (view ? [view.buffer as ArrayBuffer] : [])),
    ...children.flatMap(of),
    ...(dictionary?.flatMap(of) ?? []),
  ];
  return columns.flatMap(of);
}
