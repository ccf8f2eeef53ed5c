/**
 * What a reader of Arrow columns keeps from one chunk to the next: memory of tensors, and the kernel that fills those of float32. New memory for every
 * chunk costs its pages and, because it counts as garbage, a collection of everything every few chunks.
 */

import { allocateTensor, type TensorArray, type TensorType } from "../core/tensor-types.ts";
import { instantiateKernel, type KernelMemory, reserveMemory } from "../core/wasm-kernel.ts";

interface RowsKernel {
  memory: KernelMemory;
  heapBase(): number;
  doublesToRows(columns: number, columnBytes: number, count: number, rows: number, to: number): number;
  singlesToRows(columns: number, columnBytes: number, count: number, rows: number, to: number): void;
}

type Floats = readonly Float64Array[] | readonly Float32Array[];

/** Columns of a block, and its rows, fit the second-level cache. */
const BLOCK_BYTES = 256 << 10;
const MIN_BLOCK_ROWS = 16;
const MAX_BLOCK_ROWS = 1024;
/** Beyond it the columns' share of the kernel's memory is no cache's any more. */
const MAX_COLUMNS = 2048;

export class BindingMemory {
  readonly #tensors: TensorArray[] = [];
  readonly #quick: boolean;
  #kernel: RowsKernel | null = null;

  /** @param options.kernel false: without WebAssembly */
  constructor({ kernel = true }: { kernel?: boolean | undefined } = {}) {
    this.#quick = kernel;
  }

  /** @param position of the tensor's input in the plan @returns `elements` elements of any value, valid until the next call for this position */
  tensor(position: number, type: TensorType, elements: number): TensorArray {
    const known = this.#tensors[position];
    // A plan's types do not change; texts are objects, whose memory is not ours.
    if (known === undefined || Array.isArray(known) || known.length < elements) {
      this.#tensors[position] = allocateTensor(type, elements);
      return this.#tensors[position];
    }
    return known.subarray(0, elements);
  }

  /** Columns that `rows` can take: floats of one kind without a missing one, more than one. */
  canTake(columns: readonly unknown[]): columns is Floats {
    if (!this.#quick || columns.length < 2 || columns.length > MAX_COLUMNS) return false;
    return columns.every((values) => values instanceof Float64Array) || columns.every((values) => values instanceof Float32Array);
  }

  /** Of a block of rows. */
  blockRows(columns: number): number {
    const rows = Math.floor(BLOCK_BYTES / (12 * columns));
    return Math.max(MIN_BLOCK_ROWS, Math.min(MAX_BLOCK_ROWS, rows & ~3));
  }

  /**
   * columns[k][from + row] to out[at + row * columns.length + k]; at most `blockRows` rows.
   * @returns false: some of the results are infinite, which may be an overflow
   */
  rows(columns: Floats, from: number, to: number, out: Float32Array, at: number): boolean {
    this.#kernel ??= instantiateKernel<RowsKernel>("#rows-kernel");
    const kernel = this.#kernel;
    const rows = to - from;
    const width = columns[0]!.BYTES_PER_ELEMENT;
    const columnBytes = Math.ceil((rows * width) / 16) * 16;
    const start = Math.ceil(kernel.heapBase() / 16) * 16;
    const results = start + columnBytes * columns.length;
    reserveMemory(kernel.memory, results + rows * columns.length * 4);
    const { buffer } = kernel.memory;
    const cells = width === 8 ? new Float64Array(buffer, start) : new Float32Array(buffer, start);
    const step = columnBytes / width;
    for (let k = 0; k < columns.length; k++) cells.set(columns[k]!.subarray(from, to), k * step);
    let finite = true;
    if (width === 8) finite = kernel.doublesToRows(start, columnBytes, columns.length, rows, results) === 0;
    else kernel.singlesToRows(start, columnBytes, columns.length, rows, results);
    out.set(new Float32Array(buffer, results, rows * columns.length), at);
    return finite;
  }
}
