/** Rows of a chunk that cannot become tensor values, one reject per row: that of the leftmost column. */
import type { BindingPlan, BoundColumn, InputBinding } from "../core/binding-plan.ts";
import type { ChunkReject } from "../core/chunk.ts";
import { expectedText } from "./text-cells.ts";

const MAX_SHOWN = 60;

export class RowRejects {
  private readonly found = new Map<number, ChunkReject>();
  private lowest = Number.POSITIVE_INFINITY;

  constructor(
    private readonly rows: number,
    private readonly onError: BindingPlan["onError"],
  ) {}

  /** @param actual the value as text; null: it is missing */
  cell(row: number, column: BoundColumn, input: InputBinding, actual: string | null): void {
    if (!this.wanted(row, column)) return;
    const shown = actual === null ? "null" : shorten(actual);
    const message =
      actual === null
        ? `column "${column.name}" is empty, and model input "${input.input}" (${input.type}) takes no missing values`
        : `cannot read "${shown}" as ${input.type} for model input "${input.input}"`;
    const hints =
      actual === null
        ? ["say what a missing value becomes with --missing VALUE, or put bad rows aside with --on-error reject"]
        : ["put bad rows aside with --on-error reject"];
    this.add(row, column, message, expectedText(input.type), shown, hints);
  }

  listSize(row: number, column: BoundColumn, input: InputBinding, size: number): void {
    if (!this.wanted(row, column)) return;
    const shape = `[${input.rowShape.join(", ")}]`;
    const message = `the list in column "${column.name}" has ${size} elements, but model input "${input.input}" takes ${input.rowSize} per row (shape ${shape})`;
    this.add(row, column, message, `${input.rowSize} elements`, `${size} elements`, [
      "put bad rows aside with --on-error reject",
    ]);
  }

  /** Positions of the rows without a reject, ascending; null when there are no rejects. */
  goodRows(): Uint32Array | null {
    if (this.found.size === 0) return null;
    const good = new Uint32Array(this.rows - this.found.size);
    for (let row = 0, at = 0; row < this.rows; row++) if (!this.found.has(row)) good[at++] = row;
    return good;
  }

  inOrder(): ChunkReject[] {
    return [...this.found.values()].sort((a, b) => a.rowInChunk - b.rowInChunk);
  }

  /** When the first bad row ends the run, only rows before the lowest one so far matter. */
  private wanted(row: number, column: BoundColumn): boolean {
    if (this.onError === "fail" && row > this.lowest) return false;
    const known = this.found.get(row);
    return known === undefined || known.columnIndex! > column.index + 1;
  }

  private add(row: number, column: BoundColumn, message: string, expected: string, actual: string, hints: string[]): void {
    this.lowest = Math.min(this.lowest, row);
    this.found.set(row, {
      rowInChunk: row,
      lineInChunk: null,
      byte: null,
      column: column.name,
      columnIndex: column.index + 1,
      code: "BP_SOURCE_CELL",
      message,
      expected,
      actual,
      hints,
      raw: null,
    });
  }
}

function shorten(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
}
