/**
 * Worker side: the bytes of a chunk, inline or read again by range. Holds one file open, and the bytes of the last chunk. A worker has nothing
 * else to do while it reads, so it reads itself: by way of Node's thread pool each chunk takes two more changes of threads.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { ByteChunk } from "../../core/chunk.ts";
import type { SourceFile } from "../../core/source.ts";
import { changedError, checkSame, inputError } from "./input.ts";

export class ChunkBytes {
  private fd = -1;
  private openFile = -1;
  private buffer: Buffer = Buffer.alloc(0);
  private last: { index: number; bytes: Uint8Array } | null = null;

  /** @param reserve memory to read into; without it one buffer of this object serves all chunks */
  constructor(
    private readonly files: readonly SourceFile[],
    private readonly reserve?: (length: number) => Uint8Array | undefined,
  ) {}

  /** Valid until the next call. @throws BP_INPUT_CHANGED, BP_INPUT_NOT_FOUND, BP_INPUT_UNREADABLE */
  async read(chunk: ByteChunk): Promise<Uint8Array> {
    const bytes = chunk.inline ?? (await this.readRange(chunk));
    this.last = { index: chunk.index, bytes };
    return bytes;
  }

  /** Of the chunk that was read last without reading it again. */
  async again(chunk: ByteChunk): Promise<Uint8Array> {
    return this.last?.index === chunk.index ? this.last.bytes : this.read(chunk);
  }

  async close(): Promise<void> {
    this.last = null;
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
    this.openFile = -1;
  }

  private async readRange(chunk: ByteChunk): Promise<Uint8Array> {
    const file = this.files[chunk.file]!;
    const length = chunk.byteEnd - chunk.byteStart;
    try {
      if (this.openFile !== chunk.file) {
        await this.close();
        this.fd = openSync(file.path, "r");
        this.openFile = chunk.file;
      }
      const bytes = this.reserve?.(length) ?? this.ownBuffer(length);
      for (let filled = 0; filled < length; ) {
        const read = readSync(this.fd, bytes, filled, length - filled, chunk.byteStart + filled);
        if (read === 0) throw changedError(file, `it ends at byte ${chunk.byteStart + filled}`);
        filled += read;
      }
      checkSame(fstatSync(this.fd), file);
      return bytes;
    } catch (error) {
      throw inputError(error, file.path);
    }
  }

  /** Chunks are about the same size, so one buffer serves them all. */
  private ownBuffer(length: number): Uint8Array {
    if (this.buffer.length < length) this.buffer = Buffer.allocUnsafeSlow(length + (length >> 3));
    return this.buffer.subarray(0, length);
  }
}
