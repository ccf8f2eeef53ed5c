/** Which expected column says what which predicted columns should hold. Pure. */
import { BatchPredictError } from "../core/errors.ts";
import type { OutputPlan } from "../core/output-plan.ts";
import { suggest } from "../core/suggest.ts";
import { isFloatType } from "../core/tensor-types.ts";

export interface ComparedColumn {
  /** Name of the expected column. */
  name: string;
  expected: number;
  /** Positions in the predictions: one column, or all those of one model output in order. */
  predicted: number[];
  /** Compared with a tolerance; everything else must be equal. */
  float: boolean;
}

export interface MatchedColumns {
  compared: ComparedColumn[];
  /** Expected columns that nothing was predicted for. */
  unknown: string[];
  /** Predicted columns that nothing is expected of. */
  unchecked: string[];
}

/**
 * An expected column is named like a predicted one (`probabilities_1`), or like a model output (`probabilities`), whose values it then
 * holds as a list.
 * @param aside names that are no predictions: keys, the row number, columns of the input
 * @throws BP_BINDING when nothing can be compared
 */
export function matchColumns(
  expected: readonly string[],
  predicted: readonly string[],
  plan: Pick<OutputPlan, "columns">,
  aliases: Readonly<Record<string, string>>,
  aside: ReadonlySet<string>,
  file: string,
): MatchedColumns {
  const compared: ComparedColumn[] = [];
  const unknown: string[] = [];
  const used = new Set<string>();
  expected.forEach((name, at) => {
    const same = plan.columns.filter((column) => column.name === name);
    const parts = same.length > 0 ? same : plan.columns.filter(({ output }) => output === name || aliases[output] === name);
    if (aside.has(name) && same.length === 0) return;
    const [first] = parts;
    if (!first) {
      unknown.push(name);
      return;
    }
    for (const part of parts) used.add(part.name);
    const positions = parts.map((part) => predicted.indexOf(part.name));
    compared.push({ name, expected: at, predicted: positions, float: isFloatType(first.type) });
  });
  const unchecked = plan.columns.map(({ name }) => name).filter((name) => !used.has(name));
  if (compared.length > 0) return { compared, unknown, unchecked };
  const near = unknown.flatMap((name) => suggest(name, unchecked).map((other) => `rename "${name}" to "${other}"?`));
  throw new BatchPredictError("BP_BINDING", "none of the expected columns is a prediction of the model", {
    where: { file },
    expected: `columns named like predictions: ${shown(unchecked)}`,
    actual: shown(expected),
    hints: [...near, "name the columns as `batchpredict plan` shows them, or like the model's outputs"],
  });
}

function shown(names: readonly string[]): string {
  return names.length > 10 ? `${names.slice(0, 10).join(", ")}, ... (${names.length})` : names.join(", ") || "none";
}
