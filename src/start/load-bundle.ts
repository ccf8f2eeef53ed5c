/**
 * Loads one of our bundles (`dist/bundles/*.cjs`, see `.build/bundle.mjs`) with what V8 compiled of it before. Bundles are scripts and not ES modules,
 * because Node 20 takes compiled code for scripts alone, and because loading a module costs a thread a millisecond.
 */
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Script } from "node:vm";
import { CodeCache } from "./code-cache.ts";

/** A process that took so long may look at its code again: 20 ms are nothing to it. */
const LONG_MS = 2000;
/** By how much compiled code must have grown to be kept anew. */
const GROWN = 1.1;

export interface LoadedBundle<Exports> {
  exports: Exports;
  /** Keeps what was compiled, when that is worth it: as the last act of the thread. */
  keepCode(): void;
}

interface Attempt {
  cache: CodeCache;
  script: Script;
  code: Buffer | undefined;
  rejected: boolean;
}

/** @param use what the bundle is loaded for, in a few letters: code is kept apart for each */
export function loadBundle<Exports>(name: string, use: string): LoadedBundle<Exports> {
  const file = path.join(__dirname, "..", "bundles", `${name}.cjs`);
  // ASCII by the way it is built: one byte per letter in memory as well.
  const text = fs.readFileSync(file, "latin1");
  // The first line is a comment with the hash of the others: V8 itself compares nothing but lengths.
  const build = text.slice("//".length, text.indexOf("\n"));
  const source = `(function(exports,require,module,__filename,__dirname,__url,__resolve,__import){${text}\n})`;
  const attempt = (runtime: string): Attempt => {
    const cache = new CodeCache({ env: process.env, uid: process.getuid?.() ?? null, runtime }, name, build, use);
    const code = cache.read();
    const script = new Script(source, { filename: file, ...(code ? { cachedData: code } : {}) });
    return { cache, script, code, rejected: script.cachedDataRejected === true };
  };
  const runtime = `${process.version} ${process.arch} ${process.platform}`;
  let made = attempt(runtime);
  // Of a process with other flags: code is apart for each set of them. Threads do not see theirs, and asking V8 takes 2 ms.
  if (made.rejected) made = attempt(`${runtime} ${(require("node:v8") as typeof import("node:v8")).cachedDataVersionTag()}`);
  const { cache, script, code } = made;
  const usable = code !== undefined && !made.rejected;
  const module = { exports: {} as Exports };
  const requireFrom = createRequire(file);
  const resolve = (id: string): string => pathToFileURL(requireFrom.resolve(id)).href;
  const load = (url: string): Promise<unknown> => import(url);
  const given = [module.exports, requireFrom, module, file, path.dirname(file), pathToFileURL(file).href, resolve, load];
  (script.runInThisContext() as (...given: unknown[]) => void)(...given);
  const keepCode = (): void => {
    if (usable && performance.now() < LONG_MS) return;
    const fresh = script.createCachedData();
    if (!usable || fresh.length > code.length * GROWN) cache.write(fresh);
  };
  return { exports: module.exports, keepCode };
}
