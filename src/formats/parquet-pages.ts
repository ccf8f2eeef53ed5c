/**
 * A column chunk page by page: pages of slow codecs are decompressed here, pages of other rows are left out, and the decoder behind gets a
 * chunk that says so. Whatever is not understood stays as it is: the decoder then judges the bytes themselves.
 * Source: parquet.thrift (PageHeader), Encodings.md.
 */
import { gunzipSync } from "node:zlib";
import { int } from "./parquet-footer.ts";
import { type ParquetColumnChunk, plainChunk } from "./parquet-row-group.ts";
import { decodeStruct, encodeStruct, Thrift, type ThriftStruct } from "./thrift-compact.ts";
import { decodeZstdFrame, loadZstd } from "./zstd-frames.ts";

const PageHeader = { type: 1, uncompressed: 2, compressed: 3, crc: 4, data: 5, dictionary: 7, dataV2: 8 } as const;
const DataPage = { values: 1, encoding: 2, levelEncoding: 3 } as const;
/** Values stand at the same place as in DataPage. */
const DataPageV2 = { encoding: 4, definitionBytes: 5, repetitionBytes: 6, isCompressed: 7 } as const;
const PageType = { data: 0, dictionary: 2, dataV2: 3 } as const;

const Codec = { gzip: 2, zstd: 6 } as const;

/** Codecs that are decompressed here. */
export function isSlowCodec(codec: number): boolean {
  return codec in INFLATE;
}

/** A header takes some 20 bytes, and up to some 100 with statistics of long texts. */
const MAX_HEADER_BYTES = 1 << 16;
const MAX_PAGE_BYTES = 64 << 20;
/** A block of zstd takes at least 4 bytes and holds at most 128 KiB; deflate gives at most 1032 bytes per byte. */
const MAX_RATIO: Record<number, number> = { [Codec.gzip]: 1040, [Codec.zstd]: 32_768 };

export interface PlainPages {
  chunk: ParquetColumnChunk;
  /** To be put together; views of `bytes` where nothing had to be done. */
  parts: Uint8Array[];
}

/** To be awaited before `plainPages` of such chunks. */
export async function loadCodecs(chunks: readonly ParquetColumnChunk[]): Promise<void> {
  if (chunks.some(({ codec }) => codec === Codec.zstd)) await loadZstd();
}

/**
 * @param bytes of the whole column chunk
 * @param rows those that will be read, rowEnd exclusive; pages without any of them come out empty, which a decoder passes over by their header
 * @returns null for a chunk that is to be handed on as it stands
 */
export function plainPages(
  chunk: ParquetColumnChunk,
  bytes: Uint8Array,
  rows: { rowStart: number; rowEnd: number } | null,
): PlainPages | null {
  if (!isSlowCodec(chunk.codec)) return null;
  // Headers count, and may grow by a few bytes each.
  const most = chunk.uncompressedBytes * 1.1 + MAX_HEADER_BYTES;
  const parts: Uint8Array[] = [];
  let length = 0;
  let dictionaryBytes = 0;
  let row = 0;
  for (const page of readPages(bytes)) {
    if (page === null) return null;
    const { header, values } = page;
    const outside = rows !== null && values !== null && (row + values <= rows.rowStart || row >= rows.rowEnd);
    row += values ?? 0;
    const plain = outside ? [] : inflatePage(page, chunk.codec);
    if (plain === null || length > most) return null;
    const size = plain.reduce((sum, part) => sum + part.length, 0);
    header.set(PageHeader.uncompressed, { type: Thrift.I32, value: size });
    header.set(PageHeader.compressed, { type: Thrift.I32, value: size });
    // Of the compressed bytes.
    header.delete(PageHeader.crc);
    const version2 = header.get(PageHeader.dataV2);
    if (version2?.type === Thrift.Struct) version2.value.set(DataPageV2.isCompressed, { type: Thrift.True, value: false });
    for (const part of [encodeStruct(header), ...plain]) {
      parts.push(part);
      length += part.length;
    }
    if (values === null) dictionaryBytes = length;
  }
  return { chunk: plainChunk(chunk, length, dictionaryBytes), parts };
}

/** The pages of a column chunk in order; null, as the last, where something is not understood. */
export function* readPages(bytes: Uint8Array): Generator<Page | null> {
  for (let at = 0; at < bytes.length; ) {
    const page = pageAt(bytes, at);
    yield page;
    if (page === null) return;
    at = page.end;
  }
}

/** What a page says of itself. */
export interface PageHead {
  header: ThriftStruct;
  /** Of the body, from where the header was read. */
  start: number;
  /** Bytes of the body, as stored. */
  stored: number;
  uncompressed: number;
  /** Of a data page, nulls included; null for a dictionary. */
  values: number | null;
  /** Values of a dictionary. */
  entries: number;
  /** Encodings of parquet.thrift: of the values, and of the definition levels in version 1. */
  encoding: number;
  levelEncoding: number;
  /** Bytes of levels before the compressed part (version 2); null in version 1, where they are a part of it. */
  levels: { repetition: number; definition: number } | null;
  isCompressed: boolean;
}

export interface Page extends PageHead {
  /** As stored. */
  body: Uint8Array;
  /** Of the page in its column chunk. */
  end: number;
}

type Inflate = (bytes: Uint8Array, length: number) => Uint8Array | null;

const INFLATE: Record<number, Inflate> = {
  [Codec.zstd]: decodeZstdFrame,
  [Codec.gzip]: (bytes, length) => gunzipSync(bytes, { maxOutputLength: Math.max(1, length) }),
};

function pageAt(bytes: Uint8Array, at: number): Page | null {
  const head = pageHead(bytes, at);
  if (head === null || head.start + head.stored > bytes.length) return null;
  const end = head.start + head.stored;
  return { ...head, body: bytes.subarray(head.start, end), end };
}

/** The header at `at`. Null for pages of a kind that holds no values (an index), with impossible sizes, or where the bytes end within it. */
export function pageHead(bytes: Uint8Array, at: number): PageHead | null {
  let header: ThriftStruct;
  let start: number;
  try {
    const { struct, length } = decodeStruct(bytes.subarray(at, at + MAX_HEADER_BYTES));
    header = struct;
    start = at + length;
  } catch {
    return null;
  }
  const [type, uncompressed, stored] = [PageHeader.type, PageHeader.uncompressed, PageHeader.compressed].map((id) =>
    number(header, id),
  ) as [number, number, number];
  if (!(stored >= 0 && uncompressed >= 0 && uncompressed <= MAX_PAGE_BYTES)) return null;
  const head = { header, start, stored, uncompressed, entries: 0, levelEncoding: -1, levels: null, isCompressed: true };
  if (type === PageType.dictionary) {
    const about = header.get(PageHeader.dictionary);
    const [entries, encoding] =
      about?.type === Thrift.Struct ? [number(about.value, DataPage.values), number(about.value, DataPage.encoding)] : [-1, -1];
    return { ...head, values: null, entries, encoding };
  }
  const about = header.get(type === PageType.dataV2 ? PageHeader.dataV2 : PageHeader.data);
  if (about?.type !== Thrift.Struct || (type !== PageType.data && type !== PageType.dataV2)) return null;
  const values = number(about.value, DataPage.values);
  if (values < 0) return null;
  if (type === PageType.data) {
    const levelEncoding = number(about.value, DataPage.levelEncoding);
    return { ...head, values, encoding: number(about.value, DataPage.encoding), levelEncoding };
  }
  const levels = {
    repetition: number(about.value, DataPageV2.repetitionBytes),
    definition: number(about.value, DataPageV2.definitionBytes),
  };
  const { repetition, definition } = levels;
  if (!(repetition >= 0 && definition >= 0 && repetition + definition <= Math.min(stored, uncompressed))) return null;
  const flag = about.value.get(DataPageV2.isCompressed);
  const isCompressed = flag?.type !== Thrift.True || flag.value;
  return { ...head, values, encoding: number(about.value, DataPageV2.encoding), levels, isCompressed };
}

function number(struct: ThriftStruct, id: number): number {
  return Number(int(struct, id) ?? -1n);
}

/** The body as it is without compression, in one or two parts; null where it cannot be had. */
function inflatePage(page: Page, codec: number): Uint8Array[] | null {
  const { body, levels } = page;
  const stored = levels === null ? 0 : levels.repetition + levels.definition;
  const length = page.uncompressed - stored;
  const values = body.subarray(stored);
  if (!isSlowCodec(codec) || !page.isCompressed) return values.length === length ? [body] : null;
  const before = body.subarray(0, stored);
  const plain = inflate(codec, values, length);
  return plain === null ? null : [before, plain];
}

/** @param codec one of those that are decompressed here @returns null where it does not give `length` bytes */
export function inflate(codec: number, bytes: Uint8Array, length: number): Uint8Array | null {
  if (length === 0) return new Uint8Array(0);
  if (length > 1024 + bytes.length * MAX_RATIO[codec]!) return null;
  try {
    const plain = INFLATE[codec]!(bytes, length);
    return plain?.length === length ? plain : null;
  } catch {
    return null;
  }
}
