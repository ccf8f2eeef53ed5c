/**
 * zstd frames by the WebAssembly decoder: seven times as fast as fzstd, and twice as fast as the one inside parquet-wasm. It is loaded when the
 * first frame is at hand, so nobody else pays for it.
 */
import type { ZSTDDecoder } from "zstddec";

/** Its memory only grows; what is larger goes the slow way. */
const MAX_FRAME_BYTES = 64 << 20;

let decoder: ZSTDDecoder | null = null;

/** To be awaited once before `decodeZstdFrame`. */
export async function loadZstd(): Promise<void> {
  if (decoder !== null) return;
  const { ZSTDDecoder } = await import("zstddec");
  const made = new ZSTDDecoder();
  await made.init();
  decoder = made;
}

/**
 * @param length that the frame must have, decoded
 * @returns null where it cannot say: not loaded, too large, or bytes that are damaged
 */
export function decodeZstdFrame(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> | null {
  if (decoder === null || length === 0 || Math.max(bytes.length, length) > MAX_FRAME_BYTES) return null;
  // A frame that fails gives an error code for a length, which is never the length that is wanted.
  const decoded = decoder.decode(bytes, length) as Uint8Array<ArrayBuffer>;
  return decoded.length === length ? decoded : null;
}
