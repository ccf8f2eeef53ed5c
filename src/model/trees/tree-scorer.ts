/** Compiled trees in the memory of their kernel: rows in, sums out. */
import { instantiateKernel, type KernelMemory, reserveMemory } from "../../core/wasm-kernel.ts";
import type { CompiledTrees } from "./compile-ensemble.ts";

/** See src/kernels/trees.ts. */
interface TreeKernel {
  memory: KernelMemory;
  heapBase(): number;
  predict(
    roots: number,
    trees: number,
    rows: number,
    count: number,
    stride: number,
    sums: number,
    targets: number,
    weights: number,
    missing: boolean,
  ): void;
}

/** Rows that stay in the nearest cache while all trees see them. */
const BLOCK_BYTES = 24 << 10;
const MAX_BLOCK_ROWS = 512;

export class TreeScorer {
  readonly #kernel: TreeKernel;
  readonly #trees: CompiledTrees;
  readonly #roots: number;
  readonly #weights: number;
  readonly #free: number;

  constructor(trees: CompiledTrees) {
    this.#kernel = instantiateKernel<TreeKernel>("#trees-kernel");
    this.#trees = trees;
    this.#roots = align(this.#kernel.heapBase());
    const nodes = align(this.#roots + trees.roots.byteLength);
    this.#weights = align(nodes + trees.nodes.byteLength);
    this.#free = align(this.#weights + trees.weights.byteLength);
    reserveMemory(this.#kernel.memory, this.#free);
    const { buffer } = this.#kernel.memory;
    new Uint32Array(buffer, this.#roots, trees.roots.length).set(trees.roots.map((root) => root + nodes));
    const table = new Uint32Array(buffer, nodes, trees.nodes.length);
    table.set(trees.nodes);
    for (let child = 2; child < table.length; child += 4) table[child]! += nodes;
    new Float32Array(buffer, this.#weights, trees.weights.length).set(trees.weights);
  }

  /**
   * @param rows row-major, `width` columns each; at least `features` of the trees
   * @returns `targets` sums per row, in float32 arithmetic in the order of the trees
   */
  sums(rows: Float32Array, count: number, width: number): Float32Array {
    const { trees, targets, missing } = this.#trees;
    const stride = width * 4;
    const block = Math.max(8, Math.min(MAX_BLOCK_ROWS, Math.floor(BLOCK_BYTES / stride)) & ~7);
    const sumsAt = align(this.#free + block * stride);
    reserveMemory(this.#kernel.memory, sumsAt + block * targets * 4);
    const memory = new Float32Array(this.#kernel.memory.buffer);
    const result = new Float32Array(count * targets);
    for (let row = 0; row < count; row += block) {
      const size = Math.min(block, count - row);
      memory.set(rows.subarray(row * width, (row + size) * width), this.#free / 4);
      memory.fill(0, sumsAt / 4, sumsAt / 4 + block * targets);
      const whole = (size + 7) & ~7;
      this.#kernel.predict(this.#roots, trees, this.#free, whole, stride, sumsAt, targets, this.#weights, missing);
      result.set(memory.subarray(sumsAt / 4, sumsAt / 4 + size * targets), row * targets);
    }
    return result;
  }
}

function align(address: number): number {
  return (address + 63) & ~63;
}
