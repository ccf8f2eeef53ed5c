/**
 * One row group: where its column chunks lie, and the same group at another place of another file.
 * Offsets are absolute in the file, so moving bytes means rewriting RowGroup.5, ColumnChunk.2/4/6 and ColumnMetaData.9/10/11/14
 * (parquet.thrift); everything else is copied as it stands.
 */
import { inFile, int, refuse, text } from "./parquet-footer.ts";
import { decodeStruct, encodeStruct, Thrift, type ThriftStruct, type ThriftValue } from "./thrift-compact.ts";

const RowGroup = { columns: 1, bytes: 2, rows: 3, fileOffset: 5, compressedBytes: 6, ordinal: 7 } as const;
const ColumnChunk = { filePath: 1, fileOffset: 2, meta: 3, offsetIndex: 4, columnIndex: 6, crypto: 8, encryptedMeta: 9 } as const;
const ColumnMeta = {
  path: 3,
  codec: 4,
  values: 5,
  uncompressed: 6,
  compressed: 7,
  data: 9,
  index: 10,
  dictionary: 11,
  bloom: 14,
} as const;
/** ColumnMetaData a reader of values needs: types, encodings, path, codec, counts, sizes, data and dictionary offsets. */
const NEEDED_META = [1, 2, 3, 4, 5, 6, 7, 9, 11];
const MAX_ORDINAL = 0x7fff;

export interface ParquetRowGroup {
  rows: number;
  /** Uncompressed, with encodings: less than the decoded size where values repeat. */
  bytes: number;
  /** Encoded ColumnChunk structs, one per leaf of the schema. */
  chunks: Uint8Array[];
}

export interface ParquetColumnChunk {
  meta: ThriftStruct;
  /** Byte range in the file, end exclusive. */
  start: number;
  end: number;
  uncompressedBytes: number;
  /** CompressionCodec of parquet.thrift. */
  codec: number;
  /** As far as the metadata tells. */
  hasDictionary: boolean;
}

/** @throws BP_INPUT_FORMAT */
export function readRowGroup(encoded: Uint8Array, file: string): ParquetRowGroup {
  return inFile(file, () => {
    const { struct } = decodeStruct(encoded, { rawLists: [RowGroup.columns] });
    const columns = struct.get(RowGroup.columns);
    const rows = Number(int(struct, RowGroup.rows) ?? -1n);
    if (
      columns === undefined ||
      !("raw" in columns) ||
      columns.of !== Thrift.Struct ||
      !(rows >= 0 && Number.isSafeInteger(rows))
    ) {
      throw refuse(file, "a row group has no columns or row count");
    }
    return { rows, bytes: Math.max(0, Number(int(struct, RowGroup.bytes) ?? 0n)), chunks: columns.raw };
  });
}

/** @throws BP_INPUT_FORMAT when the bytes are not in this file, are encrypted, or lie outside it */
export function readColumnChunk(encoded: Uint8Array, file: string, sizeBytes: number): ParquetColumnChunk {
  return inFile(file, () => {
    const { struct } = decodeStruct(encoded);
    const external = text(struct, ColumnChunk.filePath);
    if (external)
      throw refuse(file, `the values of its columns lie in another file (${external})`, ["give the files that hold the values"]);
    const field = struct.get(ColumnChunk.meta);
    if (struct.has(ColumnChunk.crypto) || struct.has(ColumnChunk.encryptedMeta)) {
      throw refuse(file, "a needed column is encrypted", ["decrypt it first: encrypted columns cannot be read"]);
    }
    if (field?.type !== Thrift.Struct) throw refuse(file, "a column chunk has no metadata");
    const meta = field.value;
    const data = Number(int(meta, ColumnMeta.data) ?? -1n);
    const dictionary = Number(int(meta, ColumnMeta.dictionary) ?? 0n);
    // Some writers put 0 for "no dictionary", or a dictionary offset behind the data.
    const start = dictionary > 0 && dictionary < data ? dictionary : data;
    const length = Number(int(meta, ColumnMeta.compressed) ?? -1n);
    if (!(start >= 0 && length >= 0 && start + length <= sizeBytes)) {
      throw refuse(file, `column ${pathOf(meta)} should have ${length} bytes at byte ${start}, beyond the end of the file`);
    }
    return {
      meta,
      start,
      end: start + length,
      uncompressedBytes: Math.max(0, Number(int(meta, ColumnMeta.uncompressed) ?? 0n)),
      codec: Number(int(meta, ColumnMeta.codec) ?? -1n),
      hasDictionary: start !== data,
    };
  });
}

/** The same chunk without compression. @param dictionaryBytes length of its dictionary page, header included; 0: none */
export function plainChunk(chunk: ParquetColumnChunk, length: number, dictionaryBytes: number): ParquetColumnChunk {
  const meta: ThriftStruct = new Map(chunk.meta);
  meta.set(ColumnMeta.codec, { type: Thrift.I32, value: 0 });
  meta.set(ColumnMeta.uncompressed, { type: Thrift.I64, value: BigInt(length) });
  // Where the dictionary has a place of its own, the data begins behind it.
  if (chunk.start !== Number(int(meta, ColumnMeta.data)))
    meta.set(ColumnMeta.data, { type: Thrift.I64, value: BigInt(chunk.start + dictionaryBytes) });
  return {
    meta,
    start: chunk.start,
    end: chunk.start + length,
    uncompressedBytes: length,
    codec: 0,
    hasDictionary: chunk.hasDictionary,
  };
}

/** A row group of only these chunks (or their first bytes), for a file in which chunk k starts at `starts[k]`. Statistics and indexes are left out. */
export function composeRowGroup(rows: number, chunks: readonly ParquetColumnChunk[], starts: readonly number[]): Uint8Array {
  const columns = chunks.map((chunk, k): ThriftValue => {
    const meta: ThriftStruct = new Map([...chunk.meta].filter(([id]) => NEEDED_META.includes(id)));
    const delta = BigInt(starts[k]! - chunk.start);
    if (chunk.start === Number(int(meta, ColumnMeta.data))) meta.delete(ColumnMeta.dictionary);
    shift(meta, delta, [ColumnMeta.data, ColumnMeta.dictionary]);
    meta.set(ColumnMeta.compressed, { type: Thrift.I64, value: BigInt(chunk.end - chunk.start) });
    return {
      type: Thrift.Struct,
      value: new Map<number, ThriftValue>([
        [ColumnChunk.fileOffset, { type: Thrift.I64, value: 0n }],
        [ColumnChunk.meta, { type: Thrift.Struct, value: meta }],
      ]),
    };
  });
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.uncompressedBytes, 0);
  return encodeStruct(
    new Map<number, ThriftValue>([
      [RowGroup.columns, { type: Thrift.List, of: Thrift.Struct, value: columns }],
      [RowGroup.bytes, { type: Thrift.I64, value: BigInt(bytes) }],
      [RowGroup.rows, { type: Thrift.I64, value: BigInt(rows) }],
    ]),
  );
}

/** The same row group `delta` bytes further on, as the `ordinal`-th of its file. */
export function moveRowGroup(encoded: Uint8Array, delta: number, ordinal: number): Uint8Array {
  const by = BigInt(delta);
  // Column by column: the decoded metadata of 10,000 columns at once takes longer to collect than to make.
  const { struct } = decodeStruct(encoded, { rawLists: [RowGroup.columns] });
  shift(struct, by, [RowGroup.fileOffset]);
  if (ordinal > MAX_ORDINAL) struct.delete(RowGroup.ordinal);
  else if (struct.has(RowGroup.ordinal)) struct.set(RowGroup.ordinal, { type: Thrift.I16, value: ordinal });
  const columns = struct.get(RowGroup.columns);
  if (columns?.type === Thrift.List && "raw" in columns && columns.of === Thrift.Struct)
    struct.set(RowGroup.columns, { ...columns, raw: columns.raw.map((column) => moveColumnChunk(column, by)) });
  return encodeStruct(struct);
}

function moveColumnChunk(encoded: Uint8Array, by: bigint): Uint8Array {
  const { struct } = decodeStruct(encoded);
  shift(struct, by, [ColumnChunk.fileOffset, ColumnChunk.offsetIndex, ColumnChunk.columnIndex]);
  const meta = struct.get(ColumnChunk.meta);
  if (meta?.type === Thrift.Struct)
    shift(meta.value, by, [ColumnMeta.data, ColumnMeta.index, ColumnMeta.dictionary, ColumnMeta.bloom]);
  // The encoder leaves room behind what it wrote.
  return encodeStruct(struct).slice();
}

/** 0 means "not used" in file_offset fields of newer writers and stays 0. */
function shift(struct: ThriftStruct, delta: bigint, ids: readonly number[]): void {
  for (const id of ids) {
    const field = struct.get(id);
    if (field?.type === Thrift.I64 && field.value !== 0n) struct.set(id, { type: Thrift.I64, value: field.value + delta });
  }
}

function pathOf(meta: ThriftStruct): string {
  const path = meta.get(ColumnMeta.path);
  if (path?.type !== Thrift.List || "raw" in path) return "?";
  return path.value.map((part) => (part.type === Thrift.Binary ? Buffer.from(part.value).toString("utf8") : "?")).join(".");
}
