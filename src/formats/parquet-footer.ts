/**
 * The footer of a Parquet file: FileMetaData (thrift compact), its length (uint32, little-endian), "PAR1".
 * Source: parquet-format, README "File Format" and src/main/thrift/parquet.thrift. Field numbers below are those of parquet.thrift.
 * Row groups stay encoded until they are asked for: planning a file of a thousand columns and groups must not fill the heap.
 */
import fs from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { BatchPredictError } from "../core/errors.ts";
import { decodeStruct, encodeStruct, Thrift, type ThriftStruct, type ThriftValue } from "./thrift-compact.ts";

export const FileMetaData = {
  schema: 2,
  rows: 3,
  rowGroups: 4,
  keyValues: 5,
  columnOrders: 7,
  encryption: 8,
  signingKey: 9,
} as const;

export const MAGIC = Buffer.from("PAR1");
const MAGIC_ENCRYPTED = "PARE";
const TAIL_BYTES = 8;
/** Read at once from the end: most footers fit, so most files cost one read. */
const FIRST_READ_BYTES = 1 << 16;

export interface ParquetFooter {
  file: string;
  /** Of the whole file, bytes. */
  sizeBytes: number;
  /** FileMetaData as it stands, row groups encoded. */
  meta: ThriftStruct;
  /** Length of the encoded FileMetaData; a signature of encrypted columns may follow it. */
  metaBytes: number;
  /** SchemaElements, depth first, the root included. */
  schema: ThriftStruct[];
  /** Encoded RowGroup structs. */
  rowGroups: Uint8Array[];
  /** As the file claims; `readRowGroup` tells for each group. */
  rows: number;
  keyValues: Map<string, string>;
}

/** @throws BP_INPUT_FORMAT for a file that is empty, truncated, encrypted, or not Parquet */
export async function readFooter(handle: FileHandle, file: string): Promise<ParquetFooter> {
  const { size } = await handle.stat();
  const read = async (length: number): Promise<Buffer> => {
    const buffer = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await handle.read(buffer, done, length - done, size - length + done);
      if (bytesRead === 0) throw refuse(file, "the file became shorter while it was read");
      done += bytesRead;
    }
    return buffer;
  };
  const tail = await read(Math.min(size, FIRST_READ_BYTES));
  const length = metaLength(tail, size, file);
  return parseFooter(metaOf(length + TAIL_BYTES <= tail.length ? tail : await read(length + TAIL_BYTES), length), file, size);
}

/** The same for a thread that may block. */
export function readFooterSync(fd: number, file: string): ParquetFooter {
  const { size } = fs.fstatSync(fd);
  const read = (length: number): Buffer => {
    const buffer = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const count = fs.readSync(fd, buffer, done, length - done, size - length + done);
      if (count === 0) throw refuse(file, "the file became shorter while it was read");
      done += count;
    }
    return buffer;
  };
  const tail = read(Math.min(size, FIRST_READ_BYTES));
  const length = metaLength(tail, size, file);
  return parseFooter(metaOf(length + TAIL_BYTES <= tail.length ? tail : read(length + TAIL_BYTES), length), file, size);
}

/** Footer of a whole file in memory. */
export function footerOf(bytes: Uint8Array, file: string): ParquetFooter {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return parseFooter(metaOf(buffer, metaLength(buffer, buffer.length, file)), file, buffer.length);
}

/** First byte of the footer of a file of `sizeBytes`: everything before it, behind the leading magic, belongs to row groups. */
export function footerStart(whole: Uint8Array): number {
  const view = new DataView(whole.buffer, whole.byteOffset, whole.byteLength);
  return whole.length - TAIL_BYTES - view.getUint32(whole.length - TAIL_BYTES, true);
}

function metaOf(tail: Buffer, length: number): Buffer {
  return tail.subarray(tail.length - TAIL_BYTES - length, tail.length - TAIL_BYTES);
}

function metaLength(tail: Buffer, size: number, file: string): number {
  if (size === 0) throw refuse(file, "the file is empty (0 bytes)");
  const magic = tail.toString("latin1", Math.max(0, tail.length - 4));
  if (magic === MAGIC_ENCRYPTED) {
    throw refuse(file, "the file is encrypted", ["decrypt it first: encrypted Parquet files cannot be read"]);
  }
  if (size < MAGIC.length + TAIL_BYTES || magic !== "PAR1") {
    throw refuse(file, "it does not end like a Parquet file: it was cut off, or it is no Parquet file", [
      "check that the file was copied completely",
      "if it is of another format, name it with --input-format",
    ]);
  }
  const length = tail.readUInt32LE(tail.length - TAIL_BYTES);
  if (length === 0 || length > size - MAGIC.length - TAIL_BYTES) {
    throw refuse(file, `its metadata should be ${length} bytes long, which does not fit a file of ${size} bytes`);
  }
  return length;
}

function parseFooter(bytes: Uint8Array, file: string, sizeBytes: number): ParquetFooter {
  return inFile(file, () => {
    const { struct, length } = decodeStruct(bytes, { rawLists: [FileMetaData.rowGroups] });
    const groups = struct.get(FileMetaData.rowGroups);
    const schema = structs(struct, FileMetaData.schema);
    const rows = Number(int(struct, FileMetaData.rows));
    if (groups === undefined || !("raw" in groups) || schema.length === 0 || !(rows >= 0)) {
      throw refuse(file, "its metadata has no schema, row count or row groups");
    }
    if (groups.raw.length > 0 && groups.of !== Thrift.Struct) throw refuse(file, "its row groups are no structs");
    return {
      file,
      sizeBytes,
      meta: struct,
      metaBytes: length,
      schema,
      rowGroups: groups.raw,
      rows,
      keyValues: keyValuesOf(struct),
    };
  });
}

/**
 * Everything behind the last row group: FileMetaData, its length, the magic.
 * @param base fields that stay as they are (version, schema, created_by, column orders)
 * @param rowGroups encoded RowGroup structs, in the order of their rows
 */
export function encodeFooter(
  base: ThriftStruct,
  parts: { rows: bigint; rowGroups: Uint8Array[]; keyValues: ReadonlyMap<string, string> },
): Uint8Array {
  const meta: ThriftStruct = new Map(base);
  meta.set(FileMetaData.rows, { type: Thrift.I64, value: parts.rows });
  meta.set(FileMetaData.rowGroups, { type: Thrift.List, of: Thrift.Struct, raw: parts.rowGroups });
  meta.delete(FileMetaData.keyValues);
  if (parts.keyValues.size > 0) meta.set(FileMetaData.keyValues, keyValueList(parts.keyValues));
  const bytes = encodeStruct(new Map([...meta].sort(([a], [b]) => a - b)));
  const tail = Buffer.alloc(TAIL_BYTES);
  tail.writeUInt32LE(bytes.length, 0);
  MAGIC.copy(tail, 4);
  return Buffer.concat([bytes, tail]);
}

function keyValueList(entries: ReadonlyMap<string, string>): ThriftValue {
  const value: ThriftValue[] = [...entries].map(([key, text]) => ({
    type: Thrift.Struct,
    value: new Map<number, ThriftValue>([
      [1, { type: Thrift.Binary, value: Buffer.from(key) }],
      [2, { type: Thrift.Binary, value: Buffer.from(text) }],
    ]),
  }));
  return { type: Thrift.List, of: Thrift.Struct, value };
}

function keyValuesOf(meta: ThriftStruct): Map<string, string> {
  const entries = structs(meta, FileMetaData.keyValues).map((pair): [string, string] => [
    text(pair, 1) ?? "",
    text(pair, 2) ?? "",
  ]);
  return new Map(entries);
}

/** An integer field of any width; undefined when it is absent or no integer. */
export function int(struct: ThriftStruct, id: number): bigint | undefined {
  const field = struct.get(id);
  if (field?.type === Thrift.I64) return field.value;
  return field?.type === Thrift.I32 || field?.type === Thrift.I16 || field?.type === Thrift.I8 ? BigInt(field.value) : undefined;
}

export function text(struct: ThriftStruct, id: number): string | undefined {
  const field = struct.get(id);
  return field?.type === Thrift.Binary ? Buffer.from(field.value).toString("utf8") : undefined;
}

/** A list of structs; empty when the field is absent or something else. */
export function structs(struct: ThriftStruct, id: number): ThriftStruct[] {
  const field = struct.get(id);
  if (field?.type !== Thrift.List || "raw" in field) return [];
  return field.value.flatMap((element) => (element.type === Thrift.Struct ? [element.value] : []));
}

/** Names the file in errors of the thrift codec, which does not know it. */
export function inFile<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof BatchPredictError) || error.details.where?.file !== undefined) throw error;
    throw refuse(file, error.message);
  }
}

export function refuse(
  file: string,
  why: string,
  hints: string[] = ["check that the file was written and copied completely"],
): BatchPredictError {
  return new BatchPredictError("BP_INPUT_FORMAT", `cannot read ${file} as Parquet: ${why}`, { where: { file }, hints });
}
