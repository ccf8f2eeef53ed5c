/**
 * Rows of some columns of one row group as Arrow record batches. The decoder sees a small file made in memory: it can neither
 * choose columns nor read by ranges itself, and what it is given bounds what it can allocate (WebAssembly ends at 4 GiB).
 */
import { type Data, makeData, RecordBatch, RecordBatchReader, Schema, Struct, TimeUnit } from "apache-arrow";
import { readParquet } from "parquet-wasm";
import { refuse } from "../../formats/parquet-footer.ts";
import type { ParquetColumnChunk } from "../../formats/parquet-row-group.ts";
import { typeText } from "../../values/arrow-columns.ts";
import { firstInexact, refuseInt96 } from "./int96.ts";
import { decoderError, type ParquetFile } from "./parquet-file.ts";

/** Decoded at once, and kept for the ranges that follow. */
const MAX_WINDOW_BYTES = 1 << 26;
/** Compressed bytes handed to the decoder in one call, at least one column; they are in memory twice, beside what they decode to. */
const MAX_CALL_BYTES = 1 << 25;
const MAX_COLUMN_BYTES = 1.5 * 2 ** 30;

export interface DecodedRows {
  batches: RecordBatch[];
  /** Row of the group that the first batch starts with. */
  rowStart: number;
  rowEnd: number;
}

/**
 * @param columns positions in the schema, ascending; they become the columns of the batches
 * @returns at least rows rowStart..rowEnd: the whole group, or a window of it, where that is small
 * @throws BP_INPUT_FORMAT, BP_INPUT_CHANGED
 */
export async function decodeRows(
  file: ParquetFile,
  unit: number,
  columns: readonly number[],
  range: { rowStart: number; rowEnd: number },
  windowBytes = MAX_WINDOW_BYTES,
): Promise<DecodedRows> {
  if (columns.length === 0) return { batches: [emptyBatch(range.rowEnd - range.rowStart)], ...range };
  const chunks = file.chunksOf(unit, columns);
  const { rows } = file.groups[unit]!;
  const { rowStart, rowEnd } = windowOf(range, rows, decodedBytes(file, columns, chunks, rows), windowBytes);
  const parts: RecordBatch[][] = [];
  for (const [first, end] of calls(file, unit, columns, chunks, Math.min(MAX_CALL_BYTES, windowBytes))) {
    const mini = await file.extract(rows, columns.slice(first, end), chunks.slice(first, end).flat());
    const batches = decode(file, unit, mini, rowStart, rowEnd);
    for (let k = first; k < end; k++) {
      if (file.fields[columns[k]!]!.int96.includes(true))
        await checkInt96({ file, unit, column: columns[k]!, chunks: chunks[k]!, rowStart, rowEnd }, batches, k - first);
    }
    parts.push(batches);
  }
  return { batches: parts.length === 1 ? parts[0]! : [sideBySide(parts)], rowStart, rowEnd };
}

interface ColumnRows {
  file: ParquetFile;
  unit: number;
  column: number;
  chunks: readonly ParquetColumnChunk[];
  rowStart: number;
  rowEnd: number;
}

/** Costs decoding the column twice more. @param at position of the column in the batches @throws BP_SOURCE_CELL */
async function checkInt96(rows: ColumnRows, batches: readonly RecordBatch[], at: number): Promise<void> {
  const { file, unit, column, chunks, rowStart, rowEnd } = rows;
  const again = async (as: TimeUnit): Promise<RecordBatch[]> => {
    const mini = await file.extract(file.groups[unit]!.rows, [column], chunks, as);
    return decode(file, unit, mini, rowStart, rowEnd);
  };
  const seconds = await again(TimeUnit.SECOND);
  const nanoseconds = await again(TimeUnit.NANOSECOND);
  for (const [k, batch] of batches.entries()) {
    const check = { seconds: seconds[k]!.data.children[0]!, nanoseconds: nanoseconds[k]!.data.children[0]! };
    const found = firstInexact(batch.data.children[at]!, check);
    if (found !== null)
      throw refuseInt96(file.path, file.fields[column]!.name, typeText(file.schema.fields[column]!.type), found.seconds);
  }
}

function decode(file: ParquetFile, unit: number, mini: Uint8Array, rowStart: number, rowEnd: number): RecordBatch[] {
  const limit = rowEnd - rowStart;
  let batches: RecordBatch[];
  try {
    const table = readParquet(mini, { batchSize: limit, offset: rowStart, limit });
    batches = [...RecordBatchReader.from(table.intoIPCStream())];
  } catch (error) {
    throw decoderError(file.path, `row group ${unit}`, error);
  }
  const got = batches.reduce((sum, batch) => sum + batch.numRows, 0);
  if (got !== limit) throw refuse(file.path, `row group ${unit} holds ${got} rows where its metadata says ${limit}`);
  return batches;
}

/** Small ranges share a window, so that reading a group row by row does not decode it from its start each time. */
function windowOf(
  range: { rowStart: number; rowEnd: number },
  rows: number,
  bytes: number,
  windowBytes: number,
): { rowStart: number; rowEnd: number } {
  if (bytes <= windowBytes) return { rowStart: 0, rowEnd: rows };
  const windowRows = Math.max(1, Math.floor((rows / bytes) * windowBytes));
  const rowStart = Math.floor(range.rowStart / windowRows) * windowRows;
  const rowEnd = Math.min(rows, rowStart + windowRows);
  const small = (range.rowEnd - range.rowStart) * 4 <= windowRows && range.rowEnd <= rowEnd;
  return small ? { rowStart, rowEnd } : range;
}

/** Runs of columns that one call of the decoder may take, [first, end). */
function calls(
  file: ParquetFile,
  unit: number,
  columns: readonly number[],
  chunks: readonly ParquetColumnChunk[][],
  callBytes: number,
): [number, number][] {
  const runs: [number, number][] = [];
  let bytes = 0;
  for (const [k, own] of chunks.entries()) {
    const size = compressedBytes(own);
    if (size > MAX_COLUMN_BYTES) {
      throw refuse(
        file.path,
        `column ${file.fields[columns[k]!]!.name} has ${size} bytes in row group ${unit}, too much to decode at once`,
        ["write the file again with smaller row groups: pyarrow.parquet.write_table(table, path, row_group_size=100000)"],
      );
    }
    const last = runs.at(-1);
    if (last !== undefined && bytes + size <= callBytes) {
      last[1] = k + 1;
      bytes += size;
    } else {
      runs.push([k, k + 1]);
      bytes = size;
    }
  }
  return runs;
}

/** Each part is one batch, because every call asked for batches as long as the range. */
function sideBySide(parts: readonly RecordBatch[][]): RecordBatch {
  const batches = parts.map((part) => part[0]!);
  const fields = batches.flatMap((batch) => batch.schema.fields);
  const children: Data[] = batches.flatMap((batch) => batch.data.children);
  const length = batches[0]!.numRows;
  return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length, nullCount: 0, children }));
}

function emptyBatch(rows: number): RecordBatch {
  return new RecordBatch(new Schema([]), makeData({ type: new Struct([]), length: rows, nullCount: 0, children: [] }));
}

function compressedBytes(chunks: readonly ParquetColumnChunk[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.end - chunk.start, 0);
}

/** Repeated values take little in the file and much in memory, so both measures count. */
function decodedBytes(
  file: ParquetFile,
  columns: readonly number[],
  chunks: readonly ParquetColumnChunk[][],
  rows: number,
): number {
  const plain = rows * columns.reduce((sum, column) => sum + file.fields[column]!.rowBytes, 0);
  const stored = chunks.flat().reduce((sum, chunk) => sum + chunk.uncompressedBytes, 0);
  return Math.max(plain, stored);
}
