/**
 * Rows of some columns of one row group as Arrow record batches. The decoder sees a small file made in memory: it can neither
 * choose columns nor read by ranges itself, and what it is given bounds what it can allocate (WebAssembly ends at 4 GiB).
 */
import { type Data, type Field, makeData, RecordBatch, RecordBatchReader, Schema, Struct, TimeUnit } from "apache-arrow";
import { refuse } from "../../formats/parquet-footer.ts";
import { isSlowCodec } from "../../formats/parquet-pages.ts";
import type { ParquetColumnChunk } from "../../formats/parquet-row-group.ts";
import { typeText } from "../../values/arrow-columns.ts";
import { linear } from "../../values/linear-schema.ts";
import { generalDecoder } from "./general-decoder.ts";
import { firstInexact, refuseInt96 } from "./int96.ts";
import { decoderError, type ParquetFile } from "./parquet-file.ts";
import { QuickDecoder } from "./quick-columns.ts";

/** Decoded at once, and kept for the ranges that follow. */
const MAX_WINDOW_BYTES = 1 << 26;
/** Bytes handed to the decoder in one call, at least one column; they are in memory twice, beside what they decode to. */
const MAX_CALL_BYTES = 1 << 25;
/** Decompressed before the decoder sees it, in windows; more than this it gets as it stands. */
const MAX_PLAIN_WINDOWS = 4;
const MAX_COLUMN_BYTES = 1.5 * 2 ** 30;

export interface DecodeOptions {
  /** false: by the decoder alone, pages as they stand. */
  quick?: boolean;
  windowBytes?: number | undefined;
  /** Of the reader, from call to call. What it decodes lies in memory that the next call uses again. */
  decoder?: QuickDecoder;
  /** Columns whose values outlive the next call. Default: all. */
  kept?: ReadonlySet<number>;
}

interface Window {
  rowStart: number;
  rowEnd: number;
}

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
  options: DecodeOptions = {},
): Promise<DecodedRows> {
  if (columns.length === 0) return { batches: [emptyBatch(range.rowEnd - range.rowStart)], ...range };
  const { quick = true, windowBytes = MAX_WINDOW_BYTES } = options;
  const chunks = file.chunksOf(unit, columns);
  const { rows } = file.groups[unit]!;
  const whole = windowOf(range, rows, decodedBytes(file, columns, chunks, rows), windowBytes);
  const { made: plain, window } = quick
    ? await decodeQuickly(file, unit, columns, { range, window: whole }, options)
    : { made: new Map<number, Data>(), window: whole };
  const others = columns.flatMap((column, k) => (plain.has(column) ? [] : [k]));
  const parts: RecordBatch[][] = [];
  const [restColumns, restChunks] = [others.map((k) => columns[k]!), others.map((k) => chunks[k]!)];
  for (const [first, end] of calls(file, unit, restColumns, restChunks, Math.min(MAX_CALL_BYTES, windowBytes))) {
    const [own, of] = [restColumns.slice(first, end), restChunks.slice(first, end).flat()];
    const slow = quick && of.some(({ codec }) => isSlowCodec(codec)) && handedBytes(of) <= MAX_PLAIN_WINDOWS * windowBytes;
    const batches =
      (slow ? quickly(await file.extract(rows, own, of, window), window) : null) ??
      decode(file, unit, await file.extract(rows, own, of), window);
    for (const [k, column] of own.entries()) {
      if (file.fields[column]!.int96.includes(true))
        await checkInt96({ file, unit, column, chunks: restChunks[first + k]!, window }, batches, k);
    }
    parts.push(batches);
  }
  if (plain.size === 0 && parts.length === 1) return { batches: parts[0]!, ...window };
  // Each part is one batch, because every call asked for batches as long as the window.
  const decoded = parts.flatMap(([batch]) => batch!.schema.fields.map((field, k) => ({ field, data: batch!.data.children[k]! })));
  const made = columns.map((column) => {
    const data = plain.get(column);
    return data === undefined ? decoded.shift()! : { field: file.schema.fields[column]!, data };
  });
  return { batches: [sideBySide(made, window.rowEnd - window.rowStart)], ...window };
}

/** Columns of numbers. Only where all are such are as few rows decoded as were asked for: the decoder begins at the group's start each time. */
async function decodeQuickly(
  file: ParquetFile,
  unit: number,
  columns: readonly number[],
  { range, window }: { range: Window; window: Window },
  { windowBytes = MAX_WINDOW_BYTES, decoder = new QuickDecoder(), kept = new Set(columns) }: DecodeOptions,
): Promise<{ made: Map<number, Data>; window: Window }> {
  for (;;) {
    const own = columns.filter((column) => !decoder.isGeneral(file, column));
    const rows = own.length === columns.length ? range : window;
    const found = await decoder.decode(file, unit, own, rows, { kept, holdBytes: windowBytes });
    // Each time at least one more column is known to need the general decoder.
    if (found !== null) return { made: new Map(own.map((column, k) => [column, found[k]!])), window: rows };
  }
}

interface ColumnRows {
  file: ParquetFile;
  unit: number;
  column: number;
  chunks: readonly ParquetColumnChunk[];
  window: Window;
}

/** Costs decoding the column twice more. @param at position of the column in the batches @throws BP_SOURCE_CELL */
async function checkInt96(rows: ColumnRows, batches: readonly RecordBatch[], at: number): Promise<void> {
  const { file, unit, column, chunks, window } = rows;
  const again = async (as: TimeUnit): Promise<RecordBatch[]> => {
    const mini = await file.extract(file.groups[unit]!.rows, [column], chunks, null, as);
    return decode(file, unit, mini, window);
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

/** Null where the decoder stumbles over what was done to the pages: it then judges them as they stand. */
function quickly(mini: Uint8Array, window: Window): RecordBatch[] | null {
  try {
    const batches = decodeMini(mini, window);
    return countRows(batches) === window.rowEnd - window.rowStart ? batches : null;
  } catch {
    return null;
  }
}

function decodeMini(mini: Uint8Array, { rowStart, rowEnd }: Window): RecordBatch[] {
  const limit = rowEnd - rowStart;
  const reader = RecordBatchReader.from(
    generalDecoder().readParquet(mini, { batchSize: limit, offset: rowStart, limit }).intoIPCStream(),
  ).open();
  linear(reader.schema);
  return [...reader];
}

function countRows(batches: readonly RecordBatch[]): number {
  return batches.reduce((sum, batch) => sum + batch.numRows, 0);
}

function decode(file: ParquetFile, unit: number, mini: Uint8Array, window: Window): RecordBatch[] {
  const limit = window.rowEnd - window.rowStart;
  let batches: RecordBatch[];
  try {
    batches = decodeMini(mini, window);
  } catch (error) {
    throw decoderError(file.path, `row group ${unit}`, error);
  }
  const got = countRows(batches);
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
    const stored = own.reduce((sum, { start, end }) => sum + end - start, 0);
    if (stored > MAX_COLUMN_BYTES) {
      throw refuse(
        file.path,
        `column ${file.fields[columns[k]!]!.name} has ${stored} bytes in row group ${unit}, too much to decode at once`,
        ["write the file again with smaller row groups: pyarrow.parquet.write_table(table, path, row_group_size=100000)"],
      );
    }
    const size = handedBytes(own);
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

function sideBySide(columns: readonly { field: Field; data: Data }[], length: number): RecordBatch {
  const fields = columns.map(({ field }) => field);
  const children = columns.map(({ data }) => data);
  return new RecordBatch(linear(new Schema(fields)), makeData({ type: new Struct(fields), length, nullCount: 0, children }));
}

function emptyBatch(rows: number): RecordBatch {
  return new RecordBatch(new Schema([]), makeData({ type: new Struct([]), length: rows, nullCount: 0, children: [] }));
}

/** What the decoder is handed: decompressed where that is done before. */
function handedBytes(chunks: readonly ParquetColumnChunk[]): number {
  return chunks.reduce((sum, { start, end, codec, uncompressedBytes }) => {
    return sum + (isSlowCodec(codec) ? Math.max(end - start, uncompressedBytes) : end - start);
  }, 0);
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
