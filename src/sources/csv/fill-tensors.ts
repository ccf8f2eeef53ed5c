/** Cells of whole records -> the tensors of a binding plan, by the table of text values. Clean rows cost one call per cell. */
import type { BindingPlan, BoundColumn } from "../../core/binding-plan.ts";
import type { TensorData, ValueCount } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import { allocateTensor, type TensorArray, type TensorType } from "../../core/tensor-types.ts";
import {
  CELL_BAD,
  CELL_INEXACT,
  CELL_MISSING,
  CELL_OK,
  CELL_OVERFLOW,
  type CellStatus,
  type CellWriter,
  cellWriter,
  expectedText,
  type TextRules,
} from "../../values/text-cells.ts";

/** A cell that its tensor cannot take. */
export interface BadCell {
  row: number;
  column: string;
  index: number;
  input: string;
  type: TensorType;
  text: string;
  missing: boolean;
}

/** One element of a row of one tensor: where its cell comes from and how its text is read. */
export interface Slot {
  input: string;
  type: TensorType;
  column: BoundColumn;
  tensor: number;
  offset: number;
  stride: number;
  write: CellWriter;
  /** One element to copy for a missing cell, or null: reject. */
  fill: TensorArray | null;
  /** The user gave this value; a string input otherwise keeps an empty cell as the empty text. */
  given: boolean;
}

export interface Filled {
  tensors: TensorData[];
  bad: BadCell[];
  counts: ValueCount[];
}

/** Rows per pass over the columns: their records stay in cache. */
const BLOCK_ROWS = 256;

/** What became of cells that were not plain values, per slot. */
export interface SlotTallies {
  missing: Float64Array;
  overflow: Float64Array;
  inexact: Float64Array;
}

export class TensorFiller {
  /** In the order of the plan's inputs and their columns. */
  readonly slots: readonly Slot[];
  private readonly plan: BindingPlan;

  /** @throws BP_BINDING for list bindings, BP_CONFIG for a missing-value text that is none of the input's type */
  constructor(plan: BindingPlan, rules: TextRules) {
    this.plan = plan;
    const slots: Slot[] = [];
    for (const [tensor, input] of plan.inputs.entries()) {
      if (input.from.kind === "list") {
        throw new BatchPredictError("BP_BINDING", `model input "${input.input}" is bound to a list, which CSV columns are not`, {
          where: { column: input.from.column.name },
          hints: [`bind one column per element with --bind ${input.input}=COLS`],
        });
      }
      const write = cellWriter(input.type, rules);
      for (const [offset, column] of input.from.columns.entries()) {
        const given = typeof column.missing === "object";
        const fill = missingValue(input.input, input.type, column, rules);
        slots.push({
          input: input.input,
          type: input.type,
          column,
          tensor,
          offset,
          stride: input.rowSize,
          write,
          fill,
          given,
        });
      }
    }
    this.slots = slots;
  }

  tallies(): SlotTallies {
    const zeros = (): Float64Array => new Float64Array(this.slots.length);
    return { missing: zeros(), overflow: zeros(), inexact: zeros() };
  }

  /** What follows a writer's status other than CELL_OK. @returns false for a cell that its row must be rejected for */
  settle(s: number, status: CellStatus, text: string, out: TensorArray, at: number, tallies: SlotTallies): boolean {
    const slot = this.slots[s]!;
    if (status === CELL_OVERFLOW) tallies.overflow[s]!++;
    else if (status === CELL_INEXACT) tallies.inexact[s]!++;
    else if (status === CELL_MISSING && slot.fill !== null) {
      out[at] = slot.fill[0]!;
      tallies.missing[s]!++;
    } else if (slot.type === "string" && text === "" && !slot.given) out[at] = "";
    else return false;
    return true;
  }

  /** @param records all as wide as the header; where `bad` is not empty the tensors are not to be used */
  fill(records: readonly (readonly string[])[]): Filled {
    const rows = records.length;
    const tensors = this.plan.inputs.map(({ input, type, rowSize }) => ({
      input,
      type,
      data: allocateTensor(type, rows * rowSize),
    }));
    const bad = new Map<number, BadCell>();
    const tallies = this.tallies();
    for (let from = 0; from < rows; from += BLOCK_ROWS) {
      const to = Math.min(rows, from + BLOCK_ROWS);
      for (const [s, slot] of this.slots.entries()) {
        const { write, stride, offset } = slot;
        const { index } = slot.column;
        const out = tensors[slot.tensor]!.data;
        for (let row = from; row < to; row++) {
          const at = row * stride + offset;
          const text = records[row]![index]!;
          const status = write(text, out, at);
          if (status === CELL_OK) continue;
          if (!this.settle(s, status, text, out, at, tallies) && !bad.has(row)) {
            bad.set(row, badCell(slot, row, text, status === CELL_MISSING));
          }
        }
      }
    }
    return { tensors, bad: [...bad.values()], counts: this.countsOf(tallies) };
  }

  /** A column bound to several inputs counts once. */
  countsOf(tallies: SlotTallies): ValueCount[] {
    const counts = new Map<string, ValueCount>();
    for (const kind of ["missing", "overflow", "inexact"] as const) {
      for (const [s, slot] of this.slots.entries()) {
        const count = tallies[kind][s]!;
        if (count === 0) continue;
        const column = slot.column.name;
        const key = `${kind} ${column}`;
        counts.set(key, { column, kind, count: Math.max(count, counts.get(key)?.count ?? 0) });
      }
    }
    return [...counts.values()];
  }
}

function badCell(slot: Slot, row: number, text: string, missing: boolean): BadCell {
  return { row, column: slot.column.name, index: slot.column.index, input: slot.input, type: slot.type, text, missing };
}

function missingValue(input: string, type: TensorType, column: BoundColumn, rules: TextRules): TensorArray | null {
  const { missing } = column;
  if (missing === "reject") return null;
  const text = missing === "nan" ? "nan" : missing.value;
  const one = allocateTensor(type, 1);
  if (missing === "nan" && type === "string") return null;
  const status = cellWriter(type, { nullValues: [], decimal: missing === "nan" ? "." : rules.decimal })(text, one, 0);
  if (status !== CELL_BAD && status !== CELL_MISSING) return one;
  throw new BatchPredictError(
    "BP_CONFIG",
    `the value "${text}" for missing cells cannot be read as ${type} for model input "${input}"`,
    {
      where: { column: column.name },
      expected: expectedText(type, rules.decimal),
      hints: ["give another --missing value, or reject such rows with --missing reject"],
    },
  );
}
