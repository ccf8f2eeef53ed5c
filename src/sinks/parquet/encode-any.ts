/**
 * Columns of any type as one row group, made in memory by parquet-wasm as a Parquet file of its own. It is loaded when the first such column
 * comes: starting it costs as much as writing a million plain rows. Never through the encoder's streaming writer:
 * that one drops a batch it cannot write without a word. Cost for 2 million rows of (int64, float32): about 0.3 s with zstd.
 */
import { createRequire } from "node:module";
import { type Data, type DataType, type RecordBatch, type Schema, Type, Vector } from "apache-arrow";
import type { WriterProperties } from "parquet-wasm";
import { BatchPredictError } from "../../core/errors.ts";
import { footerOf, footerStart, MAGIC } from "../../formats/parquet-footer.ts";
import { readRowGroup } from "../../formats/parquet-row-group.ts";
import { toIpcStream } from "../prepare-batch.ts";
import type { EncodedRowGroup } from "./encode-row-group.ts";

/** Values looked at per text column to decide whether a dictionary pays, spread over the whole row group. */
const SAMPLE_ROWS = 1024;
/** A dictionary pays where each text stands for at least this many rows of the sample. */
const ROWS_PER_TEXT = 4;
const MAX_ROW_GROUP_ROWS = 0xffffffff;

type ParquetWasm = typeof import("parquet-wasm");

/**
 * @param batches all of this schema; no row at all gives a footer without row groups
 * @throws BP_OUTPUT_WRITE when the encoder fails, BP_ACCOUNTING when it wrote another number of rows
 */
export function encodeAny(schema: Schema, given: readonly RecordBatch[], file: string): EncodedRowGroup {
  const batches = given.filter((batch) => batch.numRows > 0);
  const rows = batches.reduce((sum, batch) => sum + batch.numRows, 0);
  const wasm = parquetWasm();
  let bytes: Uint8Array;
  try {
    bytes = wasm.writeParquet(wasm.Table.fromIPCStream(toIpcStream(batches, schema)), properties(wasm, schema, batches, rows));
  } catch (error) {
    throw new BatchPredictError("BP_OUTPUT_WRITE", `cannot encode ${rows} rows as Parquet for ${file}`, {
      where: { file },
      actual: error instanceof Error ? error.message : String(error),
      hints: ["write smaller row groups, or to another format with --output"],
      cause: error,
    });
  }
  const footer = footerOf(bytes, file);
  const encoded = footer.rowGroups.reduce((sum, group) => sum + readRowGroup(group, file).rows, 0);
  if (encoded !== rows || footer.rows !== rows) {
    throw new BatchPredictError("BP_ACCOUNTING", "the Parquet encoder wrote another number of rows than it was given", {
      where: { file },
      expected: `${rows} rows`,
      actual: `${encoded} rows`,
    });
  }
  const start = footerStart(bytes);
  const tail = Buffer.concat([MAGIC, bytes.subarray(start)]);
  return { body: bytes.subarray(MAGIC.length, start), bodyStart: MAGIC.length, footer, tail };
}

/** Sinks do not wait, so it is required, not imported. */
function parquetWasm(): ParquetWasm {
  return createRequire(import.meta.url)("parquet-wasm") as ParquetWasm;
}

function properties(
  { WriterPropertiesBuilder, Compression, EnabledStatistics }: ParquetWasm,
  schema: Schema,
  batches: readonly RecordBatch[],
  rows: number,
): WriterProperties {
  let builder = new WriterPropertiesBuilder()
    .setCompression(Compression.ZSTD)
    .setDictionaryEnabled(false)
    .setStatisticsEnabled(EnabledStatistics.Chunk)
    .setMaxRowGroupSize(Math.min(Math.max(1, rows), MAX_ROW_GROUP_ROWS));
  for (const [k, field] of schema.fields.entries()) {
    const chunks = batches.map((batch) => batch.data.children[k]!);
    if (repeats(field.type, chunks, rows)) builder = builder.setColumnDictionaryEnabled(field.name, true);
  }
  return builder.build();
}

function repeats({ typeId }: DataType, chunks: readonly Data[], rows: number): boolean {
  if (typeId === Type.Dictionary) return true;
  if (typeId !== Type.Utf8 && typeId !== Type.LargeUtf8 && typeId !== Type.Utf8View) return false;
  const step = Math.max(1, Math.floor(rows / SAMPLE_ROWS));
  const seen = new Set<unknown>();
  let sampled = 0;
  for (const chunk of chunks) {
    const vector = new Vector([chunk]);
    for (let row = 0; row < chunk.length; row += step) {
      seen.add(vector.get(row));
      sampled++;
    }
  }
  return seen.size * ROWS_PER_TEXT <= sampled;
}
