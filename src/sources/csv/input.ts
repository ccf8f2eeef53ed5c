/** Bytes of one input file: plain (by range), gzip or stdin (as a stream), and what can go wrong with them. */
import { type FileHandle, open, stat } from "node:fs/promises";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { BatchPredictError, isErrno } from "../../core/errors.ts";
import { iconv } from "../../core/iconv.ts";
import type { SourceFile } from "../../core/source.ts";

const BLOCK_BYTES = 256 * 1024;

export type Bytes = AsyncIterable<Uint8Array>;

export function inputError(error: unknown, path: string): unknown {
  if (error instanceof BatchPredictError) return error;
  const where = { file: path };
  if (isErrno(error, "ENOENT", "ENOTDIR")) {
    return new BatchPredictError("BP_INPUT_NOT_FOUND", "the input file does not exist", {
      where,
      hints: ["check --input"],
      cause: error,
    });
  }
  if (isErrno(error, "EACCES", "EPERM")) {
    const hints = ["give this user the right to read it"];
    return new BatchPredictError("BP_INPUT_UNREADABLE", "no permission to read the input file", { where, hints, cause: error });
  }
  if (isErrno(error, "EISDIR")) {
    const hints = ["name the files in it with --input"];
    return new BatchPredictError("BP_INPUT_UNREADABLE", "the input is a folder, not a file", { where, hints, cause: error });
  }
  if (error instanceof Error && (error as NodeJS.ErrnoException).code?.startsWith("Z_")) {
    return new BatchPredictError("BP_INPUT_FORMAT", "the gzip data is corrupt or ends too early", {
      where,
      actual: error.message,
      hints: ["copy or download the file again; `gzip -t FILE` tells whether it is whole"],
      cause: error,
    });
  }
  if (error instanceof Error && "code" in error) {
    return new BatchPredictError("BP_INPUT_UNREADABLE", "the input could not be read", {
      where,
      actual: error.message,
      cause: error,
    });
  }
  return error;
}

export async function openInput(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    throw inputError(error, path);
  }
}

/** Fills in size and time of change where the caller does not know them. */
export async function statInput(file: SourceFile): Promise<SourceFile> {
  if (file.path === "-" || (file.sizeBytes !== null && file.mtimeMs !== null)) return file;
  try {
    const { size, mtimeMs } = await stat(file.path);
    return { path: file.path, sizeBytes: file.sizeBytes ?? size, mtimeMs: file.mtimeMs ?? mtimeMs };
  } catch (error) {
    throw inputError(error, file.path);
  }
}

export function changedError(file: SourceFile, actual: string): BatchPredictError {
  return new BatchPredictError("BP_INPUT_CHANGED", "the input changed while it was read", {
    where: { file: file.path },
    expected: `${file.sizeBytes} bytes, unchanged since the run began`,
    actual,
    hints: ["run again when nothing writes to the file, or work on a copy"],
  });
}

/** @throws BP_INPUT_CHANGED */
export async function checkUnchanged(handle: FileHandle, file: SourceFile): Promise<void> {
  checkSame(await handle.stat(), file);
}

/** @throws BP_INPUT_CHANGED */
export function checkSame({ size, mtimeMs }: { size: number; mtimeMs: number }, file: SourceFile): void {
  if (file.sizeBytes !== null && size !== file.sizeBytes) throw changedError(file, `${size} bytes`);
  if (file.mtimeMs !== null && mtimeMs !== file.mtimeMs) throw changedError(file, "same size, written to since");
}

/** Reads until the buffer is full or the file ends. @returns bytes read */
export async function readFully(handle: FileHandle, buffer: Uint8Array, position: number): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** A file from its first byte to its last. @throws BP_INPUT_CHANGED at the end when it is not the file that was planned */
export async function* fileBytes(file: SourceFile): AsyncGenerator<Uint8Array> {
  const handle = await openInput(file.path);
  try {
    for (let position = 0; ; ) {
      const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      const length = await readFully(handle, block, position);
      if (length > 0) yield block.subarray(0, length);
      position += length;
      if (length < BLOCK_BYTES) break;
    }
    await checkUnchanged(handle, file);
  } catch (error) {
    throw inputError(error, file.path);
  } finally {
    await handle.close();
  }
}

export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/** @throws BP_INPUT_FORMAT for data that is corrupt or truncated */
export async function* gunzipped(source: Bytes, path: string): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: BLOCK_BYTES });
  // The callback takes the error that the loop below throws too.
  pipeline(Readable.from(source, { objectMode: true, highWaterMark: 1 }), gunzip, () => {});
  try {
    for await (const block of gunzip) yield block as Buffer;
  } catch (error) {
    throw inputError(error, path);
  } finally {
    gunzip.destroy();
  }
}

/** Any encoding to UTF-8, without its byte order mark. */
export async function* transcoded(source: Bytes, encoding: string): AsyncGenerator<Uint8Array> {
  const decoder = iconv().getDecoder(encoding);
  for await (const block of source) {
    const text = decoder.write(Buffer.from(block.buffer, block.byteOffset, block.length));
    if (text.length > 0) yield Buffer.from(text);
  }
  const rest = decoder.end();
  if (rest !== undefined && rest.length > 0) yield Buffer.from(rest);
}

/** A stream whose first bytes can be looked at before it is read as a whole, once. */
export class PeekedBytes {
  private readonly blocks: Uint8Array[] = [];
  private readonly rest: AsyncIterator<Uint8Array>;
  private bytes = 0;
  private ended = false;

  constructor(source: Bytes) {
    this.rest = source[Symbol.asyncIterator]();
  }

  /** At least `bytes` bytes unless the stream is shorter. */
  async peek(bytes: number): Promise<{ head: Buffer; ended: boolean }> {
    while (this.bytes < bytes && !this.ended) {
      const { value, done } = await this.rest.next();
      if (done) this.ended = true;
      else {
        this.blocks.push(value);
        this.bytes += value.length;
      }
    }
    return { head: Buffer.concat(this.blocks), ended: this.ended };
  }

  async *read(): AsyncGenerator<Uint8Array> {
    try {
      for (let block = this.blocks.shift(); block !== undefined; block = this.blocks.shift()) yield block;
      while (!this.ended) {
        const { value, done } = await this.rest.next();
        if (done) this.ended = true;
        else yield value;
      }
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    this.ended = true;
    await this.rest.return?.();
  }
}
