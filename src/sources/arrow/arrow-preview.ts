/** What files and streams are opened with alike: the first rows, and the comparison of schemas. */
import type { Schema } from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import type { SourceColumn } from "../../core/source.ts";
import type { BatchLoader } from "../../formats/arrow-body.ts";
import { schemaDifference } from "../../formats/arrow-schema.ts";
import { describeArrowColumn } from "../../values/arrow-columns.ts";
import { textReader } from "../../values/arrow-text.ts";

const PREVIEW_ROWS = 5;

/**
 * The columns of a schema; one without a name is called `c<index>`, as in CSV.
 * @throws BP_SOURCE_SCHEMA when two columns have one name: bindings and outputs go by names
 */
export function describeColumns(schema: Schema, path: string): SourceColumn[] {
  const columns = schema.fields.map((field, index) => {
    const column = describeArrowColumn(field, index);
    return column.name ? column : { ...column, name: `c${index}` };
  });
  const first = new Map<string, number>();
  for (const { name, index } of columns) {
    const before = first.get(name);
    if (before === undefined) {
      first.set(name, index);
      continue;
    }
    throw new BatchPredictError(
      "BP_SOURCE_SCHEMA",
      `${path} names two columns "${name}" (columns ${before + 1} and ${index + 1})`,
      {
        where: { file: path, column: name, columnIndex: index + 1 },
        expected: "different names",
        hints: ["rename one of the columns in the file"],
      },
    );
  }
  return columns;
}

/** First rows as text. @param batch of a schema with the same columns */
export function previewRows(batch: BatchLoader, schema: Schema): string[][] {
  const rows = Math.min(PREVIEW_ROWS, batch.header.rows);
  const readers = schema.fields.map((_, column) => textReader(batch.column(column, 0, rows)));
  return Array.from({ length: rows }, (_, row) => readers.map((read) => read(row) ?? ""));
}

export function checkSameSchema(first: { schema: Schema; path: string }, other: { schema: Schema; path: string }): void {
  const difference = schemaDifference(first.schema, other.schema);
  if (difference === null) return;
  const { index, column, expected, actual } = difference;
  throw new BatchPredictError("BP_SOURCE_SCHEMA", `${other.path} has other columns than ${first.path}`, {
    where: { file: other.path, column, columnIndex: index + 1 },
    expected,
    actual,
    hints: ["run files with different columns one after the other, or write them with one schema"],
  });
}
