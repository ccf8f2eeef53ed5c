import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fixedRowSize, product, shapeText, solveRowShape } from "../../src/binding/row-shape.ts";
import type { Dimension } from "../../src/core/model-signature.ts";
import { input } from "./made-signature.ts";

const solve = (shape: Dimension[], elements: number | null, given?: number[]): number[] | null =>
  solveRowShape(input("x", shape), elements, given);

describe("the shape of one row", () => {
  it.each<[Dimension[], number | null, number[] | undefined, number[] | null]>([
    [[null], 1, undefined, []],
    [[null], 2, undefined, null],
    [[null, 3], 3, undefined, [3]],
    [[null, 3], 4, undefined, null],
    [[null, 3], null, undefined, [3]],
    [[null, "f"], 5, undefined, [5]],
    [[null, "f"], null, undefined, null],
    [[null, "t", 3], 6, undefined, [2, 3]],
    [[null, "t", 3], 7, undefined, null],
    [[null, "t", "f"], 6, undefined, null],
    // As many as the fixed dimensions ask for: the open ones can only be 1.
    [[null, "a", "b", 4], 4, undefined, [1, 1, 4]],
    [[null, 0, "f"], 3, undefined, null],
    [[null, "t", "f"], 6, [3, 2], [3, 2]],
    [[null, "t", "f"], 6, [2, 2], null],
    [[null, 3, "f"], 6, [2, 3], null],
    [[null, "f"], 6, [2, 3], null],
    [[null, "f"], null, [8], [8]],
  ])("of %j from %j values, given %j, is %j", (shape, elements, given, expected) => {
    expect(solve(shape, elements, given)).toEqual(expected);
  });

  it("always holds exactly the elements and keeps the fixed dimensions", () => {
    const dimension = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom<Dimension>(null, "d"));
    fc.assert(
      fc.property(fc.array(dimension, { maxLength: 4 }), fc.integer({ min: 1, max: 120 }), (declared, elements) => {
        const shape = solve([null, ...declared], elements);
        const open = declared.filter((one) => typeof one !== "number").length;
        const known = product(declared.filter((one): one is number => typeof one === "number"));
        const solvable = open === 0 ? known === elements : open === 1 ? elements % known === 0 : elements === known;
        expect(shape !== null).toBe(solvable);
        if (!shape) return;
        expect(product(shape)).toBe(elements);
        declared.forEach((one, at) => {
          if (typeof one === "number") expect(shape[at]).toBe(one);
        });
      }),
    );
  });
});

it("says how many elements a row must bring, when the model knows", () => {
  expect(fixedRowSize(input("x", [null]))).toBe(1);
  expect(fixedRowSize(input("x", [2, 3, 4]))).toBe(12);
  expect(fixedRowSize(input("x", [null, 3, null]))).toBeNull();
});

it("is written as people read shapes", () => {
  expect(shapeText({ type: "float32", shape: [null, 24, "t", null] })).toBe("float32 [N, 24, t, ?]");
  expect(shapeText({ type: "int64", shape: [4] })).toBe("int64 [4]");
  expect(shapeText({ type: "int64", shape: [] })).toBe("int64 scalar");
});
