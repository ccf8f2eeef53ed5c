/** Columns that need no decoder: plain numbers without nulls, from the pages into Arrow columns (formats/parquet-plain.ts). */
import { type Data, type DataType, type Float, type Int, makeData, Precision, Type } from "apache-arrow";
import { loadCodecs } from "../../formats/parquet-pages.ts";
import { plainValues } from "../../formats/parquet-plain.ts";
import type { ParquetColumnChunk } from "../../formats/parquet-row-group.ts";
import type { ParquetFile } from "./parquet-file.ts";

/** Types of parquet.thrift whose plain values are Arrow's: what else they stand for (dates, decimals, unsigned) is the decoder's. */
const Physical = { int32: 1, int64: 2, float: 4, double: 5 } as const;

/** @returns by position in `columns`; those that need the decoder are absent */
export async function plainColumns(
  file: ParquetFile,
  columns: readonly number[],
  chunks: readonly ParquetColumnChunk[][],
  rows: number,
  range: { rowStart: number; rowEnd: number },
): Promise<Map<number, Data>> {
  const found = new Map<number, Data>();
  const length = range.rowEnd - range.rowStart;
  for (const [k, column] of columns.entries()) {
    const { flat, physical, optional } = file.fields[column]!;
    const { type } = file.schema.fields[column]!;
    const [chunk] = chunks[k]!;
    if (!flat || chunk === undefined || chunk.hasDictionary || !isSame(physical, type)) continue;
    await loadCodecs([chunk]);
    const { BYTES_PER_ELEMENT: width } = type.ArrayType as Uint8ArrayConstructor;
    const [stored] = await file.readChunks([chunk]);
    const bytes = plainValues(chunk, stored!, { width, optional, rows }, range);
    if (bytes === null) continue;
    const data = new (type.ArrayType as typeof Float64Array)(bytes.buffer, 0, length);
    found.set(k, makeData({ type: type as Float, length, nullCount: 0, data }));
  }
  return found;
}

function isSame(physical: number, type: DataType): boolean {
  if (type.typeId === Type.Float) {
    const { precision } = type as Float;
    return precision === Precision.DOUBLE
      ? physical === Physical.double
      : precision === Precision.SINGLE && physical === Physical.float;
  }
  if (type.typeId !== Type.Int) return false;
  const { isSigned, bitWidth } = type as Int;
  return isSigned && (bitWidth === 64 ? physical === Physical.int64 : bitWidth === 32 && physical === Physical.int32);
}
