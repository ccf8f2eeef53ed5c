/** Every row of a Parquet output against what the model must make of it. */
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { expect } from "vitest";
import { predictionOf } from "./made-rows.ts";

const ROWS_PER_READ = 100_000;

/** In input order, `rows` of them. */
export async function expectEveryRow(path: string, rows: number): Promise<void> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  expect(Number(metadata.num_rows)).toBe(rows);
  for (let rowStart = 0; rowStart < rows; rowStart += ROWS_PER_READ) {
    const rowEnd = Math.min(rows, rowStart + ROWS_PER_READ);
    const read = await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd });
    expect(read.length).toBe(rowEnd - rowStart);
    for (const [at, { id, y }] of read.entries()) expectRow(Number(id), Number(y), rowStart + at);
  }
}

/** Without an `expect` per row, which would take longer than the run. */
export function expectRow(id: number, y: number, row: number): void {
  if (id !== row || y !== predictionOf(row)) expect.fail(`row ${row}: got id ${id} with ${y}, expected ${predictionOf(row)}`);
}
