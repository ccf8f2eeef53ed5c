/** An Arrow IPC stream message by message from a pipe, with memory for one message at a time. */
import type { Readable } from "node:stream";
import { DAMAGED_HINTS, refuseArrow } from "../../formats/arrow-error.ts";
import { type ArrowMessage, readMessage, readPrefix } from "../../formats/arrow-messages.ts";
import { headKind } from "./arrow-file.ts";

/** The metadata of a batch takes some 100 bytes per column; more than this is damage, and would be allocated before it is known to exist. */
const MAX_METADATA_BYTES = 1 << 28;
const MAGIC_BYTES = 8;

export interface StreamMessage {
  message: ArrowMessage;
  /** Prefix (8 bytes), metadata and body, each padded to 8 bytes, whatever the writer did. */
  bytes: Uint8Array<ArrayBuffer>;
}

/** @returns fewer bytes than asked for only at the end of the input */
type ReadBytes = (length: number) => Promise<Uint8Array>;

/** @returns the messages in order; a stream may end without the end marker, but not inside of a message */
export async function* streamMessages(path: string, stdin: Readable): AsyncGenerator<StreamMessage, void> {
  yield* messages(path, readFromPipe(stdin));
}

async function* messages(path: string, source: ReadBytes): AsyncGenerator<StreamMessage, void> {
  const start = await source(MAGIC_BYTES);
  // A file through a pipe: behind its magic stands the same stream.
  const isFile = headKind(path, start) === "file";
  const read = isFile ? source : withFirst(start, source);
  for (;;) {
    const head = await read(4);
    if (head.length === 0) return;
    const marked = head.length === 4 && new DataView(head.buffer, head.byteOffset).getInt32(0, true) === -1;
    const prefix = readPrefix(marked ? Buffer.concat([head, await read(4)]) : head);
    if (prefix === null) throw cutOff(path);
    const { metadataBytes } = prefix;
    if (metadataBytes === 0) return;
    checkMetadataBytes(path, metadataBytes);
    const metadata = await read(metadataBytes);
    if (metadata.length < metadataBytes) throw cutOff(path);
    const message = readMessage(path, metadata);
    const body = await read(message.bodyBytes);
    if (body.length < message.bodyBytes) throw cutOff(path);
    yield { message, bytes: pack(metadata, body) };
  }
}

function withFirst(first: Uint8Array, read: ReadBytes): ReadBytes {
  let rest = first;
  return async (length) => {
    if (rest.length === 0) return read(length);
    const part = rest.subarray(0, length);
    rest = rest.subarray(part.length);
    return part.length === length ? part : Buffer.concat([part, await read(length - part.length)]);
  };
}

const NOT_ARROW_HINTS = ["say what it is with --input-format csv, arrow or parquet", ...DAMAGED_HINTS];

/** @throws BP_INPUT_FORMAT for a length that no message has */
export function checkMetadataBytes(path: string, metadataBytes: number): void {
  if (metadataBytes >= 0 && metadataBytes <= MAX_METADATA_BYTES) return;
  throw refuseArrow(path, "it is no Arrow stream, or it is damaged", NOT_ARROW_HINTS);
}

export function cutOff(path: string): Error {
  return refuseArrow(path, "it is no Arrow stream, or its end is missing", NOT_ARROW_HINTS);
}

function pack(metadata: Uint8Array, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const metadataBytes = (metadata.length + 7) & ~7;
  const bytes = new Uint8Array(8 + metadataBytes + Math.ceil(body.length / 8) * 8);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, -1, true);
  view.setInt32(4, metadataBytes, true);
  bytes.set(metadata, 8);
  bytes.set(body, 8 + metadataBytes);
  return bytes;
}

function readFromPipe(stdin: Readable): ReadBytes {
  const chunks = stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let rest: Uint8Array = new Uint8Array(0);
  return async (length) => {
    const parts: Uint8Array[] = [];
    let have = 0;
    while (have < length) {
      if (rest.length === 0) {
        const next = await chunks.next();
        if (next.done) break;
        rest = next.value;
      }
      const part = rest.subarray(0, length - have);
      rest = rest.subarray(part.length);
      parts.push(part);
      have += part.length;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, have);
  };
}

/** The messages that `pack` made, one after the other. @returns each with its body */
export function* packedMessages(path: string, bytes: Uint8Array): Generator<{ message: ArrowMessage; body: Uint8Array }> {
  for (let at = 0; at < bytes.length; ) {
    const { prefixBytes, metadataBytes } = readPrefix(bytes.subarray(at, at + 8))!;
    const bodyStart = at + prefixBytes + metadataBytes;
    const message = readMessage(path, bytes.subarray(at + prefixBytes, bodyStart));
    yield { message, body: bytes.subarray(bodyStart, bodyStart + message.bodyBytes) };
    at = bodyStart + Math.ceil(message.bodyBytes / 8) * 8;
  }
}
