/** What files and streams are opened with alike: the first rows, and the comparison of schemas. */
import type { Field, Schema } from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import type { BatchLoader } from "../../formats/arrow-body.ts";
import { withCodecs } from "../../formats/arrow-codecs.ts";
import { schemaDifference } from "../../formats/arrow-schema.ts";
import { typeText } from "../../values/arrow-columns.ts";
import { textReader } from "../../values/arrow-text.ts";

const PREVIEW_ROWS = 5;

/** First rows as text. @param open gives a batch of a schema with the same columns; called again when a decoder had to be loaded */
export function previewRows(open: () => BatchLoader, schema: Schema): Promise<string[][]> {
  return withCodecs(() => {
    const batch = open();
    const rows = Math.min(PREVIEW_ROWS, batch.header.rows);
    const readers = schema.fields.map((_, column) => textReader(batch.column(column, 0, rows)));
    return Array.from({ length: rows }, (_, row) => readers.map((read) => read(row) ?? ""));
  });
}

export function checkSameSchema(first: { schema: Schema; path: string }, other: { schema: Schema; path: string }): void {
  const difference = schemaDifference(first.schema, other.schema);
  if (difference === null) return;
  const { index, expected, actual } = difference;
  const say = (field: Field | undefined): string =>
    field === undefined ? "no such column" : `${field.name}: ${typeText(field.type)}`;
  throw new BatchPredictError("BP_SOURCE_SCHEMA", `${other.path} has other columns than ${first.path}`, {
    where: { file: other.path, column: (actual ?? expected)!.name, columnIndex: index + 1 },
    expected: say(expected),
    actual: say(actual),
    hints: ["run files with different columns one after the other, or write them with one schema"],
  });
}
