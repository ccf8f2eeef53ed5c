/** Encapsulated messages and the footer of Arrow IPC (Message.fbs, File.fbs), with every count checked against the bytes it is in. */
import { MetadataVersion, type Schema } from "apache-arrow";
import { DictionaryBatch } from "apache-arrow/fb/dictionary-batch";
import { Footer as FbFooter } from "apache-arrow/fb/footer";
import { Message as FbMessage } from "apache-arrow/fb/message";
import { MessageHeader } from "apache-arrow/fb/message-header";
import { RecordBatch as FbRecordBatch } from "apache-arrow/fb/record-batch";
import { Schema as FbSchema } from "apache-arrow/fb/schema";
import { Footer } from "apache-arrow/ipc/metadata/file";
import { Message } from "apache-arrow/ipc/metadata/message";
import { ByteBuffer } from "flatbuffers";
import { DAMAGED_HINTS, refuseArrow, refusing } from "./arrow-error.ts";
import { checkSchema } from "./arrow-schema.ts";

/** Position of a message in a file; `metadataBytes` counts its prefix and padding too. */
export interface Block {
  offset: number;
  metadataBytes: number;
  bodyBytes: number;
}

export interface ArrowFooter {
  schema: Schema;
  dictionaries: Block[];
  batches: Block[];
}

/** How the buffers of one record batch (or of a dictionary's values) lie in its body. */
export interface BatchHeader {
  rows: number;
  nodes: { length: number; nullCount: number }[];
  buffers: { offset: number; length: number }[];
  /** Number of data buffers of each view column, in order. */
  variadicCounts: number[];
  /** BodyCompression.codec; null: not compressed. */
  codec: number | null;
  /** Before V5, unions had a validity buffer. */
  unionValidity: boolean;
}

export type ArrowMessage = { bodyBytes: number } & (
  | { kind: "schema"; schema: Schema }
  | { kind: "dictionary"; id: number; isDelta: boolean; header: BatchHeader }
  | { kind: "batch"; header: BatchHeader }
);

const BLOCK_BYTES = 24;
const NODE_BYTES = 16;
const BUFFER_BYTES = 16;

/** The footer's own version is not looked at: early writers left it unset, and every message carries one. */
export function readFooter(file: string, bytes: Uint8Array): ArrowFooter {
  return refusing(file, () => {
    const footer = FbFooter.getRootAsFooter(new ByteBuffer(bytes));
    checkSchema(file, footer.schema(), bytes.length);
    checkCount(file, footer.dictionariesLength() + footer.recordBatchesLength(), BLOCK_BYTES, bytes.length);
    const { schema } = Footer.decode(bytes);
    const dictionaries = range(footer.dictionariesLength()).map((at) => block(file, footer.dictionaries(at)));
    const batches = range(footer.recordBatchesLength()).map((at) => block(file, footer.recordBatches(at)));
    return { schema, dictionaries, batches };
  });
}

/** @param metadata the flatbuffer without its length prefix */
export function readMessage(file: string, metadata: Uint8Array): ArrowMessage {
  return refusing(file, () => {
    const message = FbMessage.getRootAsMessage(new ByteBuffer(metadata));
    checkVersion(file, message.version());
    const bodyBytes = Number(message.bodyLength());
    if (!(bodyBytes >= 0 && Number.isSafeInteger(bodyBytes))) throw damaged(file, "a message has an impossible length");
    const unionValidity = message.version() < MetadataVersion.V5;
    switch (message.headerType()) {
      case MessageHeader.Schema:
        checkSchema(file, message.header(new FbSchema()), metadata.length);
        return { kind: "schema", schema: Message.decode(metadata).header() as Schema, bodyBytes };
      case MessageHeader.RecordBatch: {
        const batch = message.header(new FbRecordBatch()) as FbRecordBatch | null;
        return { kind: "batch", header: batchHeader(file, batch, metadata.length, bodyBytes, unionValidity), bodyBytes };
      }
      case MessageHeader.DictionaryBatch: {
        const dictionary = message.header(new DictionaryBatch()) as DictionaryBatch | null;
        const header = batchHeader(file, dictionary?.data() ?? null, metadata.length, bodyBytes, unionValidity);
        return { kind: "dictionary", id: Number(dictionary!.id()), isDelta: dictionary!.isDelta(), header, bodyBytes };
      }
      default:
        throw refuseArrow(file, `it holds a message that is no table (header ${message.headerType()})`, [
          "only tables can be read, not tensors",
        ]);
    }
  });
}

/**
 * Length of the metadata that follows a message's prefix, and of the prefix: 8 bytes (0xFFFFFFFF, length), or 4 before format 0.15.
 * Length 0 is the end of a stream. Null when the bytes are too few to tell.
 */
export function readPrefix(bytes: Uint8Array): { prefixBytes: number; metadataBytes: number } | null {
  if (bytes.length < 4) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = view.getInt32(0, true);
  if (first !== -1) return { prefixBytes: 4, metadataBytes: first };
  return bytes.length < 8 ? null : { prefixBytes: 8, metadataBytes: view.getInt32(4, true) };
}

function batchHeader(
  file: string,
  batch: FbRecordBatch | null,
  metadataBytes: number,
  bodyBytes: number,
  unionValidity: boolean,
): BatchHeader {
  if (batch === null) throw damaged(file, "a record batch has no header");
  checkCount(file, batch.nodesLength(), NODE_BYTES, metadataBytes);
  checkCount(file, batch.buffersLength(), BUFFER_BYTES, metadataBytes);
  checkCount(file, batch.variadicBufferCountsLength(), 8, metadataBytes);
  const compression = batch.compression();
  const codec = compression === null ? null : compression.codec();
  if (codec !== null && codec !== 0 && codec !== 1)
    throw refuseArrow(file, `it is compressed by an unknown method (${codec})`, ["write it with lz4, zstd or no compression"]);
  const buffers = range(batch.buffersLength()).map((at) => {
    const buffer = batch.buffers(at)!;
    const [offset, length] = [Number(buffer.offset()), Number(buffer.length())];
    if (!(offset >= 0 && length >= 0 && offset + length <= bodyBytes))
      throw damaged(file, "a buffer lies outside of its record batch");
    return { offset, length };
  });
  return {
    rows: count(file, batch.length()),
    nodes: range(batch.nodesLength()).map((at) => {
      const node = batch.nodes(at)!;
      return { length: count(file, node.length()), nullCount: Number(node.nullCount()) };
    }),
    buffers,
    variadicCounts: range(batch.variadicBufferCountsLength()).map((at) => Number(batch.variadicBufferCounts(at))),
    codec,
    unionValidity,
  };
}

function block(file: string, entry: { offset(): bigint; metaDataLength(): number; bodyLength(): bigint } | null): Block {
  const [offset, metadataBytes, bodyBytes] = [
    Number(entry?.offset() ?? -1),
    entry?.metaDataLength() ?? -1,
    Number(entry?.bodyLength() ?? -1),
  ];
  if (!(offset >= 8 && metadataBytes >= 8 && bodyBytes >= 0)) throw damaged(file, "its index points to impossible places");
  return { offset, metadataBytes, bodyBytes };
}

/** Arrays are indexed by 32 bits here; no real batch comes near. */
function count(file: string, value: bigint): number {
  if (value < 0n || value > 0xffff_fffen) throw damaged(file, "a record batch has an impossible number of rows");
  return Number(value);
}

function checkVersion(file: string, version: MetadataVersion): void {
  if (version >= MetadataVersion.V4 && version <= MetadataVersion.V5) return;
  throw refuseArrow(file, `its format version (V${version + 1}) is not supported`, ["write it again with Arrow 0.8 or later"]);
}

function checkCount(file: string, elements: number, elementBytes: number, bytes: number): void {
  if (!(elements >= 0 && elements * elementBytes <= bytes)) throw damaged(file, "its metadata has impossible counts");
}

function damaged(file: string, why: string): Error {
  return refuseArrow(file, why, DAMAGED_HINTS);
}

function range(length: number): number[] {
  return Array.from({ length }, (_, at) => at);
}
