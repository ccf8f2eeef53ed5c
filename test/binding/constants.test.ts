import { describe, expect, it } from "vitest";
import { fillConstant } from "../../src/values/constant.ts";
import { bind, columns, input, messages, refusal } from "./made-signature.ts";

const N = null;

function constant(shape: (number | string | null)[], text: string, type: "float32" | "int64" | "string" | "bool" = "float32") {
  const planned = bind([input("x", [N, 1]), input("k", shape, type)], columns("x"), { constants: { k: text } });
  return { ...planned.plan.constants[0]!, origin: planned.origins.k };
}

describe("constants", () => {
  it("are one value for all elements, repeated per row where the first dimension is open", () => {
    expect(constant([N, 2], "1.5")).toEqual({
      input: "k",
      type: "float32",
      shape: [2],
      perRow: true,
      values: ["1.5"],
      origin: "--const",
    });
    expect(constant([3], "1.5")).toMatchObject({ shape: [3], perRow: false, values: ["1.5"] });
    expect(constant([], "7")).toMatchObject({ shape: [], perRow: false });
    expect(constant(["batch"], "7")).toMatchObject({ shape: [], perRow: true });
  });

  it("may be JSON lists, nested as the shape is", () => {
    expect(constant([N, 2, 2], "[[1, 2], [3, 4]]")).toMatchObject({ shape: [2, 2], values: ["1", "2", "3", "4"] });
    expect(constant([N, "k"], "[1, 2, 3]")).toMatchObject({ shape: [3], perRow: true });
    expect(constant([2], '["a, b", ""]', "string")).toMatchObject({ values: ["a, b", ""] });
  });

  it("keep every digit of a number in a list", () => {
    const planned = constant([2], "[9007199254740993, -9223372036854775808]", "int64");
    expect(planned.values).toEqual(["9007199254740993", "-9223372036854775808"]);
    expect([...(fillConstant(planned) as BigInt64Array)]).toEqual([9007199254740993n, -9223372036854775808n]);
  });

  it("leave digits inside of texts alone", () => {
    expect(constant([3], '["a\\"1", "1e5", " 2 "]', "string").values).toEqual(['a"1', "1e5", " 2 "]);
  });

  it.each([
    ["[N, ?, 2]", [N, N, 2], "[1, 2, 3]", 3],
    ["[N, 3]", [N, 3], "[1, 2]", 2],
    ["[N]", [N], "[1, 2]", 2],
    ["[N, 2]", [N, 2], "[]", 0],
  ])("of the wrong number of values for %s are refused", (_shape, shape, text, count) => {
    const error = refusal(() => constant(shape, text));
    expect(error.message).toBe(`constant for model input "k" has ${count} values`);
    expect(error.details.hints?.[0]).toContain("--const 'k=[...]'");
  });

  it("says how many values fit", () => {
    expect(refusal(() => constant([N], "[1, 2]")).details.expected).toBe("1 value for float32 [N]");
    expect(refusal(() => constant([N, 3], "[1, 2]")).details.expected).toBe("1 or 3 values for float32 [N, 3]");
  });

  it("of one value fill a shape with an open dimension by whole numbers", () => {
    const planned = constant([N, N, 2], "1");
    expect(planned.shape).toEqual([1, 2]);
    expect([...(fillConstant(planned) as Float32Array)]).toEqual([1, 1]);
  });

  it.each([["[1, 2"], ['[{"a": 1}]']])("that begin like a list and are none are refused: %s", (text) => {
    const error = refusal(() => constant([N, 1], text));
    expect(error.message).toBe('constant for model input "k" is not a JSON list');
    expect(error.details.actual).toBe(text);
  });

  it("are read by the table of cells", () => {
    const error = refusal(() => constant([N, 1], "many"));
    expect(error.code).toBe("BP_BINDING");
    expect(error.message).toBe('cannot read "many" as float32 for model input "k"');
    expect(refusal(() => constant([N, 1], "1.5", "int64")).message).toContain('"1.5" as int64');
    expect(constant([N, 1], "true", "bool").values).toEqual(["true"]);
  });

  it("win over a column of that name, which is then kept", () => {
    const planned = bind([input("x", [N, 1])], columns("x", "y"), { constants: { x: "1" } });
    expect(planned.plan.inputs).toEqual([]);
    expect(planned.plan.keep.map((kept) => kept.name)).toEqual(["x", "y"]);
  });

  it("and --bind for one input contradict each other", () => {
    const error = refusal(() => bind([input("x", [N, 1])], columns("x"), { constants: { x: "1" }, bind: { x: ["x"] } }));
    expect(messages(error)).toEqual(['model input "x" is given both by --bind and by --const']);
  });
});
