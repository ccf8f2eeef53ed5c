/** A slow, obvious way from a CSV to tensors, for comparing predictions: no product code takes part. */
import { readFileSync } from "node:fs";
import { parse } from "csv-parse/sync";
import { allocateTensor, type TensorArray, type TensorType } from "../../src/core/tensor-types.ts";
import type { About } from "./material.ts";

export interface Table {
  columns: string[];
  rows: string[][];
}

export function readTable(path: string): Table {
  const [columns, ...rows] = parse(readFileSync(path), { bom: true, relax_column_count: false }) as string[][];
  return { columns: columns ?? [], rows };
}

/** The batch axis comes first; a row's elements follow in `columns` order. */
export function tensorData(
  table: Table,
  input: About["inputs"][number],
  type: TensorType,
  rowStart: number,
  rowEnd: number,
): TensorArray {
  const places = input.columns.map((column) => table.columns.indexOf(column));
  if (places.includes(-1)) throw new Error(`a column of ${input.name} is not in the CSV`);
  const cells = table.rows.slice(rowStart, rowEnd).flatMap((row) => places.map((place) => row[place] ?? ""));
  const data = allocateTensor(type, cells.length) as unknown as Record<number, unknown>;
  for (const [index, cell] of cells.entries()) data[index] = element(cell, type);
  return data as unknown as TensorArray;
}

function element(cell: string, type: TensorType): unknown {
  if (type === "string") return cell;
  if (type === "bool") return /^(true|1|1\.0)$/i.test(cell) ? 1 : 0;
  if (type === "int64" || type === "uint64") return BigInt(cell);
  if (type === "float16") return float16Bits(Number(cell));
  return cell === "" ? Number.NaN : Number(cell);
}

/** Round to nearest, ties to even, for normal numbers of the test data. */
export function float16Bits(value: number): number {
  let best = 0;
  let far = Number.POSITIVE_INFINITY;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  for (let bits = 0; bits < 0x7c00; bits++) {
    const distance = Math.abs(float16Value(bits) - Math.abs(value));
    if (distance < far || (distance === far && bits % 2 === 0)) {
      best = bits;
      far = distance;
    }
  }
  return sign | best;
}

export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
