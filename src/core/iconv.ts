/** iconv-lite, loaded when the first text is neither UTF-8 nor said to be: its tables take as long to load as a small file takes to score. */
import { createRequire } from "node:module";
import type Iconv from "iconv-lite";

let loaded: typeof Iconv | null = null;

export function iconv(): typeof Iconv {
  loaded ??= createRequire(import.meta.url)("iconv-lite") as typeof Iconv;
  return loaded;
}
