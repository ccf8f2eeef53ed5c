import { expect, it } from "vitest";
import { resultBatch } from "../../src/predict/result-batch.ts";
import { posted, tableOf } from "../wire.ts";

it("writes an output under two names without the two sharing memory", () => {
  const column = { output: "y", type: "float32" as const, element: 0, listSize: 1 };
  const outputs = { outputs: [{ output: "y", type: "float32" as const, rowSize: 1 }], columns: [], rowColumn: null };
  const plan = {
    ...outputs,
    columns: [
      { ...column, name: "y" },
      { ...column, name: "again" },
    ],
  };
  const binding = { inputs: [], constants: [], keep: [], onError: "fail" as const };
  const batch = resultBatch(binding, plan, [], [Float32Array.of(1.5, 2.5, 3.5)], 3, null);
  expect(
    tableOf(posted(batch))
      .toArray()
      .map((row) => row!.toJSON()),
  ).toEqual([
    { y: 1.5, again: 1.5 },
    { y: 2.5, again: 2.5 },
    { y: 3.5, again: 3.5 },
  ]);
});
