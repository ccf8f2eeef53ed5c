/**
 * An output under construction: written beside its final name and moved there only when it is whole, so that a reader
 * never meets half a file and a crash leaves the old output as it was.
 *
 * Temporary name: `.<basename>.<runId>.<pid>-<start>-<host>.partial` in the folder of the final file (a rename is atomic only
 * within one file system). The name is the lock, and it dies with the process without native code: pid together with the
 * process's start time (field 22 of /proc/PID/stat, clock ticks since boot) is never reused; `host` is a hash of host name and pid
 * namespace, because a pid of another container or of another machine on a shared disk says nothing here. Leftovers of the same
 * output are removed at open when they are of this host and their process is gone; those of another host are left alone.
 * Systems without /proc know only whether the pid is alive: a reused pid keeps a leftover until a later run.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { BatchPredictError, isErrno, toWire } from "../core/errors.ts";

export interface PartialFile {
  /** Open for reading and writing, so that what was written can be counted again before it is published. */
  readonly fd: number;
  readonly tempPath: string;
  /** The file that will appear: the link's target where the given path is a symbolic link. */
  readonly finalPath: string;
  readonly bytesWritten: number;
  /** Appends all bytes. @throws BP_DISK_FULL, BP_OUTPUT_WRITE */
  write(bytes: Uint8Array): void;
  /**
   * fsync, close, move to the final name, fsync of the folder. Without `replace` a file that appeared meanwhile is never
   * overwritten. With it the new file takes the old one's permissions. @throws BP_OUTPUT_EXISTS, BP_DISK_FULL, BP_OUTPUT_WRITE
   */
  publish(options: { replace: boolean }): void;
  /** Removes the temporary file; does nothing after `publish`. Never throws. */
  discard(): void;
}

/** One call of write(2) moves at most this many bytes; Node refuses more than 2^31 - 1. */
const MAX_WRITE_BYTES = 1 << 28;
/** File systems allow 255 bytes per name; runId, pid, start time and host take up to 90. */
const MAX_LABEL_BYTES = 150;

/**
 * @param target final path, absolute; its folder must exist
 * @throws BP_OUTPUT_PATH when the folder is absent, not writable or not a folder, or the target is a folder or a device
 */
export function openPartial(target: string, runId: string): PartialFile {
  const finalPath = resolveLinks(target);
  const folder = path.dirname(finalPath);
  checkTarget(target, finalPath, folder);
  removeLeftovers(folder, labelOf(finalPath));
  const tempPath = path.join(folder, tempName(finalPath, runId));
  let fd: number;
  try {
    fd = fs.openSync(tempPath, "wx+", 0o666);
  } catch (error) {
    throw pathError(error, target, folder);
  }
  return new OpenPartial(target, finalPath, tempPath, fd);
}

class OpenPartial implements PartialFile {
  bytesWritten = 0;
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
        const count = fs.writeSync(this.fd, bytes, done, Math.min(bytes.length - done, MAX_WRITE_BYTES));
        done += count;
        this.bytesWritten += count;
      }
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
      if (replace) fs.renameSync(this.tempPath, this.finalPath);
      else moveWithoutOverwriting(this.tempPath, this.finalPath);
      this.state = "published";
    } catch (error) {
      if (isErrno(error, "EEXIST")) throw outputExists(this.target);
      throw writeError(error, this.target);
    }
    syncFolder(path.dirname(this.finalPath));
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
function resolveLinks(target: string): string {
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

function labelOf(finalPath: string): string {
  const name = path.basename(finalPath);
  if (Buffer.byteLength(name) <= MAX_LABEL_BYTES) return name;
  return createHash("sha256").update(name).digest("hex").slice(0, 32);
}

function tempName(finalPath: string, runId: string): string {
  const id = runId.replace(/[^\w-]/g, "_");
  return `.${labelOf(finalPath)}.${id}.${process.pid}-${startTime(process.pid) ?? 0}-${hostTag()}.partial`;
}

function removeLeftovers(folder: string, label: string): void {
  const prefix = `.${label}.`;
  let names: string[] = [];
  ignoring(() => {
    names = fs.readdirSync(folder);
  });
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const parts = /^[\w-]+\.(\d+)-(\d+)-([0-9a-f]{8})\.partial$/.exec(name.slice(prefix.length));
    if (parts === null || parts[3] !== hostTag() || isAlive(Number(parts[1]), Number(parts[2]))) continue;
    ignoring(() => fs.unlinkSync(path.join(folder, name)));
  }
}

function isAlive(pid: number, started: number): boolean {
  const now = startTime(pid);
  if (now !== null) return now === started;
  if (fs.existsSync("/proc/self/stat")) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isErrno(error, "EPERM");
  }
}

/** Clock ticks after boot; null where /proc does not know the process (proc(5)) or it is dead and only waits to be reaped. */
function startTime(pid: number): number | null {
  let text: string;
  try {
    text = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null;
  }
  // The second field is the command in parentheses and may itself hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? null : Number(fields[19]);
}

let hostTagCache: string | undefined;
function hostTag(): string {
  if (hostTagCache === undefined) {
    let namespace = "";
    ignoring(() => {
      namespace = fs.readlinkSync("/proc/self/ns/pid");
    });
    hostTagCache = createHash("sha256").update(`${os.hostname()}\n${namespace}`).digest("hex").slice(0, 8);
  }
  return hostTagCache;
}

function syncFolder(folder: string): void {
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

function pathError(error: unknown, target: string, folder: string): BatchPredictError {
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

function writeError(error: unknown, target: string): BatchPredictError {
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

function ignoring(action: () => void): void {
  try {
    action();
  } catch {
    // Best effort by contract of the callers: cleaning up and syncing must not hide what happened before.
  }
}
