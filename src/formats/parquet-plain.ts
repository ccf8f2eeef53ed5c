/**
 * The commonest columns straight into typed arrays: one number per row and none missing, stored one after the other (PLAIN), as all writers
 * do where a dictionary does not pay. Everything else is the decoder's: nothing is refused here.
 * Source: parquet.thrift, Encodings.md (PLAIN; levels of version 1 say their length).
 */
import { inflatePage, isSlowCodec, type Page, readPages } from "./parquet-pages.ts";
import type { ParquetColumnChunk } from "./parquet-row-group.ts";

const PLAIN = 0;

export interface PlainColumn {
  /** Bytes of one value. */
  width: number;
  optional: boolean;
  /** Of the row group. */
  rows: number;
}

/** @returns the bytes of the values of rows rowStart..rowEnd, or null where they are not stored in that way */
export function plainValues(
  chunk: ParquetColumnChunk,
  bytes: Uint8Array,
  column: PlainColumn,
  { rowStart, rowEnd }: { rowStart: number; rowEnd: number },
): Uint8Array<ArrayBuffer> | null {
  const { width, rows } = column;
  if (chunk.codec !== 0 && !isSlowCodec(chunk.codec)) return null;
  const out = new Uint8Array((rowEnd - rowStart) * width);
  let row = 0;
  for (const page of readPages(bytes)) {
    if (page === null || page.values === null || page.encoding !== PLAIN) return null;
    const from = Math.max(row, rowStart);
    const to = Math.min(row + page.values, rowEnd);
    if (from < to) {
      const values = valuesOf(page, chunk.codec, column);
      if (values === null) return null;
      out.set(values.subarray((from - row) * width, (to - row) * width), (from - rowStart) * width);
    }
    row += page.values;
  }
  return row === rows ? out : null;
}

/** A missing value takes no place, so as many values as rows are all there; null where they are fewer. */
function valuesOf(page: Page, codec: number, { width, optional }: PlainColumn): Uint8Array | null {
  const parts = inflatePage(page, codec);
  if (parts === null) return null;
  let values = parts.at(-1)!;
  if (page.levels !== null) {
    if (parts.length === 1) values = values.subarray(page.levels.repetition + page.levels.definition);
  } else if (optional) {
    if (values.length < 4) return null;
    values = values.subarray(4 + new DataView(values.buffer, values.byteOffset).getUint32(0, true));
  }
  return values.length === page.values! * width ? values : null;
}
