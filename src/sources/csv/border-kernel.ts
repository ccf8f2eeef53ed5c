/** The WebAssembly module that passes quotes for the border finder, with memory for one block. See src/kernels/borders.ts. */
import { instantiateKernel, type KernelMemory, reserveMemory } from "../../core/wasm-kernel.ts";

/** The module looks at 64 bytes that begin before the end. */
const PAD_BYTES = 64;

/** The state before the first byte, and the bytes that matter. */
type How = [state: number, fieldStart: boolean, delimiter: number, quote: number, newline: number];

interface Exports {
  memory: KernelMemory;
  behindNewline: { value: number };
  openedAt: { value: number };
  heapBase(): number;
  pass(start: number, to: number, ...how: How): 0 | 1 | 2;
}

/** Positions in the block. */
export interface Passed {
  state: 0 | 1 | 2;
  /** Behind the last newline outside of quotes, -1: none was passed. */
  behindNewline: number;
  /** The quote that opened last, -1: none was passed. */
  openedAt: number;
}

export interface BorderKernel {
  memory(bytes: number): Buffer;
  /** Over block[from, to); a block that does not lie in `memory` is copied. */
  pass(block: Buffer, from: number, to: number, ...how: How): Passed;
}

export function loadBorderKernel(): BorderKernel {
  const kernel = instantiateKernel<Exports>("#borders-kernel");
  const base = kernel.heapBase();
  const memory = (bytes: number): Buffer => {
    reserveMemory(kernel.memory, base + bytes + PAD_BYTES);
    return Buffer.from(kernel.memory.buffer, base, bytes);
  };
  return {
    memory,
    pass: (block, from, to, ...how) => {
      const inPlace = block.buffer === kernel.memory.buffer;
      const start = inPlace ? block.byteOffset + from : base;
      if (!inPlace) memory(to - from).set(block.subarray(from, to));
      const shift = start - from;
      const after = kernel.pass(start, start + to - from, ...how);
      const position = (address: number): number => (address === 0 ? -1 : address - shift);
      return { state: after, behindNewline: position(kernel.behindNewline.value), openedAt: position(kernel.openedAt.value) };
    },
  };
}
