/**
 * An output under construction: written beside its final name and moved there only when it is whole, so that a reader
 * never meets half a file and a crash leaves the old output as it was.
 *
 * Temporary name: `.<basename>.<runId>.partial` in the folder of the final file (a rename is atomic only within one file system).
 * It stays the same when another process goes on with the run; who owns it is told by the run's journal (see journal.ts).
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { crc32 } from "node:zlib";
import { BatchPredictError, isErrno, toWire } from "../core/errors.ts";

export interface PartialFile {
  /** Open for reading and writing, so that what was written can be counted again before it is published. */
  readonly fd: number;
  readonly tempPath: string;
  /** The file that will appear: the link's target where the given path is a symbolic link. */
  readonly finalPath: string;
  readonly bytesWritten: number;
  /** CRC-32 of all bytes before bytesWritten. */
  readonly crc: number;
  /** Appends all bytes. @throws BP_DISK_FULL, BP_OUTPUT_WRITE */
  write(bytes: Uint8Array): void;
  /** fsync: what was written is on the disk. @throws BP_DISK_FULL, BP_OUTPUT_WRITE */
  sync(): void;
  /**
   * fsync, close, move to the final name, fsync of the folder. Without `replace` a file that appeared meanwhile is never
   * overwritten. With it the new file takes the old one's permissions. @throws BP_OUTPUT_EXISTS, BP_DISK_FULL, BP_OUTPUT_WRITE
   */
  publish(options: { replace: boolean }): void;
  /** Forgets bytes behind `length`, whose checksum is `crc`: what was written after the last commit. */
  truncate(length: number, crc: number): void;
  /** Closes the temporary file and leaves it. Never throws. */
  close(): void;
  /** Removes the temporary file; does nothing after `publish`. Never throws. */
  discard(): void;
}

/** One call of write(2) moves at most this many bytes; Node refuses more than 2^31 - 1. */
const MAX_WRITE_BYTES = 1 << 28;
/** File systems allow 255 bytes per name; runId, table tag, pid, start time and host take up to 100. */
const MAX_LABEL_BYTES = 150;

/**
 * @param target final path, absolute; its folder must exist
 * @throws BP_OUTPUT_PATH when the folder is absent, not writable or not a folder, or the target is a folder or a device
 */
export function openPartial(target: string, runId: string, { resume = false }: { resume?: boolean } = {}): PartialFile {
  const { finalPath, tempPath } = partialPaths(target, runId);
  const folder = path.dirname(finalPath);
  let fd: number;
  try {
    fd = fs.openSync(tempPath, resume ? "r+" : "wx+", 0o666);
  } catch (error) {
    throw pathError(error, target, folder);
  }
  return new OpenPartial(target, finalPath, tempPath, fd);
}

/** @throws BP_OUTPUT_PATH as `openPartial` */
export function partialPaths(target: string, runId: string): { finalPath: string; tempPath: string } {
  const finalPath = resolveLinks(target);
  const folder = path.dirname(finalPath);
  checkTarget(target, finalPath, folder);
  return { finalPath, tempPath: path.join(folder, `.${labelOf(finalPath)}.${runTag(runId)}.partial`) };
}

/** A run id as it stands in names of files and tables. */
export function runTag(runId: string): string {
  return runId.replace(/[^\w-]/g, "_");
}

export interface Committed {
  bytes: number;
  crc: number;
}

/**
 * Reads a temporary file again and compares it with what its journal says about each commit. Costs one pass over the file, and
 * makes a flush of the disk at each commit needless: after a power cut the commits that reached the disk are gone on from.
 * @param commits growing in bytes
 * @returns how many of the commits the file holds, from the first on
 */
export function provenCommits(tempPath: string, commits: readonly Committed[]): number {
  let fd: number;
  try {
    fd = fs.openSync(tempPath, "r");
  } catch {
    return 0;
  }
  try {
    const block = Buffer.allocUnsafe(1 << 20);
    let crc = 0;
    let position = 0;
    for (const [at, commit] of commits.entries()) {
      while (position < commit.bytes) {
        const length = fs.readSync(fd, block, 0, Math.min(block.length, commit.bytes - position), position);
        if (length === 0) return at;
        crc = crc32(block.subarray(0, length), crc);
        position += length;
      }
      if (crc !== commit.crc) return at;
    }
    return commits.length;
  } finally {
    fs.closeSync(fd);
  }
}

class OpenPartial implements PartialFile {
  bytesWritten = 0;
  crc = 0;
  private state: "open" | "closed" | "published" | "discarded" = "open";

  constructor(
    private readonly target: string,
    readonly finalPath: string,
    readonly tempPath: string,
    readonly fd: number,
  ) {}

  write(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) {
        const count = fs.writeSync(this.fd, bytes, done, Math.min(bytes.length - done, MAX_WRITE_BYTES), this.bytesWritten);
        this.crc = crc32(bytes.subarray(done, done + count), this.crc);
        done += count;
        this.bytesWritten += count;
      }
    } catch (error) {
      throw writeError(error, this.target);
    }
  }

  sync(): void {
    try {
      fs.fsyncSync(this.fd);
    } catch (error) {
      throw writeError(error, this.target);
    }
  }

  publish({ replace }: { replace: boolean }): void {
    try {
      if (replace) this.takeOverPermissions();
      fs.fsyncSync(this.fd);
      this.state = "closed";
      fs.closeSync(this.fd);
      moveIntoPlace(this.tempPath, this.finalPath, { replace });
      this.state = "published";
    } catch (error) {
      if (isErrno(error, "EEXIST")) throw outputExists(this.target);
      throw writeError(error, this.target);
    }
  }

  truncate(length: number, crc: number): void {
    try {
      fs.ftruncateSync(this.fd, length);
    } catch (error) {
      throw writeError(error, this.target);
    }
    this.bytesWritten = length;
    this.crc = crc;
  }

  close(): void {
    if (this.state === "open") ignoring(() => fs.closeSync(this.fd));
    if (this.state === "open") this.state = "closed";
  }

  discard(): void {
    if (this.state === "published" || this.state === "discarded") return;
    if (this.state === "open") ignoring(() => fs.closeSync(this.fd));
    this.state = "discarded";
    ignoring(() => fs.unlinkSync(this.tempPath));
  }

  private takeOverPermissions(): void {
    ignoring(() => fs.fchmodSync(this.fd, fs.statSync(this.finalPath).mode & 0o7777));
  }
}

export function outputExists(target: string): BatchPredictError {
  return new BatchPredictError("BP_OUTPUT_EXISTS", `the output ${target} exists already and is left as it is`, {
    where: { file: target },
    hints: ["choose another --output, or overwrite it with --if-exists replace"],
  });
}

/** @param countedRows found in the file as it is on the way to the disk @throws BP_ACCOUNTING unless they are those that it was given */
export function checkCounted(target: string, countedRows: number, takenRows: number): void {
  if (countedRows === takenRows) return;
  throw new BatchPredictError("BP_ACCOUNTING", "the file holds another number of rows than were written to it", {
    where: { file: target },
    expected: `${takenRows} rows`,
    actual: `${countedRows} rows`,
  });
}

/** rename and fsync of the folder. @throws EEXIST without `replace`, and what else the file system says */
export function moveIntoPlace(from: string, to: string, { replace }: { replace: boolean }): void {
  if (replace) fs.renameSync(from, to);
  else moveWithoutOverwriting(from, to);
  syncFolder(path.dirname(to));
}

/** link + unlink is the one atomic "rename unless it exists"; where hard links are missing (FAT, some network disks) the name is claimed first. */
function moveWithoutOverwriting(from: string, to: string): void {
  try {
    fs.linkSync(from, to);
  } catch (error) {
    if (!isErrno(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV")) throw error;
    fs.closeSync(fs.openSync(to, "wx"));
    fs.renameSync(from, to);
    return;
  }
  ignoring(() => fs.unlinkSync(from));
}

/** Follows links also when the last one dangles, which realpath refuses. */
export function resolveLinks(target: string): string {
  let current = target;
  for (let hops = 0; hops < 40; hops++) {
    try {
      const stat = fs.lstatSync(current, { throwIfNoEntry: false });
      if (!stat?.isSymbolicLink()) return current;
      current = path.resolve(path.dirname(current), fs.readlinkSync(current));
    } catch (error) {
      throw pathError(error, target, path.dirname(current));
    }
  }
  throw new BatchPredictError("BP_OUTPUT_PATH", `the output ${target} is a symbolic link that leads to itself`, {
    where: { file: target },
  });
}

function checkTarget(target: string, finalPath: string, folder: string): void {
  let stat: fs.Stats | undefined;
  try {
    if (!fs.statSync(folder).isDirectory()) throw Object.assign(new Error("not a folder"), { code: "ENOTDIR" });
    stat = fs.statSync(finalPath, { throwIfNoEntry: false });
  } catch (error) {
    throw pathError(error, target, folder);
  }
  if (stat === undefined || stat.isFile()) return;
  const kind = stat.isDirectory() ? "a folder" : "not a regular file";
  throw new BatchPredictError("BP_OUTPUT_PATH", `cannot write the output ${target}: it is ${kind}`, {
    where: { file: target },
    hints: [
      stat.isDirectory()
        ? `give a file name, such as --output ${path.join(target, "predictions.parquet")}`
        : "give the name of a regular file as --output",
    ],
  });
}

export function labelOf(finalPath: string): string {
  const name = path.basename(finalPath);
  if (Buffer.byteLength(name) <= MAX_LABEL_BYTES) return name;
  return createHash("sha256").update(name).digest("hex").slice(0, 32);
}

export function syncFolder(folder: string): void {
  // Some systems cannot sync a folder; the file itself is on disk by then.
  ignoring(() => {
    const fd = fs.openSync(folder, "r");
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  });
}

export function pathError(error: unknown, target: string, folder: string): BatchPredictError {
  const refuse = (why: string, ...hints: string[]): BatchPredictError =>
    new BatchPredictError("BP_OUTPUT_PATH", `cannot write the output ${target}: ${why}`, {
      where: { file: target },
      hints,
      cause: error,
    });
  if (isErrno(error, "ENOENT")) return refuse(`there is no folder ${folder}`, `make it first: mkdir -p ${folder}`);
  if (isErrno(error, "ENOTDIR")) return refuse(`${folder} is not a folder`, "give a path inside a folder as --output");
  if (isErrno(error, "EACCES", "EPERM"))
    return refuse(`no permission to write in ${folder}`, "choose a folder you may write to with --output");
  if (isErrno(error, "EROFS")) return refuse(`${folder} is on a read-only disk`, "choose another --output");
  if (isErrno(error, "ENAMETOOLONG")) return refuse("the name is too long for this file system", "choose a shorter --output");
  return writeError(error, target);
}

export function writeError(error: unknown, target: string): BatchPredictError {
  if (error instanceof BatchPredictError) return error;
  const wire = toWire(error);
  if (wire.code === "BP_DISK_FULL") {
    const { actual, hints } = wire;
    return new BatchPredictError(wire.code, `${wire.message} ${target}`, {
      where: { file: target },
      ...(actual === undefined ? {} : { actual }),
      ...(hints === undefined ? {} : { hints }),
      cause: error,
    });
  }
  return new BatchPredictError("BP_OUTPUT_WRITE", `cannot write the output ${target}: ${wire.message}`, {
    where: { file: target },
    cause: error,
  });
}

export function ignoring(action: () => void): void {
  try {
    action();
  } catch {
    // Best effort by contract of the callers: cleaning up and syncing must not hide what happened before.
  }
}
