/** The first rows as text, at the cost of the first pages of each column and never of a whole row group. */
import { RecordBatchReader } from "apache-arrow";
import { textReader } from "../../values/arrow-text.ts";
import { generalDecoder } from "./general-decoder.ts";
import type { ParquetFile } from "./parquet-file.ts";

const PREVIEW_ROWS = 5;
/** A dictionary page and a data page of common size. */
const MAX_COLUMN_BYTES = 1 << 21;
const MAX_PREVIEW_BYTES = 1 << 26;

/** @returns empty when the first rows cannot be had cheaply; the run itself will say what is wrong */
export async function previewRows(file: ParquetFile): Promise<string[][]> {
  const unit = file.groups.findIndex((group) => group.rows > 0);
  if (unit < 0) return [];
  const { rows: rowsOfGroup } = file.groups[unit]!;
  const columns = file.fields.map((_, column) => column);
  const limit = Math.min(PREVIEW_ROWS, rowsOfGroup);
  try {
    const starts = file
      .chunksOf(unit, columns)
      .flat()
      .map((chunk) => ({ ...chunk, end: Math.min(chunk.end, chunk.start + MAX_COLUMN_BYTES) }));
    if (starts.reduce((sum, chunk) => sum + chunk.end - chunk.start, 0) > MAX_PREVIEW_BYTES) return [];
    const mini = await file.extract(rowsOfGroup, columns, starts);
    const rows: string[][] = [];
    for (const batch of RecordBatchReader.from(generalDecoder().readParquet(mini, { limit, batchSize: limit }).intoIPCStream())) {
      const readers = batch.data.children.map(textReader);
      for (let row = 0; row < batch.numRows; row++) rows.push(readers.map((read) => read(row) ?? ""));
    }
    return rows;
  } catch {
    return [];
  }
}
