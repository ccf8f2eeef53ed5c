/** The WebAssembly loops of writing pages (src/kernels/parquet.ts), one instance per thread. */
import { instantiateKernel, type KernelMemory, reserveMemory } from "../../core/wasm-kernel.ts";

/** Addresses and sizes in bytes. */
export interface ParquetKernel {
  memory: KernelMemory;
  heapBase(): number;
  encodeDelta(from: number, count: number, width: number, to: number): number;
  range(from: number, count: number, kind: number, to: number): number;
  keepValid(values: number, count: number, width: number, bits: number): number;
}

let instance: ParquetKernel | null = null;

/** @param roomBytes needed behind `heapBase`; growing moves the memory, so views are made after this */
export function parquetKernel(roomBytes: number): ParquetKernel {
  instance ??= instantiateKernel<ParquetKernel>("#parquet-kernel");
  reserveMemory(instance.memory, instance.heapBase() + roomBytes);
  return instance;
}
