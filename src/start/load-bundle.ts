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

/** @param use what the bundle is loaded for, in a few letters: code is kept apart for each */
export function loadBundle<Exports>(name: string, use: string): LoadedBundle<Exports> {
  const file = path.join(__dirname, "..", "bundles", `${name}.cjs`);
  // ASCII by the way it is built: one byte per letter in memory as well.
  const text = fs.readFileSync(file, "latin1");
  // The first line is a comment with the hash of the others: V8 itself compares nothing but lengths.
  const build = text.slice("//".length, text.indexOf("\n"));
  const { NODE_OPTIONS = "" } = process.env;
  const runtime = [process.version, process.arch, process.platform, NODE_OPTIONS, ...process.execArgv].join("\n");
  const cache = new CodeCache({ env: process.env, uid: process.getuid?.() ?? null, runtime }, name, build, use);
  const cachedData = cache.read();
  const script = new Script(`(function(exports,require,module,__filename,__dirname,__url,__resolve,__import){${text}\n})`, {
    filename: file,
    ...(cachedData ? { cachedData } : {}),
  });
  const usable = cachedData !== undefined && script.cachedDataRejected !== true;
  const module = { exports: {} as Exports };
  const require = createRequire(file);
  const resolve = (id: string): string => pathToFileURL(require.resolve(id)).href;
  const load = (url: string): Promise<unknown> => import(url);
  const given = [module.exports, require, module, file, path.dirname(file), pathToFileURL(file).href, resolve, load];
  (script.runInThisContext() as (...given: unknown[]) => void)(...given);
  const keepCode = (): void => {
    if (usable && performance.now() < LONG_MS) return;
    const code = script.createCachedData();
    if (!usable || code.length > cachedData.length * GROWN) cache.write(code);
  };
  return { exports: module.exports, keepCode };
}
