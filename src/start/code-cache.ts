/**
 * Compiled code of our bundles, kept between processes: parsing and compiling them took a third of a short run, in every thread anew. V8
 * judges whether code is of its version; damage it does not look for, and a flipped bit would end the process, hence the checksum.
 * Whatever does not work here costs time and nothing else.
 */
import fs from "node:fs";
import path from "node:path";
import { crc32 } from "node:zlib";

const CHECKSUM_BYTES = 4;
/** What was not made anew for so long is of a version that is gone. */
const KEEP_DAYS = 60;
/** Of about a megabyte each: several versions, on several Nodes, with all they read and write. */
const KEEP_FILES = 50;

/** What of the process decides where code is kept, and whose it is. */
export interface CacheOwner {
  env: Readonly<Record<string, string | undefined>>;
  /** null: a system without users. */
  uid: number | null;
  /** All that V8's judgement may depend on: version, architecture, flags. */
  runtime: string;
}

/**
 * BATCHPREDICT_CODE_CACHE names the folder, or is "off"; by default it is the user's own for caches (XDG Base Directory Specification).
 * @returns null: nothing is kept
 */
export function cacheFolder({
  BATCHPREDICT_CODE_CACHE: given,
  XDG_CACHE_HOME,
  LOCALAPPDATA,
  HOME,
}: CacheOwner["env"]): string | null {
  if (given === "off") return null;
  if (given) return path.resolve(given);
  if (XDG_CACHE_HOME && path.isAbsolute(XDG_CACHE_HOME)) return path.join(XDG_CACHE_HOME, "batchpredict");
  if (LOCALAPPDATA) return path.join(LOCALAPPDATA, "batchpredict", "cache");
  return HOME && path.isAbsolute(HOME) ? path.join(HOME, ".cache", "batchpredict") : null;
}

export class CodeCache {
  readonly #folder: string | null;
  readonly #file: string;
  readonly #owner: CacheOwner;

  /** @param bundle name of the bundle @param build hash of its text @param use what it is loaded for: other work compiles other functions */
  constructor(owner: CacheOwner, bundle: string, build: string, use: string) {
    const folder = cacheFolder(owner.env);
    const runtime = crc32(owner.runtime).toString(16).padStart(8, "0");
    this.#owner = owner;
    this.#folder = folder;
    this.#file = folder === null ? "" : path.join(folder, `${bundle}-${use}-${build}-${runtime}.code`);
  }

  /** @returns undefined: nothing that may be used */
  read(): Buffer | undefined {
    if (this.#folder === null) return undefined;
    try {
      if (!this.#isPrivate(this.#folder)) return undefined;
      const bytes = fs.readFileSync(this.#file);
      if (bytes.length <= CHECKSUM_BYTES) return undefined;
      const code = bytes.subarray(CHECKSUM_BYTES);
      return crc32(code) === bytes.readUInt32LE(0) ? code : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whole or not at all, also when several processes do so at once. */
  write(code: Buffer): void {
    if (this.#folder === null) return;
    try {
      fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      if (!this.#isPrivate(this.#folder)) return;
      const checksum = Buffer.alloc(CHECKSUM_BYTES);
      checksum.writeUInt32LE(crc32(code));
      const draft = `${this.#file}.${process.pid}-${Math.random().toString(36).slice(2)}`;
      fs.writeFileSync(draft, Buffer.concat([checksum, code]), { mode: 0o600, flag: "wx" });
      fs.renameSync(draft, this.#file);
      this.#prune(this.#folder);
    } catch {
      // No room, no right: the next process compiles again.
    }
  }

  /** Code that others could have written is not run. */
  #isPrivate(folder: string): boolean {
    const { uid } = this.#owner;
    if (uid === null) return true;
    const stats = fs.lstatSync(folder);
    return stats.isDirectory() && stats.uid === uid && (stats.mode & 0o022) === 0;
  }

  #prune(folder: string): void {
    const oldestMs = Date.now() - KEEP_DAYS * 86_400_000;
    const ours = fs.readdirSync(folder).filter((name) => /\.code(\.|$)/.test(name));
    const files = ours.map((name) => path.join(folder, name)).map((file) => ({ file, ms: fs.statSync(file).mtimeMs }));
    files.sort((a, b) => b.ms - a.ms);
    for (const [at, { file, ms }] of files.entries()) if (at >= KEEP_FILES || ms < oldestMs) fs.rmSync(file, { force: true });
  }
}
