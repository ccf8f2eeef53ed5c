/**
 * Predictions as an Arrow IPC file (Feather version 2), uncompressed, one record batch per commit, so that memory is bounded by
 * commitRows and commitBytes. The run's record stands in the metadata of the footer's schema, which readers of files use; the
 * schema at the start, which only readers of streams see, is written before the counts are known and has none.
 */
import { type Data, makeData, RecordBatch, RecordBatchReader, Schema, Struct, util } from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import { failpoint, losspoint } from "../../core/failpoint.ts";
import type { RunRecord, Sink, SinkBatch, SinkOpened, SinkOptions, SinkResult } from "../../core/sink.ts";
import { plainType, rowRange, takePieces, takeRows } from "../../values/arrow-take.ts";
import { linear } from "../../values/linear-schema.ts";
import { FileDraft } from "../file-draft.ts";
import type { JournalCommit } from "../journal.ts";
import { checkCounted } from "../partial-file.ts";
import { prepareBatch, toIpcStream } from "../prepare-batch.ts";
import { countArrowRows } from "./count-rows.ts";
import { type BlockPlace, FooterWriter } from "./footer-writer.ts";

export const RECORD_KEY = "batchpredict";

export function openArrowSink(options: SinkOptions): Sink {
  return new ArrowSink(options);
}

/** What a commit adds to what those before it said. */
interface ArrowCommit {
  /** Record batches since the last commit. */
  blocks: BlockPlace[];
  /** With the first: the columns as an Arrow IPC stream without rows, base64. */
  schema?: string;
}

class ArrowSink implements Sink {
  private draft: FileDraft | null = null;
  private writer: FooterWriter | null = null;
  private schema: Schema | null = null;
  private pending: RecordBatch[] = [];
  private pendingRows = 0;
  private pendingBytes = 0;
  private rowsTaken = 0;
  private blocksNoted = 0;
  private schemaNoted = false;

  constructor(private readonly options: SinkOptions) {}

  open(): SinkOpened {
    const { path, ifExists } = this.options;
    if (ifExists === "append" || ifExists === "upsert") {
      throw new BatchPredictError("BP_CONFIG", `--if-exists ${ifExists} is not possible with Arrow output ${path}`, {
        where: { file: path },
        expected: "--if-exists fail or replace",
        hints: ["write to a SQLite file (.db) to add to what is there, or use --if-exists replace"],
      });
    }
    const { draft, opened, commits } = FileDraft.open(this.options);
    this.draft = draft;
    if (draft?.resumed) this.resume(commits, draft.resumed);
    return opened;
  }

  write(batch: SinkBatch): void {
    const rows = plainBatch(prepareBatch(batch));
    this.start(rows.schema);
    this.draft!.take(batch);
    if (losspoint("drop-sink-rows")) return;
    this.pending.push(rows);
    this.pendingRows += rows.numRows;
    this.pendingBytes += batch.rows === 0 ? 0 : (batch.columns.bytes / batch.rows) * rows.numRows;
    this.rowsTaken += rows.numRows;
    if (this.pendingRows >= this.options.commitRows || this.pendingBytes >= this.options.commitBytes) this.commit();
  }

  commit(): void {
    const { writer, schema } = this;
    if (writer === null || schema === null) return;
    failpoint("commit-begun");
    this.flush();
    writer.drain();
    const more: ArrowCommit = { blocks: writer.blocks.slice(this.blocksNoted) };
    if (!this.schemaNoted) more.schema = Buffer.from(toIpcStream([], schema)).toString("base64");
    this.draft!.commit(this.rowsTaken, more);
    this.blocksNoted = writer.blocks.length;
    this.schemaNoted = true;
  }

  finish(record: RunRecord): SinkResult {
    const { draft, writer, options } = this;
    failpoint("finish-begun");
    if (draft === null || writer === null) {
      throw new BatchPredictError("BP_INTERNAL", "the output was finished before its columns were known: no batch came", {
        where: { file: options.path },
      });
    }
    if (this.pendingRows > 0) this.commit();
    writer.end(new Map([[RECORD_KEY, JSON.stringify(record)]]));
    const rows = countArrowRows(draft.file.fd, options.path);
    checkCounted(options.path, rows, this.rowsTaken);
    return draft.publish(rows, record, { replace: options.ifExists === "replace" });
  }

  suspend(): { resumable: boolean; bytes: number } {
    return this.draft?.suspend() ?? { resumable: false, bytes: 0 };
  }

  abort(): void {
    this.draft?.discard();
    this.pending = [];
  }

  private resume(commits: readonly JournalCommit[], last: JournalCommit): void {
    const parts = commits.map(({ more }) => more as ArrowCommit);
    const { schema } = parts.find((part) => part.schema !== undefined)!;
    this.schema = RecordBatchReader.from(new Uint8Array(Buffer.from(schema!, "base64"))).open().schema;
    this.writer = new FooterWriter(this.draft!.file);
    this.writer.resume(
      this.schema,
      parts.flatMap(({ blocks }) => blocks),
      last.bytes,
    );
    this.blocksNoted = this.writer.blocks.length;
    this.schemaNoted = true;
    this.rowsTaken = last.rows;
  }

  private start(schema: Schema): void {
    if (this.schema === null) {
      this.schema = schema;
      this.writer = new FooterWriter(this.draft!.file);
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
  return batchOf(linear(new Schema(plain, metadata)), batch.numRows, children);
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
