/** Our own WebAssembly kernels (src/kernels), found by the names that package.json gives them. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// Node has it on every version; its types come with the browser's, which this project does not take in.
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: unknown };
};

export type KernelName = "#borders-kernel" | "#csv-kernel" | "#parquet-kernel" | "#rows-kernel" | "#trees-kernel";

export interface KernelMemory {
  readonly buffer: ArrayBuffer;
  /** By pages of 64 KiB; moves the memory, so views are made anew after it. */
  grow(pages: number): number;
}

const PAGE_BYTES = 65_536;
const compiled = new Map<KernelName, object>();

/** A new instance with a memory of its own; the module is compiled once per thread. @typeParam K its exports */
export function instantiateKernel<K>(name: KernelName): K {
  let module = compiled.get(name);
  if (module === undefined) {
    module = new WebAssembly.Module(readFileSync(createRequire(import.meta.url).resolve(name)));
    compiled.set(name, module);
  }
  return new WebAssembly.Instance(module, {}).exports as K;
}

/** @param endByte the memory must reach that far */
export function reserveMemory(memory: KernelMemory, endByte: number): void {
  const missingBytes = endByte - memory.buffer.byteLength;
  if (missingBytes > 0) memory.grow(Math.ceil(missingBytes / PAGE_BYTES));
}
