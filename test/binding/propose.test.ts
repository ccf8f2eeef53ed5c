/** What `init` proposes: names first, then groups, sizes and order; and what it leaves to people. */
import { describe, expect, it } from "vitest";
import { proposeBinding } from "../../src/binding/propose-binding.ts";
import { columns, input, signature } from "./made-signature.ts";

const numbered = (stem: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${stem}${at}`);

describe("one wide input", () => {
  const wide = (size: number | null) => signature([input("x", [null, size])]);

  it("leaves out identifiers and the answer at the end, and says so", () => {
    const { inputs, open, leftOut } = proposeBinding(wide(2), columns("customer_id", "age", "income", "target"));
    expect(open).toEqual([]);
    expect(inputs[0]).toMatchObject({ columns: ["age", "income"], check: false });
    expect(leftOut.map(({ column }) => column)).toEqual(["customer_id", "target"]);
  });

  it("takes the only group of that size", () => {
    const { inputs } = proposeBinding(wide(3), columns("a", ...numbered("lag_", 3), "b"));
    expect(inputs[0]!.columns).toEqual(["lag_0", "lag_1", "lag_2"]);
  });

  it("asks where nothing decides, with an example", () => {
    const { inputs, open } = proposeBinding(wide(2), columns("a", "b", "c"));
    expect(inputs).toEqual([]);
    expect(open[0]).toMatchObject({ input: "x", candidates: ["a", "b"], constant: false });
    expect(open[0]!.question).toContain("2 columns, and 3 numeric columns are left");
  });

  it("an open width takes all features, to be checked", () => {
    const { inputs } = proposeBinding(wide(null), columns("id", "a", "b"));
    expect(inputs[0]).toMatchObject({ columns: ["a", "b"], check: true });
  });
});

it("groups go to the inputs whose names are nearest, whatever their order", () => {
  const model = signature([
    input("input_ids", [null, null]),
    input("token_type_ids", [null, null]),
    input("input_mask", [null, null]),
  ]);
  const { inputs } = proposeBinding(model, columns(...numbered("id", 4), ...numbered("mask", 4), ...numbered("tt", 4)));
  expect(inputs.map(({ input: name, columns: [first] }) => [name, first])).toEqual([
    ["input_ids", "id0"],
    ["token_type_ids", "tt0"],
    ["input_mask", "mask0"],
  ]);
});

it("two open dimensions follow from columns that count twice", () => {
  const { inputs } = proposeBinding(
    signature([input("x", [null, null, null])]),
    columns("t0_a", "t0_b", "t1_a", "t1_b", "t2_a", "t2_b"),
  );
  expect(inputs[0]).toMatchObject({ shape: [3, 2] });
});

it("a scalar takes a constant, which only a person knows", () => {
  const { open } = proposeBinding(signature([input("x", [null, 1]), input("temperature", [])]), columns("x"));
  expect(open).toMatchObject([{ input: "temperature", constant: true }]);
});
