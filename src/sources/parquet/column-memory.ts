/**
 * The memory of the WebAssembly loops that decode column chunks (src/kernels/parquet-read.ts), one per reader, used again from chunk to chunk.
 * What lies below the floor stays while rows of one row group are read: dictionaries, and the pages that were decompressed last.
 */
import { instantiateKernel, type KernelMemory, reserveMemory } from "../../core/wasm-kernel.ts";

/** Addresses, sizes in bytes; -1 is "not understood". */
export interface ReadKernel {
  memory: KernelMemory;
  heapBase(): number;
  snappy(from: number, end: number, to: number, size: number): number;
  validity(from: number, end: number, count: number, bits: number): number;
  dictionaryValues(
    from: number,
    end: number,
    skip: number,
    count: number,
    width: number,
    dictionary: number,
    entries: number,
    to: number,
  ): number;
  deltaValues(from: number, end: number, count: number, width: number, to: number): number;
  spread(values: number, bits: number, first: number, last: number, width: number, to: number, into: number, at: number): number;
}

/** Loops may read and write a little behind what they were given. */
const SLACK_BYTES = 64;
/** More is the general decoder's: a thread that decodes all at once does not need it. */
const MAX_BYTES = 1 << 30;

export class ColumnMemory {
  readonly kernel = instantiateKernel<ReadKernel>("#parquet-kernel");
  private floor = this.kernel.heapBase();
  private top = this.floor;
  private view: Uint8Array<ArrayBuffer> | null = null;

  /** To be asked for again after `take`, which may move the memory. */
  get bytes(): Uint8Array<ArrayBuffer> {
    const { buffer } = this.kernel.memory;
    if (this.view?.buffer !== buffer) this.view = new Uint8Array(buffer);
    return this.view;
  }

  /** @returns the address of `size` bytes, aligned for any type; null where that is too much */
  take(size: number): number | null {
    const at = (this.top + 15) & ~15;
    if (at + size > MAX_BYTES) return null;
    reserveMemory(this.kernel.memory, at + size + SLACK_BYTES);
    this.top = at + size + SLACK_BYTES;
    return at;
  }

  /** Gives back what `action` took. */
  lend<T>(action: () => T): T {
    const { top } = this;
    try {
      return action();
    } finally {
      this.top = top;
    }
  }

  /** What is taken by now stays until `forget`. */
  keep(): void {
    this.floor = this.top;
  }

  /** Frees what is not kept. */
  rewind(): void {
    this.top = this.floor;
  }

  forget(): void {
    this.floor = this.kernel.heapBase();
    this.top = this.floor;
  }
}
