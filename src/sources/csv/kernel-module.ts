/** The WebAssembly module and its memory: one per decoder, so one per worker. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// Node has it on every version; its types come with the browser's, which this project does not take in.
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: unknown };
};

/** See src/kernels/csv.ts. Addresses and counts are bytes and rows in its memory. */
export interface CsvKernel {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  rows: { value: number };
  lines: { value: number };
  exceptions: { value: number };
  position: { value: number };
  heapBase(): number;
  parse(
    input: number,
    end: number,
    columns: number,
    actions: number,
    count: number,
    maxRows: number,
    starts: number,
    exceptionsAt: number,
    maxExceptions: number,
    delimiter: number,
    quote: number,
    newline: number,
  ): number;
  gather(spans: number, rows: number, target: number, offsets: number, quote: number): number;
}

let compiled: object | null = null;

export function loadCsvKernel(): CsvKernel {
  const file = createRequire(import.meta.url).resolve("#csv-kernel");
  compiled ??= new WebAssembly.Module(readFileSync(file));
  return new WebAssembly.Instance(compiled, {}).exports as CsvKernel;
}
