/** How results become output columns; made once after the probe, obeyed by workers and sinks. */
import type { TensorType } from "./tensor-types.ts";

/** One written column of predictions. */
export interface PredictionColumn {
  name: string;
  /** Model output it comes from. */
  output: string;
  type: TensorType;
  /** Element of the row this column takes, or null: the whole row as a list of `listSize`. */
  element: number | null;
  listSize: number;
}

export interface OutputPlan {
  /** Model outputs to fetch, in the session's names. */
  outputs: { output: string; type: TensorType; rowSize: number }[];
  columns: PredictionColumn[];
  /** Write `row`, the 0-based input row (int64), because no column is kept. Workers fill it with the row in the chunk, the sink adds the base. */
  rowColumn: string | null;
}
