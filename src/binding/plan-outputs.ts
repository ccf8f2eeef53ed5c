/** Results -> output columns, by the shapes the model really gave (the declared ones are not trusted). Pure. */
import { BatchPredictError, type WireError } from "../core/errors.ts";
import type { ModelOutput, ModelSignature } from "../core/model-signature.ts";
import type { OutputPlan, PredictionColumn } from "../core/output-plan.ts";
import type { RunSettings } from "../core/settings.ts";
import { suggest } from "../core/suggest.ts";
import type { TensorType } from "../core/tensor-types.ts";
import { own } from "./own.ts";
import { product } from "./row-shape.ts";

/** Beyond this many values per row a list is more use than columns (contract: K > 64). */
export const MAX_SCALAR_COLUMNS = 64;

export interface ProbedOutput {
  type: TensorType;
  /** Shape of one row, behind the batch axis. */
  rowShape: number[];
}

/**
 * @param probed per output name, what the runtime returned for the first rows
 * @param kept names already taken, in the output's order
 * @param foldCase SQLite's column names do not tell case apart
 */
export function planOutputs(
  signature: ModelSignature,
  probed: Record<string, ProbedOutput>,
  kept: readonly string[],
  settings: Pick<RunSettings, "outputs">,
  foldCase: boolean,
): OutputPlan {
  const wanted = chooseOutputs(signature, settings);
  const fold = (name: string): string => (foldCase ? name.toLowerCase() : name);
  const taken = new Set(kept.map(fold));
  const claim = (name: string): string => {
    let free = name;
    while (taken.has(fold(free))) free = `pred_${free}`;
    taken.add(fold(free));
    return free;
  };
  const rowColumn = kept.length === 0 ? claim("row") : null;
  const columns: PredictionColumn[] = [];
  const outputs: OutputPlan["outputs"] = [];
  for (const { output, alias } of wanted) {
    const shape = own(probed, output.name);
    if (!shape) continue;
    const rowSize = product(shape.rowShape);
    outputs.push({ output: output.name, type: shape.type, rowSize });
    for (const part of columnsOf(output, alias ?? output.name, shape, rowSize)) columns.push({ ...part, name: claim(part.name) });
  }
  return { outputs, columns, rowColumn };
}

/** Names of the model outputs to write; others are never computed. @throws BP_BINDING for names the model does not give */
export function outputNames(signature: ModelSignature, settings: Pick<RunSettings, "outputs">): string[] {
  return [...new Set(chooseOutputs(signature, settings).map(({ output }) => output.name))];
}

function columnsOf(output: ModelOutput, name: string, { type, rowShape }: ProbedOutput, rowSize: number): PredictionColumn[] {
  const column = { output: output.name, type, listSize: rowSize };
  if (rowShape.length > 1 || rowSize > MAX_SCALAR_COLUMNS || rowSize === 0) return [{ ...column, name, element: null }];
  const labels = output.labels && output.labels.length === rowSize ? output.labels : null;
  if (rowSize === 1 && !(labels && output.zipMap)) return [{ ...column, name, element: 0 }];
  return Array.from({ length: rowSize }, (_, element) => ({
    ...column,
    name: `${name}_${labels?.[element] ?? element}`,
    element,
  }));
}

function chooseOutputs(
  signature: ModelSignature,
  settings: Pick<RunSettings, "outputs">,
): { output: ModelOutput; alias: string | null }[] {
  if (!settings.outputs) return signature.outputs.map((output) => ({ output, alias: null }));
  const problems: WireError[] = [];
  const names = signature.outputs.map((output) => output.name);
  const chosen = settings.outputs.flatMap(({ name, alias }) => {
    const output = signature.outputs.find((known) => known.name === name);
    if (output) return [{ output, alias }];
    problems.push({
      code: "BP_BINDING",
      message: `--outputs names "${name}", which the model does not give`,
      expected: `one of: ${names.map((known) => `"${known}"`).join(", ")}`,
      hints: suggest(name, names).map((known) => `did you mean "${known}"?`),
    });
    return [];
  });
  const [first] = problems;
  if (!first) return chosen;
  const { code, message, ...details } = first;
  if (problems.length === 1) throw new BatchPredictError(code, message, details);
  throw new BatchPredictError(code, `--outputs names ${problems.length} outputs that the model does not give`, { problems });
}
