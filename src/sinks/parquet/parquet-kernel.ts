/** The WebAssembly loops of writing pages (src/kernels/parquet.ts), one instance per thread. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** The part of the JavaScript API that is used; TypeScript has it only among the DOM's types. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: unknown };
};

/** Addresses and sizes in bytes. */
export interface ParquetKernel {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): void };
  heapBase(): number;
  encodeDelta(from: number, count: number, width: number, to: number): number;
  range(from: number, count: number, kind: number, to: number): number;
  keepValid(values: number, count: number, width: number, bits: number): number;
}

const PAGE_BYTES = 65_536;
let instance: ParquetKernel | null = null;

/** @param bytes room that is needed behind `heapBase`; growing moves the memory, so views are made after this */
export function parquetKernel(bytes: number): ParquetKernel {
  if (instance === null) {
    const file = createRequire(import.meta.url).resolve("#parquet-kernel");
    instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), {}).exports as ParquetKernel;
  }
  const missing = instance.heapBase() + bytes - instance.memory.buffer.byteLength;
  if (missing > 0) instance.memory.grow(Math.ceil(missing / PAGE_BYTES));
  return instance;
}
