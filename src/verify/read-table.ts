/** A whole file in memory, read by the same sources as any input, so that its values are exact. Meant for test sets. */
import type { Data } from "apache-arrow";
import { BatchPredictError } from "../core/errors.ts";
import type { CsvOptions, SourceColumn, SourceFormat } from "../core/source.ts";
import { openReader, openSource } from "../sources/registry.ts";
import { type Cell, cellReader } from "./cell-values.ts";

const CHUNK_BYTES = 8 << 20;

export interface Table {
  path: string;
  columns: readonly SourceColumn[];
  rows: number;
  /** @param column position among `columns` */
  cell(column: number, row: number): Cell;
}

interface Part {
  from: number;
  data: Data[];
  readers: ((row: number) => Cell)[];
}

/**
 * @param format null: by name and content
 * @throws what the source throws, and the first row that cannot be read
 */
export async function readTable(path: string, format: SourceFormat | null, csv: CsvOptions = {}): Promise<Table> {
  const source = await openSource([path], { csv, preview: false, ...(format === null ? {} : { format }) }, () => {
    throw new BatchPredictError("BP_USAGE", "expected predictions cannot come from standard input", {
      hints: ["name a file with --expected"],
    });
  });
  const { description } = source;
  const keep = description.columns.map(({ name, index, keptType }) => ({ name, column: name, index, type: keptType }));
  const reader = await openReader(description, { inputs: [], constants: [], keep, onError: "fail" });
  const parts: Part[] = [];
  let rows = 0;
  try {
    for await (const chunk of source.chunks({ chunkBytes: CHUNK_BYTES })) {
      const decoded = await reader.read(chunk);
      const [bad] = decoded.rejects;
      if (bad && bad.column !== null && description.dialect && csv.columnTypes?.[bad.column] === undefined) {
        // The sample took it for numbers; as text nothing of it is lost.
        return await readTable(path, format, { ...csv, columnTypes: { ...csv.columnTypes, [bad.column]: "utf8" } });
      }
      if (bad) {
        throw new BatchPredictError(bad.code, bad.message, {
          where: { file: path, row: rows + bad.rowInChunk, ...(bad.column === null ? {} : { column: bad.column }) },
          hints: ["mend the file given to --expected"],
        });
      }
      parts.push({ from: rows, data: decoded.kept, readers: [] });
      rows += decoded.rows;
    }
  } finally {
    await reader.close();
    await source.close();
  }
  let last: Part | undefined = parts[0];
  const partOf = (row: number): Part => {
    if (!last || row < last.from || row >= last.from + last.data[0]!.length) {
      last = parts.findLast(({ from }) => from <= row)!;
    }
    return last;
  };
  return {
    path,
    columns: description.columns,
    rows,
    cell: (column, row) => {
      const part = partOf(row);
      part.readers[column] ??= cellReader(part.data[column]!);
      return part.readers[column](row - part.from);
    },
  };
}
