/** What is left when names did not decide: one wide input and as many columns, or list columns of a matching width. */
import type { ModelInput } from "../core/model-signature.ts";
import type { SourceColumn } from "../core/source.ts";
import { fixedRowSize } from "./row-shape.ts";

export interface Candidate {
  input: ModelInput;
  columns: SourceColumn[];
  /** In words, for the notice. */
  why: string;
}

/**
 * Only guesses that leave no choice: exactly the right number of fitting columns, or the only list of that width.
 * @param open inputs without a binding
 * @param free columns without a use
 */
export function guessColumns(open: readonly ModelInput[], free: readonly SourceColumn[]): Candidate[] {
  const lists = free.filter((column) => column.role === "list");
  const found: Candidate[] = [];
  const required = open.filter((input) => !input.optional && input.shape.length > 0);
  const [single] = required;
  if (single && required.length === 1) {
    const columns = fillsExactly(single, free);
    if (columns)
      return [
        {
          input: single,
          columns,
          why: `the ${columns.length === 1 ? "only fitting column" : `${columns.length} fitting columns`} left, in file order`,
        },
      ];
  }
  for (const input of required) {
    const matching = lists.filter((column) => listFits(input, column));
    const rivals = required.filter((other) => other !== input && matching[0] && listFits(other, matching[0]));
    if (matching[0] && matching.length === 1 && rivals.length === 0) {
      found.push({ input, columns: [matching[0]], why: "the only list column of that width" });
    }
  }
  return found;
}

function fillsExactly(input: ModelInput, free: readonly SourceColumn[]): SourceColumn[] | null {
  const fitting = free.filter((column) => fits(input, column));
  const size = fixedRowSize(input);
  if (size !== null) return fitting.length === size ? fitting : null;
  const known = input.shape.slice(1).filter((dimension): dimension is number => typeof dimension === "number");
  const unit = known.reduce((all, dimension) => all * dimension, 1);
  return fitting.length > 0 && fitting.length % unit === 0 ? fitting : null;
}

/** Whether a guess may put the column there. */
export function fits(input: ModelInput, column: SourceColumn): boolean {
  if (input.type === "string") return column.role === "text" && !column.numeric;
  if (input.type === "bool") return column.role === "bool" || column.keptType === "bool" || column.numeric;
  return column.numeric;
}

function listFits(input: ModelInput, column: SourceColumn): boolean {
  if (input.shape.length < 2 || input.type === "string") return false;
  const size = fixedRowSize(input);
  if (size === null) return column.listSize !== null;
  return column.listSize === null || column.listSize === size;
}
