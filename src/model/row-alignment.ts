import { BatchPredictError } from "../core/errors.ts";

/** What `checkRowAlignment` looks at: any tensor, by the model's output names. */
export interface ShapedOutput {
  dims: readonly number[];
}

/**
 * A prediction belongs to its row only if every output has one entry per row. To be asked with the result of more than one row where the
 * model takes more than one: a result of shape [1] for one row proves nothing.
 * @param rows rows that were given to the call
 * @throws BP_MODEL_ROWS naming the first output in name order of the record that breaks this
 */
export function checkRowAlignment(outputs: Readonly<Record<string, ShapedOutput>>, rows: number): void {
  for (const [name, { dims }] of Object.entries(outputs)) {
    if (dims[0] === rows) continue;
    const shape = `[${dims.join(", ")}]`;
    const what = dims.length === 0 ? "is one single value" : `came back with ${dims[0]} ${dims[0] === 1 ? "entry" : "entries"}`;
    throw new BatchPredictError(
      "BP_MODEL_ROWS",
      `output "${name}" ${what} for ${rows} ${rows === 1 ? "row" : "rows"}, so predictions cannot be matched to rows`,
      {
        expected: dims.length === 0 ? `shape [${rows}]` : `shape [${[rows, ...dims.slice(1)].join(", ")}]`,
        actual: `shape ${shape}`,
        hints: [
          "leave it out with --outputs if other outputs follow the rows",
          "export the model so that the first dimension of every output is the batch",
        ],
      },
    );
  }
}
