import { type Data, type Float, type RecordBatch, Type } from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import type { SinkOptions } from "../../core/sink.ts";
import { sameName } from "./identifiers.ts";

/** @throws BP_CONFIG for keys that the output does not have */
export function checkKeyColumns(columns: readonly string[], options: SinkOptions): void {
  if (options.ifExists !== "upsert") return;
  const missing = options.key.filter((key) => !columns.some((name) => sameName(name, key)));
  if (missing.length === 0) return;
  throw new BatchPredictError("BP_CONFIG", `--key names columns that the output does not have: ${missing.join(", ")}`, {
    where: { file: options.path, column: missing[0]! },
    actual: `output columns ${columns.join(", ")}`,
    hints: ["keep the key columns in the output with --keep"],
  });
}

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

/** For people: rows of the input that are not in the table, because later ones of their key took their place. */
export function repeatedKeys(rows: number, { key, table }: SinkOptions): { warnings?: string[] } {
  if (rows === 0) return {};
  const renewed = rows === 1 ? "1 row was" : `${rows} rows were`;
  return {
    warnings: [
      `--key ${key.join(",")}: ${renewed} renewed by later rows of the same key; table "${table}" holds the last of each`,
    ],
  };
}
