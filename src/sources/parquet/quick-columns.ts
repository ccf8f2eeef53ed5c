/** Columns of numbers that need no general decoder: from the pages of a column chunk into Arrow columns (page-decoder.ts). */
import { type Data, type DataType, type Float, type Int, makeData, Precision, Type } from "apache-arrow";
import { isSlowCodec, loadCodecs, type PageHead, pageHead } from "../../formats/parquet-pages.ts";
import type { ParquetColumnChunk } from "../../formats/parquet-row-group.ts";
import { ColumnMemory } from "./column-memory.ts";
import { type ColumnPlaces, decodePages, isQuickCodec } from "./page-decoder.ts";
import type { ParquetFile } from "./parquet-file.ts";

/** Types of parquet.thrift whose values are Arrow's: what else they stand for (dates, decimals, unsigned) is the decoder's. */
const Physical = { int32: 1, int64: 2, float: 4, double: 5 } as const;

/** A header with statistics takes some 60 bytes; where this is too little, the most that one may take is read. */
const HEADER_BYTES = [256, 1 << 16];
const MAX_CHUNK_BYTES = 1 << 28;
const MAX_PAGES = 100_000;

/** Of headers that are kept, only what was read out of them is. */
const NO_FIELDS: PageHead["header"] = new Map();

type Range = { rowStart: number; rowEnd: number };

interface QuickColumn {
  column: number;
  chunk: ParquetColumnChunk;
  width: number;
  type: Float | Int;
  optional: boolean;
}

/** Of a row group of which only some rows are read at a time. */
interface HeldColumn {
  /** `start` counts from the chunk's first byte. */
  pages: PageHead[];
  /** null: the room is not worth keeping. */
  rooms: { page: number; dictionary: number } | null;
  held: ColumnPlaces["held"];
}

/** What a reader keeps from one chunk to the next. */
export class QuickDecoder {
  private readonly general = new Set<number>();
  private readonly memory = new ColumnMemory();
  private file: ParquetFile | null = null;
  private unit = -1;
  private readonly columns = new Map<number, HeldColumn | null>();

  /**
   * @param kept columns whose values outlive the next call; those of all others lie in memory that it uses again
   * @param holdBytes that may be kept beside the columns, so that no page is decompressed twice
   * @returns null where a column turned out to need the general decoder: `isGeneral` then
   */
  async decode(
    file: ParquetFile,
    unit: number,
    columns: readonly number[],
    range: Range,
    { kept, holdBytes }: { kept: ReadonlySet<number>; holdBytes: number },
  ): Promise<Data[] | null> {
    this.open(file);
    if (this.unit !== unit) this.forget();
    this.unit = unit;
    const quick = columns.map((column, k) => quickColumn(file, column, file.chunksOf(unit, [column])[0]!) ?? k);
    for (const found of quick) if (typeof found === "number") this.general.add(columns[found]!);
    const known = quick.filter((found) => typeof found !== "number");
    if (known.length < columns.length) return null;
    await loadCodecs(known.map(({ chunk }) => chunk));
    const { rows } = file.groups[unit]!;
    const isWhole = range.rowStart === 0 && range.rowEnd === rows;
    if (!isWhole) this.hold(file, known, holdBytes);
    this.memory.rewind();
    const made = known.map((column) => {
      const found = this.decodeColumn(file, column, rows, range, isWhole);
      if (found === null) this.general.add(column.column);
      return found;
    });
    file.checkUnchangedSync();
    if (made.includes(null)) return null;
    // Only now, because memory that grows moves.
    return known.map((column, k) => this.dataOf(column, made[k]!, range, kept.has(column.column)));
  }

  /** Whether the column turned out to need the general decoder. */
  isGeneral(file: ParquetFile, column: number): boolean {
    this.open(file);
    return this.general.has(column);
  }

  private open(file: ParquetFile): void {
    if (this.file === file) return;
    this.file = file;
    this.unit = -1;
    this.general.clear();
    this.forget();
  }

  private forget(): void {
    this.columns.clear();
    this.memory.forget();
  }

  /** Finds the pages of the row group, once, and takes the rooms for what is decompressed. */
  private hold(file: ParquetFile, columns: readonly QuickColumn[], holdBytes: number): void {
    const missing = columns.filter(({ column }) => !this.columns.has(column));
    if (missing.length === 0) return;
    this.forget();
    const walked = columns.map(({ chunk }) => walkPages(file, chunk));
    const bytes = walked.reduce((sum, pages) => sum + (pages === null ? 0 : roomOf(pages) + dictionaryOf(pages)), 0);
    for (const [k, { column }] of columns.entries()) {
      const pages = walked[k]!;
      const rooms = pages === null || bytes > holdBytes ? null : this.rooms(pages);
      this.columns.set(column, pages === null ? null : { pages, rooms, held: { page: -1, dictionary: false } });
    }
    this.memory.keep();
  }

  private rooms(pages: readonly PageHead[]): HeldColumn["rooms"] {
    const [page, dictionary] = [this.memory.take(roomOf(pages)), this.memory.take(dictionaryOf(pages))];
    return page === null || dictionary === null ? null : { page, dictionary };
  }

  private decodeColumn(file: ParquetFile, column: QuickColumn, rows: number, range: Range, isWhole: boolean): Decoded | null {
    const { memory } = this;
    const { chunk, width, optional } = column;
    const length = range.rowEnd - range.rowStart;
    const values = memory.take(length * width);
    const bitmap = optional ? memory.take((length >> 3) + 1) : 0;
    if (values === null || bitmap === null) return null;
    return memory.lend(() => {
      const whole = isWhole ? readWhole(file, memory, chunk) : null;
      const held = isWhole ? whole : this.columns.get(column.column);
      if (!held) return null;
      const { pages } = held;
      const rooms = held.rooms ?? this.rooms(pages);
      const stored = whole?.stored ?? storedPages(file, memory, chunk, pages);
      if (rooms === null || stored === null) return null;
      // Rooms that are not kept hold nothing of the call before.
      const state = held.rooms === null ? { page: -1, dictionary: false } : held.held;
      const about = { codec: chunk.codec, width, optional, isInteger: column.type.typeId === Type.Int, rows };
      const missing = decodePages(memory, pages, about, { ...rooms, values, bitmap, stored, held: state }, range);
      return missing === null ? null : { values, bitmap, missing };
    });
  }

  private dataOf({ type, width }: QuickColumn, { values, bitmap, missing }: Decoded, range: Range, isKept: boolean): Data {
    const length = range.rowEnd - range.rowStart;
    const bytesAt = (at: number, size: number): Uint8Array<ArrayBuffer> => {
      const bytes = this.memory.bytes.subarray(at, at + size);
      return isKept ? bytes.slice() : bytes;
    };
    const { buffer, byteOffset } = bytesAt(values, length * width);
    const data = new (type.ArrayType as typeof Float64Array)(buffer, byteOffset, length);
    const nullBitmap = missing === 0 ? null : bytesAt(bitmap, (length + 7) >> 3);
    return makeData({ type: type as Float, length, nullCount: missing, data, ...(nullBitmap === null ? {} : { nullBitmap }) });
  }
}

interface Decoded {
  values: number;
  bitmap: number;
  missing: number;
}

interface WholeChunk extends HeldColumn {
  stored(page: number): number;
}

/** The whole chunk at once, where all of it is wanted. */
function readWhole(file: ParquetFile, memory: ColumnMemory, chunk: ParquetColumnChunk): WholeChunk | null {
  const size = chunk.end - chunk.start;
  const at = size > MAX_CHUNK_BYTES ? null : memory.take(size);
  if (at === null) return null;
  const bytes = memory.bytes.subarray(at, at + size);
  file.readSync(bytes, chunk.start);
  const pages: PageHead[] = [];
  for (let place = 0; place < size; ) {
    const head = pageHead(bytes, place);
    if (head === null || head.start + head.stored > size || pages.length > MAX_PAGES) return null;
    pages.push(head);
    place = head.start + head.stored;
  }
  return { pages, rooms: null, held: { page: -1, dictionary: false }, stored: (page) => at + pages[page]!.start };
}

/** Header by header; null where one is not understood. */
function walkPages(file: ParquetFile, chunk: ParquetColumnChunk): PageHead[] | null {
  const pages: PageHead[] = [];
  const size = chunk.end - chunk.start;
  for (let place = 0; place < size; ) {
    let head: PageHead | null = null;
    for (const most of HEADER_BYTES) {
      const bytes = new Uint8Array(Math.min(most, size - place));
      file.readSync(bytes, chunk.start + place);
      head = pageHead(bytes, 0);
      if (head !== null) break;
    }
    if (head === null || pages.length > MAX_PAGES) return null;
    head.start += place;
    head.header = NO_FIELDS;
    if (head.start + head.stored > size) return null;
    pages.push(head);
    place = head.start + head.stored;
  }
  return pages;
}

/** Each page is read when it is asked for, into the same place. */
function storedPages(
  file: ParquetFile,
  memory: ColumnMemory,
  chunk: ParquetColumnChunk,
  pages: readonly PageHead[],
): ((page: number) => number) | null {
  const at = memory.take(pages.reduce((most, { stored }) => Math.max(most, stored), 0));
  if (at === null) return null;
  return (page) => {
    const { start, stored } = pages[page]!;
    file.readSync(memory.bytes.subarray(at, at + stored), chunk.start + start);
    return at;
  };
}

function roomOf(pages: readonly PageHead[]): number {
  return pages.reduce((most, { values, uncompressed }) => (values === null ? most : Math.max(most, uncompressed)), 0);
}

function dictionaryOf(pages: readonly PageHead[]): number {
  return pages.reduce((most, { values, uncompressed }) => (values === null ? Math.max(most, uncompressed) : most), 0);
}

/** Whether any rows of the group can be had at little cost: nothing has to be decompressed slowly, and no column needs the general decoder. */
export function isDivisible(file: ParquetFile, unit: number): boolean {
  return file.fields.every((_, column) => {
    const found = quickColumn(file, column, file.chunksOf(unit, [column])[0]!);
    return found !== null && !isSlowCodec(found.chunk.codec);
  });
}

function quickColumn(file: ParquetFile, column: number, [chunk]: ParquetColumnChunk[]): QuickColumn | null {
  const { flat, physical, optional } = file.fields[column]!;
  const { type } = file.schema.fields[column]!;
  if (!flat || chunk === undefined || !isQuickCodec(chunk.codec) || !isSame(physical, type)) return null;
  const { BYTES_PER_ELEMENT: width } = type.ArrayType as Uint8ArrayConstructor;
  return { column, chunk, width, type: type as Float | Int, optional };
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
