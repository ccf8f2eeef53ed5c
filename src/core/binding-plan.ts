/**
 * The binding as data: which source column feeds which element of which model input, and which columns are kept.
 * Made once by `binding/`, obeyed by every source. JSON-able, so it travels to workers (and later to machines).
 */
import type { TensorType } from "./tensor-types.ts";

/** What a missing value becomes: NaN (floats), a rejected row, or a number/text given by the user. */
export type MissingPolicy = "nan" | "reject" | { value: string };

export interface BoundColumn {
  name: string;
  /** Position in the source's schema, 0-based. */
  index: number;
  missing: MissingPolicy;
}

/** One model input that is fed from the data. A row contributes `rowSize` elements, row-major in `rowShape`. */
export interface InputBinding {
  input: string;
  type: TensorType;
  /** Shape of one row behind the batch axis; `[]` for an input of rank 1. */
  rowShape: number[];
  /** Product of rowShape. */
  rowSize: number;
  /**
   * `columns`: exactly rowSize columns, element k of a row comes from columns[k].
   * `list`: one list column whose every value has rowSize elements (nested lists count flattened).
   */
  from: { kind: "columns"; columns: BoundColumn[] } | { kind: "list"; column: BoundColumn };
}

/** A model input with the same value for every row. */
export interface ConstantBinding {
  input: string;
  type: TensorType;
  /** Shape of the tensor as the model declares it; a dynamic first dimension is repeated per row when `perRow`. */
  shape: number[];
  perRow: boolean;
  /** Elements as text, parsed by the same table as a CSV cell; one value is broadcast. */
  values: string[];
}

/** How a kept text column comes out: its source type (Arrow, Parquet), or what the sample of a CSV proves. */
export type KeptType = "source" | "utf8" | "int64" | "float64" | "bool";

export interface KeptColumn {
  /** Name in the output. */
  name: string;
  column: string;
  index: number;
  type: KeptType;
}

export interface BindingPlan {
  inputs: InputBinding[];
  constants: ConstantBinding[];
  keep: KeptColumn[];
  /** Rows that fail: `fail` lets a source stop at the chunk's first bad row, `reject` puts them aside and goes on. */
  onError: "fail" | "reject";
}
