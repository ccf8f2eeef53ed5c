/**
 * Predictions as an Arrow IPC file (Feather version 2), uncompressed, one record batch per commit, so that memory is bounded by
 * commitRows and commitBytes. The run's record stands in the metadata of the footer's schema, which readers of files use; the
 * schema at the start, which only readers of streams see, is written before the counts are known and has none.
 */
import fs from "node:fs";
import { type Data, makeData, RecordBatch, Schema, Struct, util } from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import type { RunRecord, Sink, SinkBatch, SinkOptions, SinkResult } from "../../core/sink.ts";
import { plainType, rowRange, takePieces, takeRows } from "../../values/arrow-take.ts";
import { openPartial, outputExists, type PartialFile } from "../partial-file.ts";
import { prepareBatch } from "../prepare-batch.ts";
import { openRejects, type RejectsWriter } from "../rejects.ts";
import { countArrowRows } from "./count-rows.ts";
import { FooterWriter } from "./footer-writer.ts";

export const RECORD_KEY = "batchpredict";

export function openArrowSink(options: SinkOptions): Sink {
  return new ArrowSink(options);
}

class ArrowSink implements Sink {
  private file: PartialFile | null = null;
  private rejects: RejectsWriter | null = null;
  private writer: FooterWriter | null = null;
  private schema: Schema | null = null;
  private pending: RecordBatch[] = [];
  private pendingRows = 0;
  private pendingBytes = 0;
  private rowsTaken = 0;

  constructor(private readonly options: SinkOptions) {}

  open(): void {
    const { path, runId, ifExists } = this.options;
    if (ifExists === "append" || ifExists === "upsert") {
      throw new BatchPredictError("BP_CONFIG", `--if-exists ${ifExists} is not possible with Arrow output ${path}`, {
        where: { file: path },
        expected: "--if-exists fail or replace",
        hints: ["write to a SQLite file (.db) to add to what is there, or use --if-exists replace"],
      });
    }
    if (ifExists === "fail" && fs.existsSync(path)) throw outputExists(path);
    this.file = openPartial(path, runId);
    this.rejects = openRejects(this.options);
  }

  write(batch: SinkBatch): void {
    const rows = plainBatch(prepareBatch(batch));
    this.start(rows.schema);
    this.rejects?.write(batch.rejects);
    this.pending.push(rows);
    this.pendingRows += rows.numRows;
    this.pendingBytes += batch.rows === 0 ? 0 : (batch.ipc.length / batch.rows) * rows.numRows;
    this.rowsTaken += rows.numRows;
    if (this.pendingRows >= this.options.commitRows || this.pendingBytes >= this.options.commitBytes) this.flush();
  }

  finish(record: RunRecord): SinkResult {
    const { file, writer, options } = this;
    if (file === null || writer === null) {
      throw new BatchPredictError("BP_INTERNAL", "the output was finished before its columns were known: no batch came", {
        where: { file: options.path },
      });
    }
    this.flush();
    writer.end(new Map([[RECORD_KEY, JSON.stringify(record)]]));
    const rows = countArrowRows(file.fd, options.path);
    if (rows !== this.rowsTaken) {
      throw new BatchPredictError("BP_ACCOUNTING", "the file holds another number of rows than were written to it", {
        where: { file: options.path },
        expected: `${this.rowsTaken} rows`,
        actual: `${rows} rows`,
      });
    }
    // Rejects first: predictions without their rejects would look like a run that lost nothing.
    const rejectsPath = this.rejects?.publish().path ?? null;
    file.publish({ replace: options.ifExists === "replace" });
    return { path: options.path, bytes: file.bytesWritten, rows, rejectsPath };
  }

  abort(): void {
    this.file?.discard();
    this.rejects?.discard();
    this.pending = [];
  }

  private start(schema: Schema): void {
    if (this.schema === null) {
      this.schema = schema;
      this.writer = new FooterWriter(this.file!);
      this.writer.start(schema);
    } else if (!util.compareSchemas(this.schema, schema)) {
      // The writer would end the file without a word.
      throw new BatchPredictError("BP_INTERNAL", "the columns of the output changed during the run", {
        where: { file: this.options.path },
      });
    }
  }

  private flush(): void {
    if (this.pendingRows > 0) this.writer!.write(joined(this.pending, this.schema!));
    this.pending = [];
    this.pendingRows = 0;
    this.pendingBytes = 0;
  }
}

/** A file may not change its dictionaries from batch to batch, so they are written as the values they stand for. */
function plainBatch(batch: RecordBatch): RecordBatch {
  const { fields, metadata } = batch.schema;
  const types = fields.map(({ type }) => plainType(type));
  if (types.every((type, column) => type === fields[column]!.type)) return batch;
  const plain = fields.map((field, column) => field.clone({ type: types[column]! }));
  const rows = rowRange(0, batch.numRows);
  const children = batch.data.children.map((data, column) =>
    types[column] === fields[column]!.type ? data : takeRows(data, rows),
  );
  return batchOf(new Schema(plain, metadata), batch.numRows, children);
}

function joined(batches: readonly RecordBatch[], schema: Schema): RecordBatch {
  if (batches.length === 1) return batches[0]!;
  const length = batches.reduce((sum, batch) => sum + batch.numRows, 0);
  const children = schema.fields.map(({ type }, column) => {
    const parts = batches.map((batch) => batch.data.children[column]!);
    return takePieces(
      type,
      parts.map((data) => ({ data, rows: rowRange(0, data.length) })),
    );
  });
  return batchOf(schema, length, children);
}

function batchOf(schema: Schema, length: number, children: Data[]): RecordBatch {
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }));
}
