/** From what a worker posts to what a sink writes: an Arrow record batch cut to the wanted rows, with absolute row numbers. */
import { type Data, type Int64, makeData, RecordBatch, RecordBatchStreamWriter, type Schema, Struct } from "apache-arrow";
import type { SinkBatch } from "../core/sink.ts";
import { WireDecoder } from "../values/wire-batch.ts";

/** A thread has one sink. */
const decoder = new WireDecoder();

/**
 * Values are those of `batch.columns`; only the row column is copied (8 bytes per row).
 * @returns rows `rowStart` up to `rowEnd` (exclusive); a batch of no rows keeps its schema
 * @throws BP_INTERNAL when a column has not `batch.rows` elements
 */
export function prepareBatch(batch: SinkBatch): RecordBatch {
  const whole = decoder.decode({ ...batch.columns, rows: batch.rows });
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
