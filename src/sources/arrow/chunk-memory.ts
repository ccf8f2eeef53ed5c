/**
 * Memory that one chunk after the other is read into. New memory for each would be megabytes of garbage, and a collection of everything every
 * few chunks.
 */

/** As Arrow aligns buffers. */
const ALIGN_BYTES = 64;

export class ChunkMemory {
  #bytes = new Uint8Array(0);
  #used = 0;
  #wanted = 0;

  /** What was taken before is no longer needed. */
  rewind(): void {
    // Some more, for the next chunk may be a little longer.
    if (this.#wanted > this.#bytes.length) this.#bytes = new Uint8Array(Math.ceil(this.#wanted * 1.125));
    this.#used = 0;
    this.#wanted = 0;
  }

  /** @returns bytes of any value */
  take(length: number): Uint8Array<ArrayBuffer> {
    const room = Math.ceil(length / ALIGN_BYTES) * ALIGN_BYTES;
    const at = this.#used;
    this.#wanted += room;
    if (at + room > this.#bytes.length) return new Uint8Array(length);
    this.#used += room;
    return this.#bytes.subarray(at, at + length);
  }
}
