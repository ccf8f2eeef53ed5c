/** Slices of a decoded chunk as the runtime's feeds. Views, no copies, but for the padding of a short batch. */
import type { BindingPlan, ConstantBinding, InputBinding } from "../core/binding-plan.ts";
import type { DecodedChunk } from "../core/chunk.ts";
import { allocateTensor, type TensorArray, type TensorType } from "../core/tensor-types.ts";

export interface Feed {
  type: TensorType;
  dims: number[];
  data: TensorArray;
}

export type Feeds = Record<string, Feed>;

/** Writes the text of one constant into a tensor; injected so that constants read by the same table as cells. */
export type FillConstant = (constant: ConstantBinding) => TensorArray;

export class FeedBuilder {
  readonly #plan: BindingPlan;
  readonly #constants: { binding: ConstantBinding; data: TensorArray }[];

  constructor(plan: BindingPlan, fillConstant: FillConstant) {
    this.#plan = plan;
    this.#constants = plan.constants.map((binding) => ({ binding, data: fillConstant(binding) }));
  }

  /**
   * Feeds of rows [rowStart, rowEnd).
   * @param padTo rows the call must have (fixed batch dimension); the last row is repeated to fill it
   * @param companion a row of the chunk to repeat instead
   */
  build(decoded: DecodedChunk, rowStart: number, rowEnd: number, padTo: number, companion = rowEnd - 1): Feeds {
    const feeds: Feeds = {};
    this.#plan.inputs.forEach((binding, at) => {
      const { data: all } = decoded.tensors[at]!;
      const { rowSize } = binding;
      const data = slice(all, rowStart * rowSize, rowEnd * rowSize);
      const filler = slice(all, companion * rowSize, (companion + 1) * rowSize);
      const padded = padTo > rowEnd - rowStart ? pad(data, filler, binding, padTo) : data;
      feeds[binding.input] = { type: binding.type, dims: [padTo, ...binding.rowShape], data: padded };
    });
    for (const { binding, data } of this.#constants) {
      feeds[binding.input] = binding.perRow
        ? { type: binding.type, dims: [padTo, ...binding.shape], data: repeat(data, binding.type, padTo) }
        : { type: binding.type, dims: binding.shape, data };
    }
    return feeds;
  }

  /** Feeds of `rows` rows of zeros (false, ""): what a probe falls back to without data. */
  zeros(rows: number): Feeds {
    const feeds: Feeds = {};
    for (const binding of this.#plan.inputs) {
      const data = allocateTensor(binding.type, rows * binding.rowSize);
      feeds[binding.input] = { type: binding.type, dims: [rows, ...binding.rowShape], data };
    }
    return { ...feeds, ...this.#constantFeeds(rows) };
  }

  #constantFeeds(rows: number): Feeds {
    return Object.fromEntries(
      this.#constants.map(({ binding, data }) => [
        binding.input,
        binding.perRow
          ? { type: binding.type, dims: [rows, ...binding.shape], data: repeat(data, binding.type, rows) }
          : { type: binding.type, dims: binding.shape, data },
      ]),
    );
  }
}

function slice(data: TensorArray, start: number, end: number): TensorArray {
  return Array.isArray(data) ? data.slice(start, end) : data.subarray(start, end);
}

function pad(data: TensorArray, filler: TensorArray, { type, rowSize }: InputBinding, padTo: number): TensorArray {
  const padded = allocateTensor(type, padTo * rowSize);
  copyInto(padded, data, 0);
  for (let at = data.length; at < padded.length; at += rowSize) copyInto(padded, filler, at);
  return padded;
}

function repeat(data: TensorArray, type: TensorType, rows: number): TensorArray {
  const repeated = allocateTensor(type, rows * data.length);
  for (let row = 0; row < rows; row++) copyInto(repeated, data, row * data.length);
  return repeated;
}

/** Same element type on both sides by construction. */
export function copyInto(target: TensorArray, source: TensorArray, at: number): void {
  if (Array.isArray(target)) {
    for (let index = 0; index < source.length; index++) target[at + index] = source[index] as string;
  } else {
    (target as Float64Array).set(source as Float64Array, at);
  }
}
