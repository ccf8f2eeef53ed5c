/** parquet-wasm, loaded when the first column comes that needs it: its code takes 100 ms of a processor and 60 MB in every thread that has it. */
import { createRequire } from "node:module";

type ParquetWasm = typeof import("parquet-wasm");

let loaded: ParquetWasm | null = null;

export function generalDecoder(): ParquetWasm {
  loaded ??= createRequire(import.meta.url)("parquet-wasm") as ParquetWasm;
  return loaded;
}
