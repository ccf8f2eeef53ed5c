/** Batches as they go from worker to sink, through the clone that posting them makes. */
import { type Data, type Field, makeData, RecordBatch, Schema, Struct, Table } from "apache-arrow";
import type { SinkBatch } from "../src/core/sink.ts";
import type { WireBatch } from "../src/core/wire-batch.ts";
import { WireDecoder, WireEncoder } from "../src/values/wire-batch.ts";

/** @param owned see `WireEncoder.encode`; these are empty afterwards */
export function posted(batch: RecordBatch, owned: ReadonlySet<ArrayBufferLike> = new Set()): WireBatch {
  const { wire, transfer } = new WireEncoder().encode(batch, owned);
  return structuredClone(wire, { transfer });
}

export function tableOf(wire: WireBatch): Table {
  return new Table([new WireDecoder().decode(wire)]);
}

/** All rows of a batch for a sink. */
export function sinkBatchOf(batch: RecordBatch, more: Partial<SinkBatch> = {}): SinkBatch {
  const { numRows: rows } = batch;
  return { columns: posted(batch), rows, rowStart: 0, rowEnd: rows, rowBase: 0, rowColumn: null, rejects: [], ...more };
}

export function recordBatchOf(fields: Field[], children: Data[]): RecordBatch {
  const length = children[0]?.length ?? 0;
  return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length, nullCount: 0, children }));
}
