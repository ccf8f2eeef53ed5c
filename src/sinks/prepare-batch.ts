/** From what a worker posts to what a sink writes: an Arrow record batch cut to the wanted rows, with absolute row numbers. */
import {
  type Data,
  type Int64,
  makeData,
  RecordBatch,
  RecordBatchReader,
  RecordBatchStreamWriter,
  type Schema,
  Struct,
} from "apache-arrow";
import { BatchPredictError } from "../core/errors.ts";
import type { SinkBatch } from "../core/sink.ts";
import { linear } from "../values/linear-schema.ts";

/**
 * Values point into `batch.ipc`; only the row column is copied (8 bytes per row).
 * @returns rows `rowStart` up to `rowEnd` (exclusive); a batch of no rows keeps its schema
 * @throws BP_INTERNAL when the bytes are not a schema and one record batch of `batch.rows` rows
 */
export function prepareBatch(batch: SinkBatch): RecordBatch {
  const reader = RecordBatchReader.from(batch.ipc).open();
  linear(reader.schema);
  const next = reader.next();
  if (next.done || next.value.numRows !== batch.rows) {
    const actual = next.done ? "none" : `${next.value.numRows} rows`;
    throw new BatchPredictError("BP_INTERNAL", "a batch for the output is not what its header says", {
      expected: `${batch.rows} rows`,
      actual,
    });
  }
  const whole: RecordBatch = next.value;
  const based = batch.rowColumn === null ? whole : withRowBase(whole, batch.rowColumn, batch.rowBase);
  if (batch.rowStart === 0 && batch.rowEnd === batch.rows) return based;
  return new RecordBatch(based.schema, based.data.slice(batch.rowStart, batch.rowEnd - batch.rowStart));
}

/** One Arrow IPC stream of all batches, uncompressed. @param schema needed when there is no batch */
export function toIpcStream(batches: readonly RecordBatch[], schema?: Schema): Uint8Array {
  const writer = new RecordBatchStreamWriter();
  writer.reset(undefined, schema ?? batches[0]?.schema ?? null);
  for (const batch of batches) writer.write(batch);
  writer.finish();
  return writer.toUint8Array(true);
}

function withRowBase(batch: RecordBatch, column: string, base: number): RecordBatch {
  const at = batch.schema.fields.findIndex((field) => field.name === column);
  if (at < 0 || base === 0) return batch;
  const children = batch.data.children.slice();
  children[at] = addBase(children[at] as Data<Int64>, base);
  return new RecordBatch(
    batch.schema,
    makeData({ type: new Struct(batch.schema.fields), length: batch.numRows, nullCount: 0, children }),
  );
}

/** int64 + base by 32-bit halves (Arrow is little-endian): a BigInt per element would cost 50 times as much. Exact up to 2^53. */
function addBase(data: Data<Int64>, base: number): Data<Int64> {
  const { values } = data;
  const from = new Uint32Array(values.buffer, values.byteOffset, data.length * 2);
  const into = new Uint32Array(data.length * 2);
  const baseLow = base >>> 0;
  const baseHigh = Math.floor(base / 2 ** 32);
  for (let i = 0; i < from.length; i += 2) {
    const low = from[i]! + baseLow;
    into[i] = low;
    into[i + 1] = from[i + 1]! + baseHigh + (low > 0xffffffff ? 1 : 0);
  }
  return makeData({ type: data.type, length: data.length, nullCount: 0, data: new BigInt64Array(into.buffer) });
}
