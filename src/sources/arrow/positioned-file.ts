/** A file read by position. Synchronous: metadata is small, and workers have nothing else to do while they wait for a chunk. */
import fs from "node:fs";
import { BatchPredictError, isErrno } from "../../core/errors.ts";
import type { SourceFile } from "../../core/source.ts";

const MAX_READ_BYTES = 1 << 30;

export class PositionedFile {
  private constructor(
    readonly path: string,
    private readonly fd: number,
    readonly sizeBytes: number,
    readonly mtimeMs: number,
  ) {}

  /** @throws BP_INPUT_NOT_FOUND, BP_INPUT_UNREADABLE; BP_INPUT_CHANGED when it is not what `expected` says */
  static open(path: string, expected?: SourceFile): PositionedFile {
    let fd: number | undefined;
    try {
      fd = fs.openSync(path, "r");
      const stat = fs.fstatSync(fd);
      if (!stat.isFile()) throw Object.assign(new Error("it is not a regular file"), { code: "EISDIR" });
      const changed = expected !== undefined && (expected.sizeBytes !== stat.size || expected.mtimeMs !== stat.mtimeMs);
      if (changed) throw changedError(path);
      return new PositionedFile(path, fd, stat.size, stat.mtimeMs);
    } catch (error) {
      if (fd !== undefined) fs.closeSync(fd);
      throw error instanceof BatchPredictError ? error : openError(path, error);
    }
  }

  /**
   * Fills `bytes`, by default memory of its own of `length`.
   * @throws BP_INPUT_CHANGED when the file was written to since, BP_INPUT_UNREADABLE
   */
  read(offset: number, length: number, bytes: Uint8Array<ArrayBuffer> = new Uint8Array(length)): Uint8Array<ArrayBuffer> {
    for (let done = 0; done < length; ) {
      const count = this.readSome(bytes, done, Math.min(length - done, MAX_READ_BYTES), offset + done);
      if (count === 0) throw changedError(this.path);
      done += count;
    }
    // Behind the read: what was written before it is in the bytes. A file renamed over this one leaves what is open here as it was.
    const { size, mtimeMs } = fs.fstatSync(this.fd);
    if (size !== this.sizeBytes || mtimeMs !== this.mtimeMs) throw changedError(this.path);
    return bytes;
  }

  close(): void {
    fs.closeSync(this.fd);
  }

  private readSome(bytes: Uint8Array, at: number, length: number, position: number): number {
    try {
      return fs.readSync(this.fd, bytes, at, length, position);
    } catch (error) {
      throw openError(this.path, error);
    }
  }
}

function openError(path: string, error: unknown): BatchPredictError {
  const absent = isErrno(error, "ENOENT", "ENOTDIR");
  return new BatchPredictError(
    absent ? "BP_INPUT_NOT_FOUND" : "BP_INPUT_UNREADABLE",
    absent ? `the input ${path} does not exist` : `the input ${path} cannot be read`,
    {
      where: { file: path },
      actual: error instanceof Error ? error.message : String(error),
      hints: [absent ? "check the path given to --input" : "check that it is a file that you may read"],
      cause: error,
    },
  );
}

function changedError(path: string): BatchPredictError {
  return new BatchPredictError("BP_INPUT_CHANGED", `the input ${path} changed while it was read`, {
    where: { file: path },
    hints: ["wait until it is written completely, then run again"],
  });
}
