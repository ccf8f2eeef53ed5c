import { type Data, type Float, type RecordBatch, Type } from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import type { SinkOptions } from "../../core/sink.ts";
import { sameName } from "./identifiers.ts";

/**
 * A key must be there: to SQLite every NULL differs from every other, so a row without a key would be added anew by each run.
 * @param rowBase rows of the output before this batch
 * @throws BP_CONFIG naming the first row
 */
export function checkKey(batch: RecordBatch, options: SinkOptions, rowBase: number): void {
  if (options.ifExists !== "upsert") return;
  for (const [at, field] of batch.schema.fields.entries()) {
    if (!options.key.some((key) => sameName(key, field.name))) continue;
    const index = firstMissing(batch.data.children[at]!);
    if (index < 0) continue;
    throw new BatchPredictError(
      "BP_CONFIG",
      `key column "${field.name}" is empty, so the row could not be found again by its key`,
      {
        where: { file: options.path, column: field.name },
        actual: `no value in row ${rowBase + index} of the output, counted from 0`,
        hints: [
          "choose columns for --key that are never empty",
          "or put such rows aside with --on-error reject and missing: reject for this column in the job file",
        ],
      },
    );
  }
}

/** NaN counts: SQLite stores it as NULL. */
function firstMissing(data: Data): number {
  const isFloat = data.type.typeId === Type.Float && (data.type as Float).precision > 0;
  if (data.nullCount === 0 && !isFloat && data.type.typeId !== Type.Dictionary) return -1;
  for (let index = 0; index < data.length; index++) {
    if (!data.getValid(index)) return index;
    if (isFloat && Number.isNaN(data.values[index])) return index;
    if (data.type.typeId === Type.Dictionary && data.dictionary?.get(data.values[index]) === null) return index;
  }
  return -1;
}
