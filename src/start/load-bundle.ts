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

interface Compiled {
  cache: CodeCache;
  script: Script;
  /** Of the code that was used, bytes; 0: none was there, or it was not for this process. */
  usedBytes: number;
  rejected: boolean;
}

/** @param use what the bundle is loaded for, in a few letters: code is kept apart for each */
export function loadBundle<Exports>(name: string, use: string): LoadedBundle<Exports> {
  const file = path.join(__dirname, "..", "bundles", `${name}.cjs`);
  const { cache, script, usedBytes } = compile(file, name, use);
  const module = { exports: {} as Exports };
  const requireFrom = createRequire(file);
  const resolve = (id: string): string => pathToFileURL(requireFrom.resolve(id)).href;
  const load = (url: string): Promise<unknown> => import(url);
  const given = [module.exports, requireFrom, module, file, path.dirname(file), pathToFileURL(file).href, resolve, load];
  (script.runInThisContext() as (...given: unknown[]) => void)(...given);
  const keepCode = (): void => {
    if (usedBytes > 0 && performance.now() < LONG_MS) return;
    const fresh = script.createCachedData();
    if (fresh.length > usedBytes * GROWN) cache.write(fresh);
  };
  return { exports: module.exports, keepCode };
}

/** Apart from its caller, so that megabytes of code and text are not held by what lives as long as the thread. */
function compile(file: string, name: string, use: string): Compiled {
  // ASCII by the way it is built: one byte per letter in memory as well.
  const source = fs.readFileSync(file, "latin1");
  // The first line is a comment with the hash of the others: V8 itself compares nothing but lengths.
  const build = source.slice("//".length, source.indexOf("\n"));
  const attempt = (runtime: string): Compiled => {
    const cache = new CodeCache({ env: process.env, uid: process.getuid?.() ?? null, runtime }, name, build, use);
    const code = cache.read();
    const script = new Script(source, { filename: file, ...(code ? { cachedData: code } : {}) });
    const rejected = script.cachedDataRejected === true;
    return { cache, script, rejected, usedBytes: rejected ? 0 : (code?.length ?? 0) };
  };
  const runtime = `${process.version} ${process.arch} ${process.platform}`;
  const made = attempt(runtime);
  // Of a process with other flags: code is apart for each set of them. Threads do not see theirs, and asking V8 takes 2 ms.
  if (!made.rejected) return made;
  return attempt(`${runtime} ${(require("node:v8") as typeof import("node:v8")).cachedDataVersionTag()}`);
}
