/**
 * Predictions as Parquet: one row group per commit. Each row group is encoded in memory, its bytes are appended to the
 * temporary file and its metadata is kept with shifted offsets; the footer, with the run's record, is written last. So memory
 * is bounded by commitRows and commitBytes, and the run's record can say how the run ended.
 */
import { type RecordBatch, RecordBatchReader, type Schema, util } from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import { failpoint, losspoint } from "../../core/failpoint.ts";
import { releaseBuffers } from "../../core/release-buffers.ts";
import type { RunRecord, Sink, SinkBatch, SinkOpened, SinkOptions, SinkResult } from "../../core/sink.ts";
import { buffersOf } from "../../core/wire-batch.ts";
import { ARROW_SCHEMA_KEY } from "../../formats/parquet-arrow-schema.ts";
import { encodeFooter, footerOf, MAGIC, type ParquetFooter, readFooterSync } from "../../formats/parquet-footer.ts";
import { moveRowGroup, readRowGroup } from "../../formats/parquet-row-group.ts";
import { sameSchema } from "../../formats/parquet-schema.ts";
import { FileDraft } from "../file-draft.ts";
import type { JournalCommit } from "../journal.ts";
import { checkCounted, type PartialFile } from "../partial-file.ts";
import { prepareBatch, toIpcStream } from "../prepare-batch.ts";
import { adaptBatch, checkParquetTypes } from "./adapt-columns.ts";
import { encodeRowGroup } from "./encode-row-group.ts";
import { arrowSchemaOf, hasNullFixedSizeLists } from "./fixed-size-lists.ts";

export const RECORD_KEY = "batchpredict";

export function openParquetSink(options: SinkOptions): Sink {
  return new ParquetSink(options);
}

/** What a commit adds to what those before it said. */
interface ParquetCommit {
  /** Row groups since the last commit, with offsets of the file, base64. */
  groups: string[];
  nullLists: boolean;
  /** With the first: the footer of the first row group, and the columns as an Arrow IPC stream without rows, base64. */
  start?: { footer: string; schema: string };
}

class ParquetSink implements Sink {
  private draft: FileDraft | null = null;
  /** Of the first batch, as it is written. */
  private schema: Schema | null = null;
  private pending: RecordBatch[] = [];
  /** Of the pending batches: encoded they are of no use any more. */
  private buffers: ArrayBuffer[] = [];
  private pendingRows = 0;
  private pendingBytes = 0;
  private rowsTaken = 0;
  /** Of the first row group encoded: schema, version, writer and column orders of the whole file. */
  private first: ParquetFooter | null = null;
  private readonly rowGroups: Uint8Array[] = [];
  private nullLists = false;
  /** Of the footer that `first` was read from. */
  private firstFooter: Uint8Array | null = null;
  private groupsNoted = 0;

  constructor(private readonly options: SinkOptions) {}

  open(): SinkOpened {
    const { path, ifExists } = this.options;
    if (ifExists === "append" || ifExists === "upsert") {
      throw new BatchPredictError("BP_CONFIG", `--if-exists ${ifExists} is not possible with Parquet output ${path}`, {
        where: { file: path },
        expected: "--if-exists fail or replace",
        hints: ["write to a SQLite file (.db) to add to what is there, or use --if-exists replace"],
      });
    }
    const { draft, opened, commits } = FileDraft.open(this.options);
    this.draft = draft;
    if (draft?.resumed) this.resume(commits, draft.resumed);
    else draft?.file.write(MAGIC);
    return opened;
  }

  write(batch: SinkBatch): void {
    const given = prepareBatch(batch);
    if (this.schema === null) checkParquetTypes(given.schema.fields, this.options.path);
    const rows = adaptBatch(given);
    this.schema ??= rows.schema;
    // The IPC writer would leave the batch out without a word.
    if (!util.compareSchemas(this.schema, rows.schema)) throw changedColumns(this.options.path);
    this.draft!.take(batch);
    if (losspoint("drop-sink-rows")) return;
    this.nullLists ||= hasNullFixedSizeLists(rows);
    this.pending.push(rows);
    this.buffers.push(...buffersOf(batch.columns));
    this.pendingRows += rows.numRows;
    this.pendingBytes += batch.rows === 0 ? 0 : (batch.columns.bytes / batch.rows) * rows.numRows;
    this.rowsTaken += rows.numRows;
    if (this.pendingRows >= this.options.commitRows || this.pendingBytes >= this.options.commitBytes) this.commit();
  }

  commit(): void {
    if (this.schema === null) return;
    failpoint("commit-begun");
    this.flush();
    const more: ParquetCommit = {
      groups: this.rowGroups.slice(this.groupsNoted).map(base64),
      nullLists: this.nullLists,
    };
    if (this.groupsNoted === 0 && this.firstFooter !== null)
      more.start = { footer: base64(this.firstFooter), schema: base64(toIpcStream([], this.schema)) };
    this.draft!.commit(this.rowsTaken, more);
    this.groupsNoted = this.rowGroups.length;
  }

  finish(record: RunRecord): SinkResult {
    const { draft, schema } = this;
    failpoint("finish-begun");
    if (draft === null || schema === null) {
      throw new BatchPredictError("BP_INTERNAL", "the output was finished before its columns were known: no batch came", {
        where: { file: this.options.path },
      });
    }
    if (this.pendingRows > 0 || this.first === null) this.commit();
    const { file } = draft;
    const { meta, keyValues } = this.first!;
    const entries = new Map(keyValues);
    if (this.nullLists) entries.set(ARROW_SCHEMA_KEY, arrowSchemaOf(schema));
    entries.set(RECORD_KEY, JSON.stringify(record));
    file.write(encodeFooter(meta, { rows: BigInt(this.rowsTaken), rowGroups: this.rowGroups, keyValues: entries }));
    const rows = this.countAgain(file);
    return draft.publish(rows, record, { replace: this.options.ifExists === "replace" });
  }

  suspend(): { resumable: boolean; bytes: number } {
    return this.draft?.suspend() ?? { resumable: false, bytes: 0 };
  }

  abort(): void {
    this.draft?.discard();
    this.pending = [];
  }

  private resume(commits: readonly JournalCommit[], last: JournalCommit): void {
    for (const { more } of commits) {
      const { groups, nullLists, start } = more as ParquetCommit;
      this.nullLists = nullLists;
      for (const group of groups) this.rowGroups.push(new Uint8Array(Buffer.from(group, "base64")));
      if (!start) continue;
      this.firstFooter = new Uint8Array(Buffer.from(start.footer, "base64"));
      this.first = footerOf(this.firstFooter, this.options.path);
      this.schema = RecordBatchReader.from(new Uint8Array(Buffer.from(start.schema, "base64"))).open().schema;
    }
    this.groupsNoted = this.rowGroups.length;
    this.rowsTaken = last.rows;
  }

  private flush(): void {
    const { path } = this.options;
    if (this.pendingRows === 0 && this.first !== null) return;
    const { body, bodyStart, footer, tail } = encodeRowGroup(this.schema!, this.pending, path);
    if (this.first !== null && !sameSchema(this.first, footer)) throw changedColumns(path);
    if (this.first === null) {
      this.first = footer;
      this.firstFooter = tail;
    }
    const { file } = this.draft!;
    const delta = file.bytesWritten - bodyStart;
    for (const group of footer.rowGroups) this.rowGroups.push(moveRowGroup(group, delta, this.rowGroups.length));
    file.write(body);
    releaseBuffers(this.buffers.splice(0));
    this.pending = [];
    this.pendingRows = 0;
    this.pendingBytes = 0;
  }

  /** From the file as it is on the way to the disk, not from what we believe we wrote. */
  private countAgain(file: PartialFile): number {
    const { path } = this.options;
    const footer = readFooterSync(file.fd, path);
    const rows = footer.rowGroups.reduce((sum, group) => sum + readRowGroup(group, path).rows, 0);
    checkCounted(path, rows, this.rowsTaken);
    checkCounted(path, footer.rows, this.rowsTaken);
    return rows;
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function changedColumns(file: string): BatchPredictError {
  return new BatchPredictError("BP_INTERNAL", "the columns of the output changed during the run", { where: { file } });
}
