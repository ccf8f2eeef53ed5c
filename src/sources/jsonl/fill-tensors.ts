/**
 * JSON values -> the tensors of a binding plan, by the table of values (values/text-cells.ts):
 *
 * | from \ to | float | int, uint | bool | string |
 * |---|---|---|---|---|
 * | number | nearest; overflow counted, whole numbers that are rounded too | whole (`1e3`, `3.0`) and in range, else rejected | 0 or 1 | rejected |
 * | `true`, `false` | 1, 0 | 1, 0 | as it is | rejected |
 * | string | by the text table of CSV cells; a null value ("" or --null-values) is missing | the same | the same | as it is |
 * | null, no key | missing | missing | missing | missing |
 * | array | an input of several elements per row: flattened, element by element | the same | the same | the same |
 */
import type { BindingPlan, BoundColumn, InputBinding } from "../../core/binding-plan.ts";
import type { TensorData, ValueCount } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import { allocateTensor, type TensorArray } from "../../core/tensor-types.ts";
import type { RowRejects } from "../../values/arrow-rejects.ts";
import {
  CELL_BAD,
  CELL_INEXACT,
  CELL_MISSING,
  CELL_OK,
  CELL_OVERFLOW,
  type CellStatus,
  cellWriter,
  expectedText,
} from "../../values/text-cells.ts";
import { wholeDigits } from "./json-numbers.ts";
import type { JsonColumn } from "./rows.ts";
import { ABSENT, ARRAY, BOOL, type JsonKind, JsonScanner, NUMBER, STRING } from "./scan-json.ts";

interface Counts {
  missing: number;
  overflow: number;
  inexact: number;
}

/** Writes one element; what becomes of a missing one included. */
type ElementWriter = (kind: JsonKind, text: string, at: number) => CellStatus;

export interface FillContext {
  /** Of the user; empty when none were given. */
  nullValues: readonly string[] | null;
  rows: number;
  /** Column index in the source -> its values. */
  column(index: number): JsonColumn;
  rejects: RowRejects;
}

/** Where rows were rejected, their elements are unspecified. */
export function fillTensors(plan: BindingPlan, context: FillContext): { tensors: TensorData[]; counts: ValueCount[] } {
  const counts = new Map<string, Counts>();
  const tensors = plan.inputs.map((input): TensorData => {
    const data = allocateTensor(input.type, context.rows * input.rowSize);
    if (input.from.kind === "list") fillList(input, input.from.column, data, context, counts);
    else for (const [offset, column] of input.from.columns.entries()) fillColumn(input, column, offset, data, context, counts);
    return { input: input.input, type: input.type, data };
  });
  return { tensors, counts: valueCounts(counts) };
}

function fillColumn(
  input: InputBinding,
  column: BoundColumn,
  offset: number,
  out: TensorArray,
  context: FillContext,
  counts: Map<string, Counts>,
): void {
  const { kinds, texts } = context.column(column.index);
  const write = elementWriter(input, column, out, context.nullValues, countsOf(counts, column.name));
  for (let row = 0; row < context.rows; row++) {
    const status = write(kinds[row]!, texts[row]!, row * input.rowSize + offset);
    if (status !== CELL_OK)
      context.rejects.cell(row, column, input, status === CELL_MISSING ? null : shown(kinds[row]!, texts[row]!));
  }
}

function fillList(
  input: InputBinding,
  column: BoundColumn,
  out: TensorArray,
  context: FillContext,
  counts: Map<string, Counts>,
): void {
  const { kinds, texts } = context.column(column.index);
  const { rowSize } = input;
  const own = countsOf(counts, column.name);
  const write = elementWriter(input, column, out, context.nullValues, own);
  const scanner = new JsonScanner();
  for (let row = 0; row < context.rows; row++) {
    const first = row * rowSize;
    const kind = kinds[row]!;
    if (kind === ABSENT) {
      const before = own.missing;
      let status: CellStatus = CELL_OK;
      for (let k = 0; k < rowSize && status === CELL_OK; k++) status = write(ABSENT, "", first + k);
      if (status !== CELL_OK) context.rejects.cell(row, column, input, null);
      else own.missing = before + 1;
      continue;
    }
    if (kind !== ARRAY) {
      context.rejects.cell(row, column, input, shown(kind, texts[row]!));
      continue;
    }
    let size = 0;
    let bad: string | null | undefined;
    scanner.elements(texts[row]!, (element, text) => {
      if (size < rowSize && bad === undefined) {
        const status = write(element, text, first + size);
        if (status !== CELL_OK) bad = status === CELL_MISSING ? null : shown(element, text);
      }
      size++;
    });
    if (size !== rowSize) context.rejects.listSize(row, column, input, size);
    else if (bad !== undefined) context.rejects.cell(row, column, input, bad);
  }
}

function elementWriter(
  input: InputBinding,
  column: BoundColumn,
  out: TensorArray,
  nullValues: readonly string[] | null,
  counts: Counts,
): ElementWriter {
  const { type } = input;
  const exact = cellWriter(type, { nullValues: [], decimal: "." });
  const loose = cellWriter(type, { nullValues: nullValues ?? (type === "string" ? [] : [""]), decimal: "." });
  const whole = !type.startsWith("float");
  const fill = missingValue(input, column);
  const missing = (at: number): CellStatus => {
    if (fill === null) return CELL_MISSING;
    out[at] = fill[0]!;
    counts.missing++;
    return CELL_OK;
  };
  const settle = (status: CellStatus, at: number): CellStatus => {
    if (status === CELL_MISSING) return missing(at);
    if (status === CELL_OVERFLOW) counts.overflow++;
    else if (status === CELL_INEXACT) counts.inexact++;
    else return status;
    return CELL_OK;
  };
  return (kind, text, at) => {
    switch (kind) {
      case ABSENT:
        return missing(at);
      case STRING:
        return settle(loose(text, out, at), at);
      case NUMBER:
        if (type === "string") return CELL_BAD;
        if (whole) {
          const digits = wholeDigits(text);
          return digits === null ? CELL_BAD : exact(digits, out, at);
        }
        return settle(exact(text, out, at), at);
      case BOOL:
        return type === "string" ? CELL_BAD : exact(text, out, at);
      default:
        return CELL_BAD;
    }
  };
}

/** One element to copy, or null: such rows are rejected. */
function missingValue({ input, type }: InputBinding, { name, missing }: BoundColumn): TensorArray | null {
  if (missing === "reject" || (missing === "nan" && type === "string")) return null;
  const one = allocateTensor(type, 1);
  const text = missing === "nan" ? "nan" : missing.value;
  const status = cellWriter(type, { nullValues: [], decimal: "." })(text, one, 0);
  if (status !== CELL_BAD && status !== CELL_MISSING) return one;
  throw new BatchPredictError(
    "BP_CONFIG",
    `the value "${text}" for missing values cannot be read as ${type} for model input "${input}"`,
    {
      where: { column: name },
      expected: expectedText(type),
      hints: ["give another --missing value, or reject such rows with --missing reject"],
    },
  );
}

/** As it stands in the file. */
function shown(kind: JsonKind, text: string): string {
  return kind === STRING ? JSON.stringify(text) : text;
}

function countsOf(counts: Map<string, Counts>, column: string): Counts {
  let found = counts.get(column);
  if (found === undefined) {
    found = { missing: 0, overflow: 0, inexact: 0 };
    counts.set(column, found);
  }
  return found;
}

function valueCounts(counts: ReadonlyMap<string, Counts>): ValueCount[] {
  return [...counts].flatMap(([column, of]) =>
    (["missing", "overflow", "inexact"] as const)
      .filter((kind) => of[kind] > 0)
      .map((kind): ValueCount => ({ column, kind, count: of[kind] })),
  );
}
