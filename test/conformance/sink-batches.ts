/** Batches, options and records for sink tests, as the executor makes them. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type DataType, Field, makeData, type Vector, vectorFromArray } from "apache-arrow";
import type { RejectedRow, RunRecord, SinkBatch, SinkFormat, SinkOptions } from "../../src/core/sink.ts";
import { recordBatchOf, sinkBatchOf } from "../wire.ts";

export interface Column {
  name: string;
  type: DataType;
  values: readonly unknown[];
}

export function batchOf(columns: readonly Column[], more: Partial<SinkBatch> = {}): SinkBatch {
  const fields = columns.map(({ name, type }) => new Field(name, type, true));
  const children = columns.map(
    ({ type, values }) =>
      (vectorFromArray(values as unknown[], type) as Vector).data[0] ?? makeData({ type, length: 0 } as never),
  );
  return sinkBatchOf(recordBatchOf(fields, children), more);
}

export function optionsFor(file: string, format: SinkFormat, more: Partial<SinkOptions> = {}): SinkOptions {
  return {
    format,
    path: file,
    table: "predictions",
    ifExists: "fail",
    key: [],
    runId: "0192f3a0-0000-7000-8000-000000000001",
    rejects: null,
    commitRows: 1000,
    commitBytes: 1 << 24,
    ...more,
  };
}

export function recordOf(runId: string, rows: number, rejected = 0): RunRecord {
  return {
    run_id: runId,
    started_at: "2026-11-21T08:00:00.000Z",
    ended_at: "2026-11-21T08:00:01.000Z",
    rows_read: rows + rejected,
    rows_predicted: rows,
    rows_rejected: rejected,
    model_path: "/models/iris.onnx",
    model_sha256: "ab".repeat(32),
    onnxruntime_version: "1.30.0",
    batchpredict_version: "0.1.0",
    inputs: ["/data/a.csv", "/data/b.csv"],
    batch_size: 4096,
  };
}

export function rejectOf(row: number): RejectedRow {
  return {
    row,
    line: row + 2,
    byte: row * 10,
    column: "age",
    code: "BP_SOURCE_CELL",
    message: `cannot read "n/a, or so" as float32`,
    raw: 'x,"n/a",\n7',
  };
}

/** An empty folder; the caller removes it. */
export function makeFolder(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), "batchpredict-sink-"));
}

/** A folder that is gone after `use`. */
export async function inFolder(use: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = makeFolder();
  try {
    await use(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
