/** Predictions against what was expected, row by row, by key or by place. Pure but for reading cells. */
import { BatchPredictError } from "../core/errors.ts";
import type { Cell } from "./cell-values.ts";
import { elements, floatDifference, isSame, type Tolerances } from "./compare-cells.ts";
import type { ComparedColumn } from "./match-columns.ts";
import type { Table } from "./read-table.ts";

/** Rows that are shown, worst first. */
const WORST_ROWS = 10;

export interface WorstRow {
  /** 0-based row of the expected file. */
  row: number;
  key: Record<string, string> | null;
  column: string;
  expected: string;
  actual: string;
  difference: number;
}

export interface ColumnComparison {
  name: string;
  kind: "float" | "exact";
  compared: number;
  mismatches: number;
  max_abs_difference: number;
  max_rel_difference: number;
}

export interface TableComparison {
  rows: { expected: number; compared: number; missing: number; extra: number };
  columns: ColumnComparison[];
  /** Rows in which a column that must be equal is not. */
  label_mismatches: number;
  worst: WorstRow[];
}

export interface Alignment {
  /** Columns of both tables that identify a row; null: by place. */
  key: { names: string[]; expected: number[]; predicted: number[] } | null;
  /** By place: the predicted column that says which input row it is. */
  rowColumn: number;
  /** By place: the expected rows that count, end exclusive. */
  range: { start: number; end: number };
  /** Only a part of the input was scored: by key, expected rows of the rest are not missing. */
  partial: boolean;
}

/** @throws BP_CONFIG when a key stands twice */
export function compareTables(
  expected: Table,
  predicted: Table,
  columns: readonly ComparedColumn[],
  align: Alignment,
  tolerances: Tolerances,
): TableComparison {
  const find = align.key ? byKey(expected, align.key.expected, align.key.names) : null;
  const stats = columns.map(
    ({ name, float }): ColumnComparison => ({
      name,
      kind: float ? "float" : "exact",
      compared: 0,
      mismatches: 0,
      max_abs_difference: 0,
      max_rel_difference: 0,
    }),
  );
  const worst: (WorstRow & { excess: number })[] = [];
  const note = (excess: number, row: WorstRow): void => {
    if (worst.length === WORST_ROWS && worst.at(-1)!.excess >= excess) return;
    worst.push({ ...row, excess });
    worst.sort((a, b) => b.excess - a.excess);
    worst.length = Math.min(worst.length, WORST_ROWS);
  };
  const met = new Set<number>();
  let extra = 0;
  let labels = 0;
  for (let row = 0; row < predicted.rows; row++) {
    const place = find ? find(keyOf(predicted, align.key!.predicted, row)) : Number(predicted.cell(align.rowColumn, row));
    if (place === undefined || place >= expected.rows || met.has(place)) {
      extra++;
      continue;
    }
    met.add(place);
    const key = align.key ? named(align.key.names, predicted, align.key.predicted, row) : null;
    let otherLabel = false;
    columns.forEach(({ name, expected: at, predicted: from, float }, k) => {
      const wanted = elements(expected.cell(at, place));
      const got = from.flatMap((column) => elements(predicted.cell(column, row)));
      const found = compareRow(got, wanted, float, tolerances, stats[k]!);
      if (found.excess <= 1) return;
      stats[k]!.mismatches++;
      otherLabel ||= !float;
      const shown = { expected: text(wanted, found.at), actual: text(got, found.at), difference: found.difference };
      const element = wanted.length > 1 || got.length > 1 ? `${name}[${found.at}]` : name;
      note(found.excess, { row: place, key, column: element, ...shown });
    });
    if (otherLabel) labels++;
  }
  const wantedRows = align.key
    ? align.partial
      ? met.size
      : expected.rows
    : Math.max(0, Math.min(expected.rows, align.range.end) - align.range.start);
  return {
    rows: { expected: wantedRows, compared: met.size, missing: wantedRows - met.size, extra },
    columns: stats,
    label_mismatches: labels,
    worst: worst.map(({ excess: _, ...row }) => row),
  };
}

interface Found {
  at: number;
  difference: number;
  excess: number;
}

/** The worst element of the row. */
function compareRow(got: Cell[], wanted: Cell[], float: boolean, tolerances: Tolerances, stats: ColumnComparison): Found {
  stats.compared++;
  if (got.length !== wanted.length) {
    return { at: Math.min(got.length, wanted.length), difference: Number.POSITIVE_INFINITY, excess: Number.POSITIVE_INFINITY };
  }
  let worst: Found = { at: 0, difference: 0, excess: 0 };
  wanted.forEach((value, at) => {
    if (!float) {
      // Just beyond the border: any label comes behind floats that are twice as far off as allowed.
      if (worst.excess === 0 && !isSame(got[at]!, value)) worst = { at, difference: 1, excess: 2 };
      return;
    }
    const { difference, excess } = floatDifference(got[at]!, value, tolerances);
    stats.max_abs_difference = Math.max(stats.max_abs_difference, difference);
    stats.max_rel_difference = Math.max(stats.max_rel_difference, difference / Math.max(1, Math.abs(Number(value)) || 0));
    if (excess > worst.excess) worst = { at, difference, excess };
  });
  return worst;
}

function byKey(table: Table, columns: readonly number[], names: readonly string[]): (key: string) => number | undefined {
  const places = new Map<string, number>();
  for (let row = 0; row < table.rows; row++) {
    const key = keyOf(table, columns, row);
    const first = places.get(key);
    if (first !== undefined) {
      throw new BatchPredictError("BP_CONFIG", `--key ${names.join(",")} does not identify a row: ${key} stands twice`, {
        where: { file: table.path, row },
        actual: `rows ${first} and ${row}`,
        hints: ["add columns to --key until every row has a key of its own", "or compare by place: leave --key out"],
      });
    }
    places.set(key, row);
  }
  return (key) => places.get(key);
}

function keyOf(table: Table, columns: readonly number[], row: number): string {
  return JSON.stringify(columns.map((column) => keyText(table.cell(column, row))));
}

function named(names: readonly string[], table: Table, columns: readonly number[], row: number): Record<string, string> {
  return Object.fromEntries(names.map((name, at) => [name, keyText(table.cell(columns[at]!, row)) ?? "null"]));
}

/** 1, 1n and "1" are one key; a missing one is its own. */
function keyText(cell: Cell): string | null {
  return cell === null ? null : String(cell);
}

function text(values: readonly Cell[], at: number): string {
  const value = values[at];
  return value === undefined ? `nothing (${values.length} values)` : String(value);
}
