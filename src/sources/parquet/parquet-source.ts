/** A set of Parquet files as a source: only footers are read here, and the first pages for a preview. */
import type { Schema } from "apache-arrow";
import type { Chunk } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import type { ChunkPlanOptions, Source, SourceDescription, SourceFile, SourceOptions } from "../../core/source.ts";
import { typeText } from "../../values/arrow-columns.ts";
import { describeColumns } from "../describe-columns.ts";
import { type GroupSize, openParquetFile, type ParquetFile } from "./parquet-file.ts";
import { planRowChunks } from "./plan-row-ranges.ts";
import { previewRows } from "./preview.ts";
import { isDivisible } from "./quick-columns.ts";

/**
 * @param files at least one; all with one schema
 * @throws BP_INPUT_FORMAT, BP_INPUT_NOT_FOUND, BP_INPUT_UNREADABLE, BP_SOURCE_SCHEMA
 */
export async function openParquetSource(files: readonly SourceFile[], options: SourceOptions): Promise<Source> {
  const groups: GroupSize[][] = [];
  const seen: SourceFile[] = [];
  let first: { schema: Schema; path: string } | undefined;
  let preview: string[][] = [];
  let divisible = true;
  let largest: { bytes: number; held: SourceDescription["indivisible"] } | null = null;
  for (const { path } of files) {
    if (path === "-") throw fromStdin();
    const file = await openParquetFile(path);
    try {
      groups.push(file.groups);
      const bytes = file.groups.reduce((most, group) => Math.max(most, group.bytes), 0);
      divisible &&= partsAreCheap(file);
      if (bytes > (largest?.bytes ?? 0)) largest = { bytes, held: largestColumns(file, bytes) };
      seen.push(file.file);
      if (first === undefined) first = { schema: file.schema, path };
      else checkSameSchema(first, { schema: file.schema, path });
      if (options.preview !== false && preview.length === 0) preview = await previewRows(file);
    } finally {
      await file.close();
    }
  }
  if (first === undefined) throw new BatchPredictError("BP_INTERNAL", "a Parquet source was opened without files");
  const rows = groups.flat().reduce((sum, group) => sum + group.rows, 0);
  const decoded = groups.flat().reduce((sum, group) => sum + group.bytes, 0);
  return new ParquetSource(
    {
      ...(rows > 0 ? { rowBytes: decoded / rows } : {}),
      ...(largest?.held ? { indivisible: largest.held } : {}),
      ...(divisible ? { divisible } : {}),
      format: "parquet",
      files: seen,
      columns: describeColumns(first.schema, first.path),
      dialect: null,
      rows,
      rowsEstimate: rows,
      bytes: seen.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0),
      preview,
    },
    groups,
  );
}

/** What the largest row group's columns take in the file: less cannot be given to the decoder. @returns undefined where the footer does not tell */
function largestColumns(file: ParquetFile, bytes: number): SourceDescription["indivisible"] {
  const unit = file.groups.findIndex((group) => group.bytes === bytes);
  const columns = file.fields.map((_, column) => column);
  try {
    const columnBytes = file
      .chunksOf(unit, columns)
      .map((chunks) => chunks.reduce((sum, chunk) => sum + chunk.end - chunk.start, 0));
    return { what: `the largest column of row group ${unit} of ${file.path}`, columnBytes };
  } catch {
    // Columns that cannot be read are an error only to whom they matter.
    return undefined;
  }
}

/** Row groups of one file are written in one way, so the first tells. */
function partsAreCheap(file: ParquetFile): boolean {
  try {
    return file.groups.length > 0 && isDivisible(file, 0);
  } catch {
    // As above.
    return false;
  }
}

class ParquetSource implements Source {
  constructor(
    readonly description: SourceDescription,
    private readonly groups: GroupSize[][],
  ) {}

  async *chunks({ chunkBytes, signal }: ChunkPlanOptions): AsyncGenerator<Chunk> {
    for (const chunk of planRowChunks(this.groups, chunkBytes)) {
      if (signal?.aborted) return;
      yield chunk;
    }
  }

  async close(): Promise<void> {}
}

/** Names, order and types; nullability may differ, because it says nothing about the values that are there. */
function checkSameSchema(first: { schema: Schema; path: string }, other: { schema: Schema; path: string }): void {
  const [a, b] = [first.schema.fields, other.schema.fields];
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const [x, y] = [a[index], b[index]];
    if (x !== undefined && y !== undefined && x.name === y.name && String(x.type) === String(y.type)) continue;
    const say = (field: typeof x): string => (field === undefined ? "no such column" : `${field.name}: ${typeText(field.type)}`);
    throw new BatchPredictError("BP_SOURCE_SCHEMA", `${other.path} has other columns than ${first.path}`, {
      where: { file: other.path, column: (y ?? x)!.name, columnIndex: index + 1 },
      expected: say(x),
      actual: say(y),
      hints: ["run files with different columns one after the other, or write them with one schema"],
    });
  }
}

function fromStdin(): BatchPredictError {
  return new BatchPredictError("BP_CONFIG", "Parquet cannot be read from stdin: its index is at the end of the file", {
    hints: ["save it to a file and give that as --input", "or pipe CSV or an Arrow stream"],
  });
}
