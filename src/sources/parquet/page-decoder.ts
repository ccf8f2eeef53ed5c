/**
 * Pages of one column chunk of numbers into values one behind the other, with a bitmap where some are missing: PLAIN, dictionaries and deltas;
 * not compressed, or by snappy, zstd or gzip. What else there may be is the general decoder's: nothing is refused here.
 * Source: parquet.thrift, Encodings.md (levels of version 1 say their length).
 */
import { inflate, isSlowCodec, type PageHead } from "../../formats/parquet-pages.ts";
import type { ColumnMemory } from "./column-memory.ts";

const Encoding = { plain: 0, plainDictionary: 2, rle: 3, delta: 5, dictionary: 8 } as const;
/** Of one page, decoded. */
const MAX_VALUE_BYTES = 64 << 20;

const Codec = { none: 0, snappy: 1 } as const;

export function isQuickCodec(codec: number): boolean {
  return codec === Codec.none || codec === Codec.snappy || isSlowCodec(codec);
}

export interface PageColumn {
  codec: number;
  /** Bytes of one value, 4 or 8. */
  width: number;
  isInteger: boolean;
  optional: boolean;
  /** Of the row group. */
  rows: number;
}

/** Where things are in the memory. */
export interface ColumnPlaces {
  /** Room for the largest page, decompressed; and for a dictionary, decompressed. */
  page: number;
  dictionary: number;
  /** For the values of the wanted rows, and their bitmap where the column is optional. */
  values: number;
  bitmap: number;
  /** @returns the address of the body as it is stored */
  stored(page: number): number;
  /** Number of the page that lies decompressed in its room, -1: none; whether the dictionary does. */
  held: { page: number; dictionary: boolean };
}

type Range = { rowStart: number; rowEnd: number };

/** @returns how many values are missing, or null where something is not understood */
export function decodePages(
  memory: ColumnMemory,
  pages: readonly PageHead[],
  column: PageColumn,
  places: ColumnPlaces,
  { rowStart, rowEnd }: Range,
): number | null {
  let row = 0;
  let missing = 0;
  let entries = 0;
  if (column.optional) memory.bytes.fill(255, places.bitmap, places.bitmap + ((rowEnd - rowStart + 7) >> 3));
  for (const [at, page] of pages.entries()) {
    if (page.values === null) {
      if (at > 0 || !loadDictionary(memory, page, column, places)) return null;
      entries = page.entries;
      continue;
    }
    const from = Math.max(row, rowStart);
    const to = Math.min(row + page.values, rowEnd);
    if (from < to) {
      const body = openPage(memory, page, at, column.codec, places);
      if (body === null) return null;
      const found = memory.lend(() =>
        decodePage(memory, page, body, column, places, entries, {
          first: from - row,
          last: to - row,
          at: from - rowStart,
        }),
      );
      if (found === null) return null;
      missing += found;
    }
    row += page.values;
  }
  return row === column.rows ? missing : null;
}

function loadDictionary(memory: ColumnMemory, page: PageHead, { codec, width }: PageColumn, places: ColumnPlaces): boolean {
  if (page.encoding !== Encoding.plain && page.encoding !== Encoding.plainDictionary) return false;
  if (page.entries < 0 || page.uncompressed !== page.entries * width) return false;
  if (places.held.dictionary) return true;
  const body = places.stored(0);
  if (codec === Codec.none) memory.bytes.copyWithin(places.dictionary, body, body + page.stored);
  if (codec === Codec.none ? page.stored !== page.uncompressed : !unpack(memory, body, page, codec, places.dictionary))
    return false;
  places.held.dictionary = true;
  return true;
}

/** @returns where the body lies, levels first, without compression */
function openPage(memory: ColumnMemory, page: PageHead, at: number, codec: number, places: ColumnPlaces): number | null {
  if (places.held.page === at) return places.page;
  const body = places.stored(at);
  if (codec === Codec.none || !page.isCompressed) return page.stored === page.uncompressed ? body : null;
  places.held.page = -1;
  if (!unpack(memory, body, page, codec, places.page)) return null;
  places.held.page = at;
  return places.page;
}

function unpack(
  memory: ColumnMemory,
  body: number,
  { levels, stored, uncompressed }: PageHead,
  codec: number,
  to: number,
): boolean {
  const before = levels === null ? 0 : levels.repetition + levels.definition;
  const length = uncompressed - before;
  const { bytes } = memory;
  bytes.copyWithin(to, body, body + before);
  if (codec === Codec.snappy)
    return length === 0 || memory.kernel.snappy(body + before, body + stored, to + before, length) === length;
  const plain = inflate(codec, bytes.subarray(body + before, body + stored), length);
  if (plain !== null) bytes.set(plain, to + before);
  return plain !== null;
}

/** Rows first..last of the page go to the column's rows `at`... @returns how many of them are missing, or null */
function decodePage(
  memory: ColumnMemory,
  page: PageHead,
  body: number,
  column: PageColumn,
  places: ColumnPlaces,
  entries: number,
  { first, last, at }: { first: number; last: number; at: number },
): number | null {
  const { kernel } = memory;
  const { width, optional } = column;
  const count = page.values!;
  if (count > column.rows || count * width > MAX_VALUE_BYTES) return null;
  const end = body + page.uncompressed;
  const levels = levelsOf(memory, page, body, optional);
  if (levels === null) return null;
  const bits = optional ? memory.take((count >> 3) + 1) : 0;
  if (bits === null) return null;
  const present = optional ? kernel.validity(levels.from, levels.to, count, bits) : count;
  if (present < 0) return null;
  const from = levels.values;
  const to = places.values + at * width;
  if (present === count) return dense(memory, page, { from, end, first, last, count, to }, column, places, entries) ? 0 : null;
  // What is there, one behind the other; then to its rows.
  const packed = page.encoding === Encoding.plain ? from : memory.take(present * width);
  if (packed === null) return null;
  const whole = { from, end, first: 0, last: present, count: present, to: packed };
  if (!dense(memory, page, whole, column, places, entries)) return null;
  return kernel.spread(packed, bits, first, last, width, to, places.bitmap, at);
}

/** Values first..last of `count`. */
function dense(
  memory: ColumnMemory,
  { encoding }: PageHead,
  { from, end, first, last, count, to }: { from: number; end: number; first: number; last: number; count: number; to: number },
  { width, isInteger }: PageColumn,
  { dictionary, held }: ColumnPlaces,
  entries: number,
): boolean {
  const { kernel } = memory;
  switch (encoding) {
    case Encoding.plain:
      if (end - from !== count * width) return false;
      if (to !== from) memory.bytes.copyWithin(to, from + first * width, from + last * width);
      return true;
    case Encoding.plainDictionary:
    case Encoding.dictionary:
      return (
        held.dictionary &&
        kernel.dictionaryValues(from, end, first, last - first, width, dictionary, entries, to) === last - first
      );
    case Encoding.delta: {
      if (!isInteger) return false;
      if (first === 0 && last === count) return kernel.deltaValues(from, end, count, width, to) === count;
      const all = memory.take(count * width);
      if (all === null || kernel.deltaValues(from, end, count, width, all) !== count) return false;
      memory.bytes.copyWithin(to, all + first * width, all + last * width);
      return true;
    }
    default:
      return false;
  }
}

/** Addresses of the definition levels, and of the values behind them. */
function levelsOf(
  memory: ColumnMemory,
  page: PageHead,
  body: number,
  optional: boolean,
): { from: number; to: number; values: number } | null {
  if (page.levels !== null) {
    const { repetition, definition } = page.levels;
    const from = body + repetition;
    return { from, to: from + definition, values: from + definition };
  }
  if (!optional) return { from: body, to: body, values: body };
  if (page.levelEncoding !== Encoding.rle || page.uncompressed < 4) return null;
  const length = new DataView(memory.bytes.buffer).getUint32(body, true);
  if (length > page.uncompressed - 4) return null;
  return { from: body + 4, to: body + 4 + length, values: body + 4 + length };
}
