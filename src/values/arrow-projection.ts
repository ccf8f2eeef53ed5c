/** Columns that a plan needs, so that a reader of a columnar format leaves the others where they are. */
import type { BindingPlan } from "../core/binding-plan.ts";

/** Positions in the source's schema, ascending. */
export function neededColumns(plan: BindingPlan): number[] {
  const bound = plan.inputs.flatMap(({ from }) => (from.kind === "columns" ? from.columns : [from.column]));
  return [...new Set([...bound, ...plan.keep].map((column) => column.index))].sort((a, b) => a - b);
}

/** The plan with positions among `columns` instead of positions in the schema. */
export function projectPlan(plan: BindingPlan, columns: readonly number[]): BindingPlan {
  const positions = new Map(columns.map((column, position) => [column, position]));
  const moved = <T extends { index: number }>(column: T): T => ({ ...column, index: positions.get(column.index)! });
  const inputs = plan.inputs.map((input): BindingPlan["inputs"][number] => {
    const { from } = input;
    return {
      ...input,
      from:
        from.kind === "columns"
          ? { kind: "columns", columns: from.columns.map(moved) }
          : { kind: "list", column: moved(from.column) },
    };
  });
  return { ...plan, inputs, keep: plan.keep.map(moved) };
}
