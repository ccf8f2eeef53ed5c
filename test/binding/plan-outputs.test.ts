/** The contract's "Output columns". */
import { describe, expect, it } from "vitest";
import { type ProbedOutput, planOutputs } from "../../src/binding/plan-outputs.ts";
import type { ModelOutput } from "../../src/core/model-signature.ts";
import type { OutputPlan } from "../../src/core/output-plan.ts";
import type { RunSettings } from "../../src/core/settings.ts";
import { messages, output, refusal, signature } from "./made-signature.ts";

interface Given {
  kept?: string[];
  outputs?: RunSettings["outputs"];
  foldCase?: boolean;
}

function plan(outputs: ModelOutput[], shapes: number[][], given: Given = {}): OutputPlan {
  const probed: Record<string, ProbedOutput> = Object.fromEntries(
    outputs.map(({ name }, at) => [name, { type: "float32", rowShape: shapes[at]! }]),
  );
  const settings = { outputs: given.outputs ?? null };
  return planOutputs(signature([], outputs), probed, given.kept ?? ["id"], settings, given.foldCase ?? false);
}

const names = ({ columns, rowColumn }: OutputPlan): string[] => [
  ...(rowColumn === null ? [] : [rowColumn]),
  ...columns.map((column) => column.name),
];

describe("one output", () => {
  it.each([
    ["[N]", []],
    ["[N, 1]", [1]],
  ])("of shape %s is one column of its name", (_shape, rowShape) => {
    expect(plan([output("y")], [rowShape])).toEqual({
      outputs: [{ output: "y", type: "float32", rowSize: 1 }],
      columns: [{ name: "y", output: "y", type: "float32", element: 0, listSize: 1 }],
      rowColumn: null,
    });
  });

  it("of shape [N, K] is a column per element", () => {
    const planned = plan([output("p")], [[3]]);
    expect(names(planned)).toEqual(["p_0", "p_1", "p_2"]);
    expect(planned.columns.map((column) => column.element)).toEqual([0, 1, 2]);
    expect(planned.columns[1]).toEqual({ name: "p_1", output: "p", type: "float32", element: 1, listSize: 3 });
  });

  it("is named by its labels where they are known", () => {
    expect(names(plan([output("p", ["no", "maybe", "yes"], true)], [[3]]))).toEqual(["p_no", "p_maybe", "p_yes"]);
    expect(names(plan([output("p", ["no", "yes"])], [[2]]))).toEqual(["p_no", "p_yes"]);
    expect(names(plan([output("p", ["1.5", "ja, größer", ""])], [[3]]))).toEqual(["p_1.5", "p_ja, größer", "p_"]);
  });

  it("is numbered when there are not as many labels as elements: wrong names are worse than none", () => {
    expect(names(plan([output("p", ["no", "yes"], true)], [[3]]))).toEqual(["p_0", "p_1", "p_2"]);
  });

  it("of one class keeps its class for a ZipMap, whose only key it was", () => {
    expect(names(plan([output("p", ["yes"], true)], [[1]]))).toEqual(["p_yes"]);
    expect(names(plan([output("p", ["yes"])], [[1]]))).toEqual(["p"]);
  });

  it("has columns up to 64 elements, then a list", () => {
    expect(plan([output("e")], [[64]]).columns).toHaveLength(64);
    expect(plan([output("e")], [[65]]).columns).toEqual([
      { name: "e", output: "e", type: "float32", element: null, listSize: 65 },
    ]);
  });

  it.each([
    ["[N, 2, 3]", [2, 3], 6],
    ["[N, 1, 1]", [1, 1], 1],
    ["[N, 0]", [0], 0],
  ])("of shape %s is a list", (_shape, rowShape, listSize) => {
    expect(plan([output("h")], [rowShape]).columns).toEqual([
      { name: "h", output: "h", type: "float32", element: null, listSize },
    ]);
  });

  it("has the type the runtime gave, whatever the file declares", () => {
    const planned = planOutputs(
      signature([], [output("y")]),
      { y: { type: "int64", rowShape: [2] } },
      ["id"],
      { outputs: null },
      false,
    );
    expect(planned.outputs[0]!.type).toBe("int64");
    expect(planned.columns.map((column) => column.type)).toEqual(["int64", "int64"]);
  });
});

describe("names that are taken", () => {
  it("by a kept column get the prefix pred_", () => {
    expect(names(plan([output("label")], [[]], { kept: ["label"] }))).toEqual(["pred_label"]);
    expect(names(plan([output("label")], [[]], { kept: ["label", "pred_label"] }))).toEqual(["pred_pred_label"]);
  });

  it("get it column by column", () => {
    expect(names(plan([output("p")], [[3]], { kept: ["p_1"] }))).toEqual(["p_0", "pred_p_1", "p_2"]);
  });

  it("by another output get it too", () => {
    expect(names(plan([output("p"), output("p_0")], [[2], []]))).toEqual(["p_0", "p_1", "pred_p_0"]);
  });

  it("by another label get it too", () => {
    expect(names(plan([output("p", ["a", "a"])], [[2]]))).toEqual(["p_a", "pred_p_a"]);
  });

  it("are compared without case for SQLite only", () => {
    expect(names(plan([output("label")], [[]], { kept: ["Label"], foldCase: true }))).toEqual(["pred_label"]);
    expect(names(plan([output("label")], [[]], { kept: ["Label"] }))).toEqual(["label"]);
    expect(names(plan([output("p", ["A", "a"])], [[2]], { foldCase: true }))).toEqual(["p_A", "pred_p_a"]);
  });
});

describe("row", () => {
  it("is written when nothing is kept, and only then", () => {
    expect(plan([output("y")], [[]], { kept: [] }).rowColumn).toBe("row");
    expect(plan([output("y")], [[]], { kept: ["id"] }).rowColumn).toBeNull();
  });

  it("keeps its name from an output that is called so", () => {
    expect(names(plan([output("row"), output("ROW")], [[], []], { kept: [], foldCase: true }))).toEqual([
      "row",
      "pred_row",
      "pred_pred_ROW",
    ]);
  });
});

describe("--outputs", () => {
  const two = [output("label"), output("prob")];

  it("chooses, orders and renames", () => {
    const outputs = [
      { name: "prob", alias: "p" },
      { name: "label", alias: null },
    ];
    const planned = plan(two, [[], [2]], { outputs });
    expect(planned.outputs.map((one) => one.output)).toEqual(["prob", "label"]);
    expect(names(planned)).toEqual(["p_0", "p_1", "label"]);
    expect(names(plan(two, [[], [2]], { outputs: [outputs[1]!] }))).toEqual(["label"]);
  });

  it("prefixes an alias that is taken as well", () => {
    expect(names(plan(two, [[], []], { kept: ["id"], outputs: [{ name: "label", alias: "id" }] }))).toEqual(["pred_id"]);
  });

  it("refuses unknown names with what there is", () => {
    const error = refusal(() => plan(two, [[], []], { outputs: [{ name: "probs", alias: null }] }));
    expect(error.code).toBe("BP_BINDING");
    expect(error.message).toBe('--outputs names "probs", which the model does not give');
    expect(error.details.expected).toBe('one of: "label", "prob"');
    expect(error.details.hints).toEqual(['did you mean "prob"?']);
  });

  it("refuses all unknown names at once, each once", () => {
    const outputs = [
      { name: "probs", alias: null },
      { name: "lable", alias: "x" },
    ];
    const error = refusal(() => plan(two, [[], []], { outputs }));
    expect(error.message).toBe("--outputs names 2 outputs that the model does not give");
    expect(messages(error)).toEqual([
      '--outputs names "probs", which the model does not give',
      '--outputs names "lable", which the model does not give',
    ]);
  });
});
