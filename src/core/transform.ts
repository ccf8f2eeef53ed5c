/**
 * The preprocessing hook of a job file: `transform: ./features.mjs`, a module whose default export is a `Transform`.
 *
 * It runs inside the predict workers, between reading and binding, once per chunk of rows (some thousands), in no fixed order and in
 * several threads: it must not count on state from one call to the next. Model inputs are bound to the columns it gives back.
 */

/** Columns as they are given, one element per row. A missing number is NaN, everything else missing is null. */
export type TransformInput =
  /** Numbers of every type. A 64-bit integer beyond 2^53 is refused here: see `bigints`. */
  | Float64Array
  /** Texts; also dates, times, structs and whatever else is no number, in the form that a CSV output would show. */
  | (string | null)[]
  | (boolean | null)[]
  /** Lists of numbers; a missing list is null. */
  | (Float64Array | null)[];

/**
 * Columns that may come back. Typed arrays keep their type; `number[]` becomes float64, `bigint[]` int64, arrays of arrays lists.
 * null and undefined are missing values.
 */
export type TransformOutput =
  | Float64Array
  | Float32Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | readonly (string | null | undefined)[]
  | readonly (number | null | undefined)[]
  | readonly (bigint | null | undefined)[]
  | readonly (boolean | null | undefined)[]
  | readonly (Float32Array | Float64Array | readonly number[] | null | undefined)[];

export interface TransformBatch {
  readonly rows: number;
  /** Every column of the input by name, read when it is first looked at. */
  readonly columns: Record<string, TransformInput>;
  /** A column of 64-bit integers, exact. */
  bigints(column: string): (bigint | null)[];
}

export interface TransformedBatch {
  /** When given, must be that of the batch: rows are neither added nor dropped. */
  readonly rows?: number;
  /** New and changed columns, the same ones from every call. Columns of the input that are not among them stay as they are. */
  readonly columns: Readonly<Record<string, TransformOutput>>;
}

/**
 * An error thrown with a `row` (position in the batch, from 0) is that row's: it fails the run with its place in the input, or is put
 * aside under `--on-error reject`. Any other error fails the run.
 */
export type Transform = (batch: TransformBatch) => TransformedBatch | Promise<TransformedBatch>;

/** The module, as it goes to workers. */
export interface TransformFile {
  /** Absolute. */
  path: string;
  /** Hex: of the module alone, or, where it imports files by relative paths, of it and them. */
  sha256: string;
  /** Absolute paths of those files, theirs included, sorted. */
  imports: string[];
}

/** Element types of columns that the module makes. */
export type MadeType =
  | "float64"
  | "float32"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "text"
  | "bool"
  | "list<float32>"
  | "list<float64>";

/** A column behind the transform, learned from the first rows; `source`: one of the input, in the type that it has there. */
export interface TransformedColumn {
  name: string;
  type: MadeType | "source";
  /** Elements per list where all lists of the sample have as many, else null. */
  listSize: number | null;
}
