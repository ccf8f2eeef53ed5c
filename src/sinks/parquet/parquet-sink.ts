/**
 * Predictions as Parquet: zstd, one row group per commit. Each row group is encoded in memory, its bytes are appended to the
 * temporary file and its metadata is kept with shifted offsets; the footer, with the run's record, is written last. So memory
 * is bounded by commitRows and commitBytes, and the run's record can say how the run ended.
 */
import fs from "node:fs";
import { type RecordBatch, type Schema, util } from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import type { RunRecord, Sink, SinkBatch, SinkOptions, SinkResult } from "../../core/sink.ts";
import { ARROW_SCHEMA_KEY } from "../../formats/parquet-arrow-schema.ts";
import { encodeFooter, MAGIC, type ParquetFooter, readFooterSync } from "../../formats/parquet-footer.ts";
import { moveRowGroup, readRowGroup } from "../../formats/parquet-row-group.ts";
import { sameSchema } from "../../formats/parquet-schema.ts";
import { openPartial, outputExists, type PartialFile } from "../partial-file.ts";
import { prepareBatch } from "../prepare-batch.ts";
import { openRejects, type RejectsWriter } from "../rejects.ts";
import { adaptBatch, checkParquetTypes } from "./adapt-columns.ts";
import { encodeRowGroup } from "./encode-row-group.ts";
import { arrowSchemaOf, hasNullFixedSizeLists } from "./fixed-size-lists.ts";

export const RECORD_KEY = "batchpredict";

export function openParquetSink(options: SinkOptions): Sink {
  return new ParquetSink(options);
}

class ParquetSink implements Sink {
  private file: PartialFile | null = null;
  private rejects: RejectsWriter | null = null;
  /** Of the first batch, as it is written. */
  private schema: Schema | null = null;
  private pending: RecordBatch[] = [];
  private pendingRows = 0;
  private pendingBytes = 0;
  private rowsTaken = 0;
  /** Of the first row group encoded: schema, version, writer and column orders of the whole file. */
  private first: ParquetFooter | null = null;
  private readonly rowGroups: Uint8Array[] = [];
  private nullLists = false;

  constructor(private readonly options: SinkOptions) {}

  open(): void {
    const { path, runId, ifExists } = this.options;
    if (ifExists === "append" || ifExists === "upsert") {
      throw new BatchPredictError("BP_CONFIG", `--if-exists ${ifExists} is not possible with Parquet output ${path}`, {
        where: { file: path },
        expected: "--if-exists fail or replace",
        hints: ["write to a SQLite file (.db) to add to what is there, or use --if-exists replace"],
      });
    }
    if (ifExists === "fail" && fs.existsSync(path)) throw outputExists(path);
    this.file = openPartial(path, runId);
    this.rejects = openRejects(this.options);
    this.file.write(MAGIC);
  }

  write(batch: SinkBatch): void {
    const given = prepareBatch(batch);
    if (this.schema === null) checkParquetTypes(given.schema.fields, this.options.path);
    const rows = adaptBatch(given);
    this.schema ??= rows.schema;
    // The IPC writer would leave the batch out without a word.
    if (!util.compareSchemas(this.schema, rows.schema)) throw changedColumns(this.options.path);
    this.rejects?.write(batch.rejects);
    this.nullLists ||= hasNullFixedSizeLists(rows);
    this.pending.push(rows);
    this.pendingRows += rows.numRows;
    this.pendingBytes += batch.rows === 0 ? 0 : (batch.ipc.length / batch.rows) * rows.numRows;
    this.rowsTaken += rows.numRows;
    if (this.pendingRows >= this.options.commitRows || this.pendingBytes >= this.options.commitBytes) this.flush();
  }

  finish(record: RunRecord): SinkResult {
    const { file, schema } = this;
    if (file === null || schema === null) {
      throw new BatchPredictError("BP_INTERNAL", "the output was finished before its columns were known: no batch came", {
        where: { file: this.options.path },
      });
    }
    if (this.pendingRows > 0 || this.first === null) this.flush();
    const { meta, keyValues } = this.first!;
    const entries = new Map(keyValues);
    if (this.nullLists) entries.set(ARROW_SCHEMA_KEY, arrowSchemaOf(schema, this.options.path));
    entries.set(RECORD_KEY, JSON.stringify(record));
    file.write(encodeFooter(meta, { rows: BigInt(this.rowsTaken), rowGroups: this.rowGroups, keyValues: entries }));
    const rows = this.countAgain(file);
    const bytes = file.bytesWritten;
    // Rejects first: predictions without their rejects would look like a run that lost nothing.
    const rejectsPath = this.rejects?.publish().path ?? null;
    file.publish({ replace: this.options.ifExists === "replace" });
    return { path: this.options.path, bytes, rows, rejectsPath };
  }

  abort(): void {
    this.file?.discard();
    this.rejects?.discard();
    this.pending = [];
  }

  private flush(): void {
    const { path } = this.options;
    const { body, bodyStart, footer } = encodeRowGroup(this.schema!, this.pending, path);
    if (this.first !== null && !sameSchema(this.first, footer)) throw changedColumns(path);
    this.first ??= footer;
    const file = this.file!;
    const delta = file.bytesWritten - bodyStart;
    for (const group of footer.rowGroups) this.rowGroups.push(moveRowGroup(group, delta, this.rowGroups.length));
    file.write(body);
    this.pending = [];
    this.pendingRows = 0;
    this.pendingBytes = 0;
  }

  /** From the file as it is on the way to the disk, not from what we believe we wrote. */
  private countAgain(file: PartialFile): number {
    const { path } = this.options;
    const footer = readFooterSync(file.fd, path);
    const rows = footer.rowGroups.reduce((sum, group) => sum + readRowGroup(group, path).rows, 0);
    if (rows === this.rowsTaken && footer.rows === rows) return rows;
    throw new BatchPredictError("BP_ACCOUNTING", "the file holds another number of rows than were written to it", {
      where: { file: path },
      expected: `${this.rowsTaken} rows`,
      actual: `${rows} rows`,
    });
  }
}

function changedColumns(file: string): BatchPredictError {
  return new BatchPredictError("BP_INTERNAL", "the columns of the output changed during the run", { where: { file } });
}
