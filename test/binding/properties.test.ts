/** What must hold for any model and any table. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planOutputs } from "../../src/binding/plan-outputs.ts";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { ModelInput } from "../../src/core/model-signature.ts";
import { bind, bound, column, input, output, refusal, signature } from "./made-signature.ts";

const name = fc.oneof(
  { arbitrary: fc.string({ minLength: 1, maxLength: 8, unit: "grapheme" }), weight: 5 },
  // What every object inherits, and what differs by case and punctuation only.
  fc.constantFrom("constructor", "toString", "hasOwnProperty", "age", "Age", "a-ge", "a_ge"),
);
const names = fc.uniqueArray(name, { minLength: 1, maxLength: 8 });
const kind = fc.constantFrom("numbers", "text", "number", "bool", "list4", "list", "other");
const dimension = fc.constantFrom(null, "n", 1, 2, 4);
const type = fc.constantFrom("float32" as const, "int64" as const, "string" as const, "bool" as const);

const table = fc
  .uniqueArray(fc.tuple(name, kind), { selector: ([one]) => one, maxLength: 10 })
  .map((specs) => specs.map(([one, its], at) => column(one, at, its)));
const inputs = fc
  .uniqueArray(fc.tuple(name, fc.array(dimension, { maxLength: 3 }), type, fc.boolean()), {
    selector: ([one]) => one,
    minLength: 1,
    maxLength: 5,
  })
  .map((specs) => specs.map(([one, shape, its, optional]): ModelInput => input(one, shape, its, optional)));

describe("binding", () => {
  it("binds each input to the column of its name, whatever the order of columns and inputs", () => {
    fc.assert(
      fc.property(
        names.chain((all) =>
          fc.tuple(
            fc.shuffledSubarray(all, { minLength: 1 }),
            fc.shuffledSubarray(all, { minLength: all.length }),
            fc.constantFrom([null], [null, 1], [1], [1, 1]),
          ),
        ),
        ([wanted, all, shape]) => {
          const planned = bind(
            wanted.map((one) => input(one, [...shape])),
            all.map((one, at) => column(one, at)),
          );
          expect(bound(planned)).toEqual(Object.fromEntries(wanted.map((one) => [one, [one]])));
          for (const { from } of planned.plan.inputs) {
            const [only] = from.kind === "columns" ? from.columns : [];
            expect(all[only!.index]).toBe(only!.name);
          }
          expect(planned.plan.keep.map((kept) => kept.name)).toEqual(all.filter((one) => !wanted.includes(one)));
        },
      ),
    );
  });

  it("of any table to any model is either whole and consistent, or refused in full", () => {
    fc.assert(
      fc.property(inputs, table, (model, data) => {
        try {
          const { plan, origins } = bind(model, data);
          const used = plan.inputs.flatMap(({ from }) => (from.kind === "list" ? [from.column] : from.columns));
          expect(new Set(used.map((one) => one.name)).size, "no column feeds twice without the user's word").toBe(used.length);
          for (const one of used) expect(data[one.index]!.name).toBe(one.name);
          for (const { input: its, rowShape, rowSize, from } of plan.inputs) {
            const declared = model.find((known) => known.name === its)!;
            expect(declared.optional, "an input with a default is nobody's guess").toBe(false);
            expect(rowShape).toHaveLength(declared.shape.length - 1);
            expect(rowShape.reduce((size, one) => size * one, 1)).toBe(rowSize);
            if (from.kind === "columns") expect(from.columns).toHaveLength(rowSize);
            expect(origins[its]).toBeTruthy();
          }
          const fed = plan.inputs.map((one) => one.input);
          expect(fed).toEqual(model.map((one) => one.name).filter((one) => fed.includes(one)));
          expect(model.filter((one) => !one.optional && !fed.includes(one.name))).toEqual([]);
          expect(plan.keep.map((kept) => kept.index)).toEqual(
            data.filter((one) => !used.some((bound) => bound.name === one.name)).map((one) => one.index),
          );
        } catch (error) {
          if (!(error instanceof BatchPredictError)) throw error;
          expect(error.code).toBe("BP_BINDING");
          const problems = error.details.problems ?? [{ message: error.message, hints: error.details.hints ?? [] }];
          expect(problems.length).toBeGreaterThan(0);
          for (const problem of problems) expect(problem.hints?.length ?? 0, problem.message).toBeGreaterThan(0);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("tells every unbound input, however many", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), (count) => {
        const model = Array.from({ length: count }, (_, at) => input(`in${at}`, [null, 3]));
        const error = refusal(() => bind(model, [column("only", 0)]));
        expect(error.details.problems?.length ?? 1).toBe(count);
      }),
    );
  });
});

describe("output columns", () => {
  it("have unique names, whatever is kept and whatever the labels", () => {
    const tricky = fc.oneof(
      fc.constantFrom("constructor", "y", "Y", "y_0", "pred_y", "pred_Y_0", "row", "Row", "y_a", "y_A"),
      name,
    );
    const made = fc.record({
      name: tricky,
      size: fc.constantFrom(0, 1, 2, 3, 64, 65),
      labels: fc.option(fc.array(fc.constantFrom("a", "A", "0", ""), { maxLength: 3 })),
      alias: fc.option(tricky),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(made, { selector: (one) => one.name, minLength: 1, maxLength: 4 }),
        fc.uniqueArray(tricky, { selector: (one) => one.toLowerCase(), maxLength: 6 }),
        fc.boolean(),
        (outputs, kept, foldCase) => {
          const model = signature(
            [],
            outputs.map((one) => output(one.name, one.labels, one.labels !== null)),
          );
          const probed = Object.fromEntries(
            outputs.map((one) => [one.name, { type: "float32" as const, rowShape: one.size === 1 ? [] : [one.size] }]),
          );
          const chosen = outputs.map((one) => ({ name: one.name, alias: one.alias }));
          const plan = planOutputs(model, probed, kept, { outputs: chosen }, foldCase);
          const written = [...kept, ...(plan.rowColumn === null ? [] : [plan.rowColumn]), ...plan.columns.map((one) => one.name)];
          expect(new Set(written.map((one) => (foldCase ? one.toLowerCase() : one))).size).toBe(written.length);
          expect(plan.rowColumn === null).toBe(kept.length > 0);
          for (const one of outputs) {
            const its = plan.columns.filter((known) => known.output === one.name);
            const elements = its.map((known) => known.element);
            if (one.size > 64 || one.size === 0) expect(elements).toEqual([null]);
            else expect(elements).toEqual(Array.from({ length: one.size }, (_, at) => at));
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
