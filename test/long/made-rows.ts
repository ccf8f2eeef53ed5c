/** A large CSV, the same on every machine, and what a linear model must make of each of its rows. */
import { once } from "node:events";
import { createWriteStream } from "node:fs";

export const COLUMNS = 20;
const ROWS_PER_WRITE = 4096;

/** Small integers as weights: the sums below are then exact in float32, whatever order a kernel adds them in. */
export const WEIGHTS = Array.from({ length: COLUMNS }, (_, column) => ((column * 7) % 11) - 5);
export const BIAS = 3;

/**
 * Quarters from -127.75 to 127.75, from row and column by a multiplicative hash (Knuth's 2654435761), so that a row that is lost, doubled
 * or moved shows in its prediction.
 */
export function cellOf(row: number, column: number): number {
  const mixed = Math.imul(row * COLUMNS + column + 1, 2654435761) >>> 0;
  return ((mixed >>> 8) % 1023) / 4 - 127.75;
}

/** Exact: quarters times integers, below 2^24 quarters. */
export function predictionOf(row: number): number {
  let sum = BIAS;
  for (let column = 0; column < COLUMNS; column++) sum += cellOf(row, column) * WEIGHTS[column]!;
  return sum;
}

/** id,f00,...,f19 with four decimals, as measured data come; written as it is made, so memory does not grow with the rows. */
export async function writeRows(file: string, rows: number, columns = COLUMNS): Promise<void> {
  const out = createWriteStream(file);
  const names = Array.from({ length: columns }, (_, column) => `f${String(column).padStart(2, "0")}`);
  out.write(`id,${names.join(",")}\n`);
  for (let start = 0; start < rows; start += ROWS_PER_WRITE) {
    let text = "";
    for (let row = start; row < Math.min(rows, start + ROWS_PER_WRITE); row++) {
      text += row;
      for (let column = 0; column < columns; column++) text += `,${TEXTS[(cellOf(row, column) + 127.75) * 4]}`;
      text += "\n";
    }
    if (!out.write(text)) await once(out, "drain");
  }
  out.end();
  await once(out, "close");
}

const TEXTS = Array.from({ length: 1023 }, (_, quarter) => (quarter / 4 - 127.75).toFixed(4));
