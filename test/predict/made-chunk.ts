/** Decoded chunks and a runner that really computes, so that inference can be checked without a model file. */
import type { BindingPlan } from "../../src/core/binding-plan.ts";
import type { DecodedChunk, TensorData } from "../../src/core/chunk.ts";
import { BatchPredictError } from "../../src/core/errors.ts";
import { type Feed, FeedBuilder, type Feeds } from "../../src/predict/feeds.ts";
import type { Runner } from "../../src/predict/infer-chunk.ts";
import { fillConstant } from "../../src/values/constant.ts";

export const WIDTH = 2;

/** One input `x` of shape [N, 2], and any constants. */
export function sumPlan(constants: BindingPlan["constants"] = []): BindingPlan {
  const columns = ["a", "b"].map((name, index) => ({ name, index, missing: "nan" as const }));
  return {
    inputs: [{ input: "x", type: "float64", rowShape: [WIDTH], rowSize: WIDTH, from: { kind: "columns", columns } }],
    constants,
    keep: [],
    onError: "reject",
  };
}

export function feedBuilder(plan: BindingPlan = sumPlan()): FeedBuilder {
  return new FeedBuilder(plan, fillConstant);
}

/** Row r is [r, 2r]: its sum, 3r, says which row it was. */
export function countedRows(rows: number): DecodedChunk {
  const data = Float64Array.from({ length: rows * WIDTH }, (_, at) => Math.floor(at / WIDTH) * (1 + (at % WIDTH)));
  return decoded(rows, [{ input: "x", type: "float64", data }]);
}

export function decoded(rows: number, tensors: TensorData[]): DecodedChunk {
  return { rowsRead: rows, rows, sourceRows: null, tensors, kept: [], rejects: [], counts: [], lines: rows, bytes: rows };
}

/** `sum` [N] and `pair` [N, 2] = [sum, row]; throws for any call that holds a poisoned row, as the runtime does. */
export class SumRunner implements Runner {
  readonly calls: number[][] = [];
  readonly #poisoned: ReadonlySet<number>;
  readonly #fails: (bad: number, rows: number) => boolean;

  /** @param fails whether a call of `rows` rows fails that holds `bad` poisoned ones; default: it always does */
  constructor(poisoned: Iterable<number> = [], fails: (bad: number, rows: number) => boolean = (bad) => bad > 0) {
    this.#poisoned = new Set(poisoned);
    this.#fails = fails;
  }

  async run(feeds: Feeds, outputs: string[]): Promise<Record<string, Feed>> {
    const { dims, data, type } = feeds.x!;
    const values = data as Float64Array;
    const rows = dims[0]!;
    if (type !== "float64" || dims[1] !== WIDTH || values.length !== rows * WIDTH) throw new Error("the feed contradicts itself");
    const held = Array.from({ length: rows }, (_, row) => values[row * WIDTH]!);
    this.calls.push(held);
    const bad = held.filter((row) => this.#poisoned.has(row));
    if (this.#fails(bad.length, rows)) {
      throw new BatchPredictError("BP_INFERENCE", "the model failed", { actual: `row ${bad[0]} is poisoned` });
    }
    const sums = Float64Array.from({ length: rows }, (_, row) => values[row * WIDTH]! + values[row * WIDTH + 1]!);
    const pairs = Float64Array.from({ length: 2 * rows }, (_, at) => (at % 2 === 0 ? sums[at >> 1]! : held[at >> 1]!));
    const all: Record<string, Feed> = {
      sum: { type: "float64", dims: [rows], data: sums },
      pair: { type: "float64", dims: [rows, 2], data: pairs },
    };
    return Object.fromEntries(outputs.map((name) => [name, all[name]!]));
  }
}
