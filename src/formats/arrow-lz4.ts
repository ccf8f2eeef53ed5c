/**
 * LZ4 frames (lz4_Frame_format.md 1.6, lz4_Block_format.md), decoding only. lz4js writes zeros where a match points before the
 * start, runs past the end of its input in silence and misplaces block checksums; here every corrupt frame is an error, and no more
 * than the announced bytes are ever written. Checksums, which Arrow's C++ writer leaves out, are not verified.
 */
import { DamagedData } from "./arrow-error.ts";

const MAGIC = 0x184d2204;
const MIN_MATCH = 4;

/**
 * @param length decoded bytes, known beforehand (Arrow stores it)
 * @throws DamagedData when the frame is corrupt or holds another number of bytes
 */
export function decodeLz4Frame(frame: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const out = new Uint8Array(length);
  if (view.getUint32(0, true) !== MAGIC) throw new DamagedData("not an LZ4 frame");
  const flags = view.getUint8(4);
  if (flags >> 6 !== 1) throw new DamagedData("unknown version of the LZ4 frame format");
  const blockChecksum = flags & 0x10 ? 4 : 0;
  // Magic, flags, block size, content size, dictionary id, header checksum.
  let at = 6 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0) + 1;
  let written = 0;
  for (;;) {
    const word = view.getUint32(at, true);
    at += 4;
    if (word === 0) break;
    const size = word & 0x7fff_ffff;
    if (at + size > frame.length) throw new DamagedData("an LZ4 block ends early");
    if (word >>> 31) {
      if (written + size > length) throw new DamagedData("an LZ4 frame is longer than announced");
      out.set(frame.subarray(at, at + size), written);
      written += size;
    } else {
      written = decodeBlock(frame, at, at + size, out, written);
    }
    at += size + blockChecksum;
  }
  if (written !== length) throw new DamagedData(`an LZ4 frame holds ${written} bytes instead of ${length}`);
  return out;
}

/** @returns position in `out` after the block */
function decodeBlock(from: Uint8Array, start: number, end: number, out: Uint8Array, written: number): number {
  let at = start;
  let to = written;
  while (at < end) {
    const token = from[at++]!;
    let literals = token >> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && at < end) {
        more = from[at++]!;
        literals += more;
      }
    }
    if (at + literals > end || to + literals > out.length) throw new DamagedData("an LZ4 block is corrupt");
    if (literals > 32) {
      out.set(from.subarray(at, at + literals), to);
      at += literals;
      to += literals;
    } else {
      for (const stop = at + literals; at < stop; ) out[to++] = from[at++]!;
    }
    // The last sequence is literals only.
    if (at === end) return to;
    const distance = from[at]! | (from[at + 1]! << 8);
    at += 2;
    let match = token & 15;
    if (match === 15) {
      let more = 255;
      while (more === 255 && at < end) {
        more = from[at++]!;
        match += more;
      }
    }
    match += MIN_MATCH;
    if (at > end || distance === 0 || distance > to || to + match > out.length) throw new DamagedData("an LZ4 block is corrupt");
    if (distance >= match && match > 32) {
      out.copyWithin(to, to - distance, to - distance + match);
      to += match;
    } else {
      // Byte by byte, because a match may overlap what it writes.
      for (const stop = to + match; to < stop; to++) out[to] = out[to - distance]!;
    }
  }
  return to;
}
