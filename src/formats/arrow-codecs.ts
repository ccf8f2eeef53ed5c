/** Compressed buffers of Arrow IPC (Message.fbs, BodyCompression): an int64 with the decoded length, then the bytes; -1: stored as they are. */
import { BatchPredictError } from "../core/errors.ts";
import { DamagedData, DecoderNotLoaded } from "./arrow-error.ts";
import { decodeLz4Frame } from "./arrow-lz4.ts";
import { loadZstd, zstdDecoder } from "./zstd-frames.ts";

/** As in Message.fbs. */
export const CODEC_LZ4_FRAME = 0;
export const CODEC_ZSTD = 1;

/** A block of zstd takes at least 4 bytes and holds at most 128 KiB; one of LZ4 gives at most 255 bytes per byte. */
const MAX_RATIO = [256, 32_768] as const;
/** Length of one ArrayBuffer that all supported versions of Node can make. */
const MAX_BYTES = 2 ** 32 - 1;

/** Of one zstd buffer, stored and decoded together: the decoder's WebAssembly memory ends at 2 GiB. */
const MAX_ZSTD_BYTES = 2 ** 30;

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

/** Runs what may decompress, once more when the decoder had to be loaded for it: files without zstd never pay for that. */
export async function withCodecs<T>(action: () => T): Promise<T> {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof DecoderNotLoaded)) throw error;
    await loadZstd();
    return action();
  }
}

function decodeZstd(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length + length > MAX_ZSTD_BYTES) {
    throw new BatchPredictError("BP_SOURCE_LIMIT", `a zstd buffer of ${length} bytes is too large to be decompressed at once`, {
      expected: `at most ${MAX_ZSTD_BYTES} bytes, stored and decompressed together`,
      hints: ["write it again with smaller record batches: pyarrow.feather.write_feather(table, path, chunksize=65536)"],
    });
  }
  const zstd = zstdDecoder();
  if (zstd === null) throw new DecoderNotLoaded("zstd");
  const out = zstd.decode(bytes, length);
  if (out.length !== length) throw new DamagedData(`a zstd frame does not hold the ${length} bytes that it should`);
  return out;
}
