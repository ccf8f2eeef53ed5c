/**
 * Predictions as JSON Lines: one object per row (RFC 8259, UTF-8, line feeds), members in the order of the output's columns. Values by
 * the rules of values/arrow-text.ts: int64 in all its digits, lists as arrays, dates and times as ISO 8601 text, a missing value as
 * null. JSON has no NaN and no infinities: they are the strings "NaN", "Infinity" and "-Infinity", as in proto3's JSON mapping,
 * which our own source and most readers take for the numbers again.
 */
import fs from "node:fs";
import type { RecordBatch } from "apache-arrow";
import { BatchPredictError } from "../../core/errors.ts";
import { failpoint, losspoint } from "../../core/failpoint.ts";
import type { RunRecord, Sink, SinkBatch, SinkOpened, SinkOptions, SinkResult } from "../../core/sink.ts";
import { textReader } from "../../values/arrow-text.ts";
import { FileDraft } from "../file-draft.ts";
import { checkCounted } from "../partial-file.ts";
import { prepareBatch } from "../prepare-batch.ts";

/** Text is encoded and written in pieces of about this many characters. */
const BLOCK_CHARS = 1 << 18;
const BLOCK_BYTES = 1 << 20;

export function openJsonlSink(options: SinkOptions): Sink {
  return new JsonlSink(options);
}

class JsonlSink implements Sink {
  private draft: FileDraft | null = null;
  private rowsTaken = 0;
  private pendingRows = 0;
  private pendingBytes = 0;

  constructor(private readonly options: SinkOptions) {}

  open(): SinkOpened {
    const { draft, opened } = FileDraft.open(this.options);
    this.draft = draft;
    if (draft?.resumed) this.rowsTaken = draft.resumed.rows;
    return opened;
  }

  write(batch: SinkBatch): void {
    const rows = prepareBatch(batch);
    this.draft!.take(batch);
    if (losspoint("drop-sink-rows")) return;
    this.writeRows(rows);
    this.rowsTaken += rows.numRows;
    this.pendingRows += rows.numRows;
    this.pendingBytes += batch.columns.bytes;
    if (this.pendingRows >= this.options.commitRows || this.pendingBytes >= this.options.commitBytes) this.commit();
  }

  commit(): void {
    failpoint("commit-begun");
    this.draft!.commit(this.rowsTaken, {});
    this.pendingRows = 0;
    this.pendingBytes = 0;
  }

  finish(record: RunRecord): SinkResult {
    failpoint("finish-begun");
    const { options, draft } = this;
    if (draft === null) throw new BatchPredictError("BP_INTERNAL", "the output was finished before it was opened");
    if (this.pendingRows > 0) this.commit();
    const rows = countLines(draft.file.fd);
    checkCounted(options.path, rows, this.rowsTaken);
    return draft.publish(rows, record, { replace: options.ifExists !== "fail" });
  }

  suspend(): { resumable: boolean; bytes: number } {
    return this.draft?.suspend() ?? { resumable: false, bytes: 0 };
  }

  abort(): void {
    this.draft?.discard();
  }

  private writeRows(rows: RecordBatch): void {
    const read = textReader(rows.data);
    let text = "";
    for (let row = 0; row < rows.numRows; row++) {
      text += `${read(row)}\n`;
      if (text.length < BLOCK_CHARS) continue;
      this.draft!.file.write(Buffer.from(text));
      text = "";
    }
    this.draft!.file.write(Buffer.from(text));
  }
}

/** JSON escapes line feeds within strings, so every one ends a row. */
function countLines(fd: number): number {
  const block = Buffer.alloc(BLOCK_BYTES);
  let lines = 0;
  for (let position = 0; ; ) {
    const length = fs.readSync(fd, block, 0, BLOCK_BYTES, position);
    if (length === 0) return lines;
    const bytes = block.subarray(0, length);
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++;
    position += length;
  }
}
