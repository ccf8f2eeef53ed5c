import { describe, expect, it } from "vitest";
import type { BindingPlan, ConstantBinding } from "../../src/core/binding-plan.ts";
import type { TensorArray, TensorType } from "../../src/core/tensor-types.ts";
import { FeedBuilder } from "../../src/predict/feeds.ts";
import { fillConstant } from "../../src/values/constant.ts";
import { countedRows, decoded, feedBuilder, sumPlan } from "./made-chunk.ts";

const constant = (given: Partial<ConstantBinding>): ConstantBinding => ({
  input: "k",
  type: "float32",
  shape: [],
  perRow: false,
  values: ["1"],
  ...given,
});

describe("feeds", () => {
  it("are views of the chunk where nothing is padded: a batch costs no copy", () => {
    const chunk = countedRows(10);
    const { x } = feedBuilder().build(chunk, 3, 7, 4);
    expect(x).toMatchObject({ type: "float64", dims: [4, 2] });
    expect([...(x!.data as Float64Array)]).toEqual([3, 6, 4, 8, 5, 10, 6, 12]);
    expect((x!.data as Float64Array).buffer).toBe((chunk.tensors[0]!.data as Float64Array).buffer);
  });

  it("repeat the last row to fill a fixed batch, and leave the chunk as it was", () => {
    const chunk = countedRows(5);
    const { x } = feedBuilder().build(chunk, 3, 5, 4);
    expect(x!.dims).toEqual([4, 2]);
    expect([...(x!.data as Float64Array)]).toEqual([3, 6, 4, 8, 4, 8, 4, 8]);
    expect([...(chunk.tensors[0]!.data as Float64Array)]).toEqual([0, 0, 1, 2, 2, 4, 3, 6, 4, 8]);
  });

  it.each<[TensorType, TensorArray, unknown[]]>([
    ["string", ["a", "b", "ü", ""], ["ü", "", "ü", "", "ü", ""]],
    ["bool", Uint8Array.of(1, 0, 0, 1), [0, 1, 0, 1, 0, 1]],
    ["int64", BigInt64Array.of(1n, 2n, 3n, 2n ** 62n), [3n, 2n ** 62n, 3n, 2n ** 62n, 3n, 2n ** 62n]],
    ["float16", Uint16Array.of(1, 2, 3, 0x7e00), [3, 0x7e00, 3, 0x7e00, 3, 0x7e00]],
  ])("slice and pad %s", (type, data, expected) => {
    const plan: BindingPlan = {
      ...sumPlan(),
      inputs: [{ input: "x", type, rowShape: [2], rowSize: 2, from: { kind: "columns", columns: [] } }],
    };
    const { x } = new FeedBuilder(plan, fillConstant).build(decoded(2, [{ input: "x", type, data }]), 1, 2, 3);
    expect([...x!.data]).toEqual(expected);
    expect(x!.data.constructor).toBe(data.constructor);
  });

  it("have no second dimension for an input of rank 1", () => {
    const plan: BindingPlan = {
      ...sumPlan(),
      inputs: [{ input: "x", type: "float32", rowShape: [], rowSize: 1, from: { kind: "columns", columns: [] } }],
    };
    const chunk = decoded(3, [{ input: "x", type: "float32", data: Float32Array.of(1, 2, 3) }]);
    expect(new FeedBuilder(plan, fillConstant).build(chunk, 0, 2, 2).x).toMatchObject({ dims: [2] });
  });

  it("repeat a constant per row, as often as the call has rows", () => {
    const builder = feedBuilder(sumPlan([constant({ shape: [2], perRow: true, values: ["1", "2"] })]));
    const { k } = builder.build(countedRows(3), 0, 3, 4);
    expect(k!.dims).toEqual([4, 2]);
    expect([...k!.data]).toEqual([1, 2, 1, 2, 1, 2, 1, 2]);
    expect(builder.build(countedRows(3), 0, 1, 1).k!.dims).toEqual([1, 2]);
  });

  it("give a constant with a shape of its own as it is", () => {
    const builder = feedBuilder(sumPlan([constant({ shape: [3], values: ["2"] }), constant({ input: "s", values: ["5"] })]));
    const { k, s } = builder.build(countedRows(3), 0, 3, 3);
    expect(k).toMatchObject({ dims: [3] });
    expect([...k!.data]).toEqual([2, 2, 2]);
    expect(s).toMatchObject({ dims: [] });
    expect([...s!.data]).toEqual([5]);
  });

  it("of zeros have every input and constant, for a probe without data", () => {
    const feeds = feedBuilder(sumPlan([constant({ perRow: true, values: ["7"] })])).zeros(3);
    expect(feeds.x).toMatchObject({ dims: [3, 2] });
    expect([...feeds.x!.data]).toEqual([0, 0, 0, 0, 0, 0]);
    expect([...feeds.k!.data]).toEqual([7, 7, 7]);
  });
});
