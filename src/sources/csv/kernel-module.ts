/** The WebAssembly module and its memory: one per decoder, so one per worker. */
import { instantiateKernel, type KernelMemory } from "../../core/wasm-kernel.ts";

/** See src/kernels/csv.ts. Addresses and counts are bytes and rows in its memory. */
export interface CsvKernel {
  memory: KernelMemory;
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

export function loadCsvKernel(): CsvKernel {
  return instantiateKernel("#csv-kernel");
}
