/** One call of the user's function on the rows of a chunk, and what comes of it: columns, and rows that it refuses. */
import { type Data, Field } from "apache-arrow";
import type { SourceColumn } from "../core/source.ts";
import type { Transform, TransformedColumn, TransformOutput } from "../core/transform.ts";
import { describeArrowColumn } from "../values/arrow-columns.ts";
import { takeRows } from "../values/arrow-take.ts";
import { BatchView } from "./batch-view.ts";
import { listSizeOf, makeColumn, typeOf, typeOfSource } from "./made-columns.ts";
import { RowFault as Fault, lineIn, messageOf, type RowFault, rowFaultOf, transformError } from "./transform-error.ts";

/** A module that refuses more rows of one chunk does not fit the data: every refusal costs another call. */
const MAX_REFUSED = 1000;

export interface StepInput {
  /** Columns of the input, plain (no dictionaries), all of `rows` elements. */
  data: ReadonlyMap<string, Data>;
  rows: number;
}

export interface StepResult {
  /** One per learned column, same order. */
  data: Data[];
  rows: number;
  /** Position in the input's rows of each row; null: all are there. */
  kept: Uint32Array | null;
  /** With positions in the input's rows. */
  faults: RowFault[];
}

export interface Learned {
  columns: TransformedColumn[];
  /** The same as binding sees them. */
  described: SourceColumn[];
}

type Returned = Record<string, TransformOutput>;

export class TransformStep {
  readonly #transform: Transform;
  readonly #path: string;

  constructor(transform: Transform, path: string) {
    this.#transform = transform;
    this.#path = path;
  }

  /** Which columns there are behind the transform, by one call on the first rows. @throws BP_TRANSFORM */
  async learn(input: StepInput): Promise<Learned> {
    const { columns } = await this.#withoutRefused(input, "reject", (returned, view, rows) => ({
      columns: this.#columnsOf(returned, view, rows),
    }));
    const described = columns.map(({ name, data, listSize }, index) => {
      const column = describeArrowColumn(new Field(name, data.type, true), index);
      return listSize === null ? column : { ...column, listSize };
    });
    return { columns: columns.map(({ name, type, listSize }) => ({ name, type, listSize })), described };
  }

  /**
   * @param columns as learned
   * @param onError `fail`: one refused row is enough, the rest is not transformed
   * @throws BP_TRANSFORM for everything that is not the fault of one row
   */
  async apply(
    input: StepInput,
    columns: readonly TransformedColumn[],
    onError: "fail" | "reject",
  ): Promise<StepResult | RowFault> {
    if (input.rows === 0) return { data: this.#empty(input, columns), rows: 0, kept: null, faults: [] };
    const done = await this.#withoutRefused(input, onError, (returned, view, rows, data) => {
      const unknown = Object.keys(returned).find((name) => !columns.some((column) => column.name === name));
      if (unknown !== undefined) throw this.#changed(`column "${unknown}" came back, which the first rows did not have`);
      return {
        data: columns.map(({ name, type }) => {
          const values = returned[name];
          if (values === undefined && type === "source") return data.get(name)!;
          if (values === undefined) throw this.#changed(`column "${name}" did not come back, which the first rows had`);
          if (type === "source" && view.isUntouched(name, values)) return data.get(name)!;
          const made = type === "source" ? typeOfSource(data.get(name)!.type) : type;
          if (made === null) throw this.#changed(`column "${name}" came back changed, which a column of its type cannot`);
          this.#checkLength(name, values, rows);
          return makeColumn(name, values, made);
        }),
      };
    });
    return "refused" in done ? done.refused! : done;
  }

  async #withoutRefused<T extends object>(
    input: StepInput,
    onError: "fail" | "reject",
    use: (returned: Returned, view: BatchView, rows: number, data: ReadonlyMap<string, Data>) => T,
  ): Promise<T & { rows: number; kept: Uint32Array | null; faults: RowFault[]; refused?: RowFault }> {
    const faults: RowFault[] = [];
    let kept: Uint32Array | null = null;
    let { data, rows } = input;
    for (;;) {
      const view = new BatchView(data, rows);
      try {
        return { ...use(this.#check(await this.#transform(view.batch), rows), view, rows, data), rows, kept, faults };
      } catch (error) {
        const fault = rowFaultOf(error, rows);
        if (fault === null) throw this.#failed(error);
        const row = kept === null ? fault.row : kept[fault.row]!;
        faults.push(new Fault(row, fault.message, fault.column, fault.details));
        if (onError === "fail") return { refused: faults[0]!, rows, kept, faults } as never;
        if (faults.length > MAX_REFUSED) throw this.#tooMany(faults[0]!);
        kept = (kept ?? Uint32Array.from({ length: rows }, (_, at) => at)).filter((at) => at !== row);
        const left = kept;
        data = new Map([...input.data].map(([name, column]) => [name, takeRows(column, left)]));
        rows = left.length;
      }
    }
  }

  #check(returned: unknown, rows: number): Returned {
    const given = returned as { rows?: unknown; columns?: unknown } | null | undefined;
    const fail = (actual: string): never => {
      throw transformError("the transform returns no batch", this.#path, {
        expected: "{ columns: { NAME: array, ... } }, each array with one element per row",
        actual,
        hints: ["return the new and changed columns; the others stay as they are"],
      });
    };
    if (typeof given !== "object" || given === null) return fail(given === undefined ? "nothing" : String(given));
    const { columns } = given;
    if (typeof columns !== "object" || columns === null || Array.isArray(columns)) return fail("an object without `columns`");
    if (given.rows !== undefined && given.rows !== rows) throw this.#rowCount(`rows: ${String(given.rows)}`, rows);
    return columns as Returned;
  }

  #columnsOf(
    returned: Returned,
    view: BatchView,
    rows: number,
  ): { name: string; type: TransformedColumn["type"]; data: Data; listSize: number | null }[] {
    const sources = view.data;
    const names = [...sources.keys(), ...Object.keys(returned).filter((name) => !sources.has(name))];
    return names.map((name) => {
      const source = sources.get(name);
      const values = Object.hasOwn(returned, name) ? returned[name] : undefined;
      if (source && (values === undefined || view.isUntouched(name, values))) {
        return { name, type: "source", data: source, listSize: null };
      }
      this.#checkLength(name, values, rows);
      const again = source ? sourceAgain(name, values!, source) : null;
      if (again) return { name, type: "source", data: again, listSize: null };
      const type = typeOf(values!);
      if (type === null) {
        throw transformError(`the transform gives column "${name}" values of no known type`, this.#path, {
          expected: "a typed array, or an array of numbers, texts, booleans, bigints or lists of numbers",
          actual: rows === 0 ? "no rows" : "all of them missing, or objects, in the first rows",
          hints: ["give numbers in a Float64Array (missing: NaN): its type is known even where all is missing"],
        });
      }
      const listSize = type.startsWith("list") ? listSizeOf(values!) : null;
      return { name, type, data: makeColumn(name, values!, type), listSize };
    });
  }

  #checkLength(name: string, values: unknown, rows: number): asserts values is TransformOutput {
    const length = (values as ArrayLike<unknown> | null | undefined)?.length;
    if ((!Array.isArray(values) && !ArrayBuffer.isView(values)) || values instanceof DataView) {
      throw transformError(`the transform gives column "${name}" no array`, this.#path, {
        expected: `an array of ${rows} elements`,
        actual: values === undefined ? "undefined" : typeof values,
        hints: ["give one element per row, in the order of the rows"],
      });
    }
    if (length !== rows) throw this.#rowCount(`${length} elements in column "${name}"`, rows);
  }

  #rowCount(actual: string, rows: number): Error {
    return transformError("the transform changes the number of rows", this.#path, {
      expected: `${rows} rows, as many as were given`,
      actual,
      hints: ["keep every row, in its order; to refuse one, throw an error with its `row` and use --on-error reject"],
    });
  }

  #changed(actual: string): Error {
    return transformError("the transform gives other columns than for the first rows", this.#path, {
      actual,
      hints: ["return the same columns, in the same types, from every call"],
    });
  }

  #tooMany(first: RowFault): Error {
    return transformError("the transform refuses too many rows of one chunk", this.#path, {
      expected: `at most ${MAX_REFUSED}`,
      actual: `the first: ${first.message}`,
      hints: ["it does not fit this data; give such rows missing values instead of refusing them"],
    });
  }

  #failed(error: unknown): unknown {
    if ((error as { code?: unknown } | null)?.code === "BP_TRANSFORM") return error;
    const line = lineIn(error, this.#path);
    const bigint = error instanceof TypeError && /BigInt/.test(error.message);
    return transformError(`the transform failed: ${messageOf(error)}`, this.#path, {
      ...(line === null ? {} : { where: { line } }),
      actual: error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`,
      hints: [
        ...(bigint ? ["64-bit integers read by bigints() are BigInt: Number(x) makes a number of one"] : []),
        "to refuse a single row, throw an error with its position: Object.assign(new Error(text), { row })",
      ],
      cause: error,
    });
  }

  #empty({ data }: StepInput, columns: readonly TransformedColumn[]): Data[] {
    return columns.map(({ name, type }) => (type === "source" ? data.get(name)! : makeColumn(name, [], type)));
  }
}

/** A changed column of the input keeps its type where that holds the new values. */
function sourceAgain(name: string, values: TransformOutput, source: Data): Data | null {
  const type = typeOfSource(source.type);
  if (type === null) return null;
  try {
    return makeColumn(name, values, type);
  } catch {
    return null;
  }
}
