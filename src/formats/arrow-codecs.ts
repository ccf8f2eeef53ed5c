/** Compressed buffers of Arrow IPC (Message.fbs, BodyCompression): an int64 with the decoded length, then the bytes; -1: stored as they are. */
import { Decompress, decompress } from "fzstd";
import { DamagedData } from "./arrow-error.ts";
import { decodeLz4Frame } from "./arrow-lz4.ts";

/** As in Message.fbs. */
export const CODEC_LZ4_FRAME = 0;
export const CODEC_ZSTD = 1;

/** A block of zstd takes at least 4 bytes and holds at most 128 KiB; one of LZ4 gives at most 255 bytes per byte. */
const MAX_RATIO = [256, 32_768] as const;
/** Length of one ArrayBuffer that all supported versions of Node can make. */
const MAX_BYTES = 2 ** 32 - 1;

/** What zstd itself refuses by default (ZSTD_WINDOWLOG_LIMIT_DEFAULT). */
const MAX_WINDOW_BYTES = 2 ** 27;

/**
 * Decoded bytes of one buffer, aligned to 8 bytes. What is announced bounds what is allocated, and the input bounds what may be
 * announced.
 * @throws DamagedData when the bytes are corrupt
 */
export function decompressBuffer(codec: number, stored: Uint8Array): Uint8Array {
  if (stored.length === 0) return stored;
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  const announced = view.getBigInt64(0, true);
  const bytes = stored.subarray(8);
  if (announced === -1n) return bytes.slice();
  const length = Number(announced);
  if (length < 0 || length > MAX_BYTES || length > 1024 + bytes.length * MAX_RATIO[codec as 0 | 1]) {
    throw new DamagedData(`a compressed buffer of ${bytes.length} bytes cannot hold ${announced} bytes`);
  }
  if (length === 0) return new Uint8Array(0);
  if (codec === CODEC_LZ4_FRAME) return decodeLz4Frame(bytes, length);
  return decodeZstd(bytes, length);
}

/**
 * fzstd cannot tell how much of a given buffer it filled, so the frame's own content size (RFC 8878, 3.1.1.1.4) is compared, and
 * the few frames without one are decoded block by block and counted, which is slower.
 */
function decodeZstd(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  const content = zstdContentSize(bytes);
  if (content !== null) {
    if (content !== length) throw new DamagedData(`a zstd frame holds ${content} bytes instead of ${length}`);
    decompress(bytes, out);
    return out;
  }
  // RFC 8878, 3.1.1.1.2: the window is allocated at once.
  const window = 2 ** (10 + (bytes[5]! >> 3));
  if (window > MAX_WINDOW_BYTES) throw new DamagedData(`a zstd frame asks for a window of ${window} bytes`);
  let written = 0;
  const stream = new Decompress((block) => {
    if (written + block.length > length) throw new DamagedData("a zstd frame is longer than announced");
    out.set(block, written);
    written += block.length;
  });
  stream.push(bytes, true);
  if (written !== length) throw new DamagedData(`a zstd frame holds ${written} bytes instead of ${length}`);
  return out;
}

function zstdContentSize(frame: Uint8Array): number | null {
  if (frame.length < 14) return null;
  const flags = frame[4]!;
  const singleSegment = (flags >> 5) & 1;
  const sizeBytes = [singleSegment, 2, 4, 8][flags >> 6]!;
  if (sizeBytes === 0) return null;
  const at = 6 - singleSegment + [0, 1, 2, 4][flags & 3]!;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (sizeBytes === 1) return view.getUint8(at);
  if (sizeBytes === 2) return view.getUint16(at, true) + 256;
  return sizeBytes === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
}
