/**
 * Predictions as CSV: RFC 4180, UTF-8, header, line feeds (an appended-to file keeps its own line ends). Appending writes the
 * old content and the new rows under a temporary name, so that a kill leaves the old file; it costs one copy of the old file.
 */
import fs from "node:fs";
import type { RecordBatch } from "apache-arrow";
import { parse } from "csv-parse/sync";
import { BatchPredictError } from "../../core/errors.ts";
import { failpoint, losspoint } from "../../core/failpoint.ts";
import type { RunRecord, Sink, SinkBatch, SinkOpened, SinkOptions, SinkResult } from "../../core/sink.ts";
import { FileDraft } from "../file-draft.ts";
import { checkCounted, type PartialFile } from "../partial-file.ts";
import { prepareBatch } from "../prepare-batch.ts";
import { countRecords } from "./count-records.ts";
import { cellReader, quoteCell } from "./csv-cells.ts";

/** Text is encoded and written in pieces of about this many characters. */
const BLOCK_CHARS = 1 << 18;
const COPY_BLOCK_BYTES = 1 << 20;

export function openCsvSink(options: SinkOptions): Sink {
  return new CsvSink(options);
}

/** What a run must know to go on behind a commit. */
interface CsvCommit {
  names: string[];
  lineEnd: string;
  rowsStart: number;
  old: OldFile | null;
}

/** A file as it was when it was looked at. */
interface OldFile {
  ino: number;
  size: number;
  mtimeMs: number;
}

class CsvSink implements Sink {
  private draft: FileDraft | null = null;
  /** The file to be added to, as it was when it was copied; null: there was none. */
  private old: OldFile | null = null;
  private names: string[] | null = null;
  private lineEnd = "\n";
  /** Byte at which this run's rows begin. */
  private rowsStart = 0;
  private rowsTaken = 0;
  private pendingRows = 0;
  private pendingBytes = 0;

  constructor(private readonly options: SinkOptions) {}

  open(): SinkOpened {
    const { draft, opened } = FileDraft.open(this.options);
    this.draft = draft;
    if (draft?.resumed) {
      const { rows, more } = draft.resumed;
      Object.assign(this, more as CsvCommit);
      this.rowsTaken = rows;
      if (this.options.ifExists === "append" && changed(this.old, this.options.path)) {
        draft.suspend();
        throw changedSince(this.options.path);
      }
    }
    return opened;
  }

  write(batch: SinkBatch): void {
    const rows = prepareBatch(batch);
    if (this.names === null) this.begin(rows);
    this.draft!.take(batch);
    if (losspoint("drop-sink-rows")) return;
    this.writeRows(rows);
    this.rowsTaken += rows.numRows;
    this.pendingRows += rows.numRows;
    this.pendingBytes += batch.columns.bytes;
    if (this.pendingRows >= this.options.commitRows || this.pendingBytes >= this.options.commitBytes) this.commit();
  }

  commit(): void {
    const { names, lineEnd, rowsStart, old } = this;
    if (names === null) return;
    failpoint("commit-begun");
    this.draft!.commit(this.rowsTaken, { names, lineEnd, rowsStart, old } satisfies CsvCommit);
    this.pendingRows = 0;
    this.pendingBytes = 0;
  }

  finish(record: RunRecord): SinkResult {
    const { options, draft } = this;
    failpoint("finish-begun");
    if (draft === null || this.names === null) {
      throw new BatchPredictError("BP_INTERNAL", "the output was finished before its columns were known: no batch came", {
        where: { file: options.path },
      });
    }
    if (this.pendingRows > 0) this.commit();
    const rows = countRecords(draft.file.fd, this.rowsStart);
    checkCounted(options.path, rows, this.rowsTaken);
    if (options.ifExists === "append" && changed(this.old, options.path)) throw changedMeanwhile(options.path);
    return draft.publish(rows, record, { replace: options.ifExists !== "fail" });
  }

  suspend(): { resumable: boolean; bytes: number } {
    return this.draft?.suspend() ?? { resumable: false, bytes: 0 };
  }

  abort(): void {
    this.draft?.discard();
  }

  private begin(first: RecordBatch): void {
    const { file } = this.draft!;
    const names = first.schema.fields.map(({ name }) => name);
    checkNames(names, this.options.path);
    this.names = names;
    if (this.options.ifExists === "append") this.old = lookAt(this.options.path);
    if (this.old !== null && this.old.size > 0) {
      this.copyOld(file, names);
    } else {
      file.write(Buffer.from(names.map(quoteCell).join(",") + this.lineEnd));
    }
    this.rowsStart = file.bytesWritten;
  }

  private copyOld(file: PartialFile, names: string[]): void {
    const { path } = this.options;
    const fd = fs.openSync(path, "r");
    try {
      const block = Buffer.alloc(COPY_BLOCK_BYTES);
      let last = 0;
      for (let length = fs.readSync(fd, block); length > 0; length = fs.readSync(fd, block)) {
        const bytes = block.subarray(0, length);
        if (file.bytesWritten === 0) this.lineEnd = checkHeader(bytes, names, path);
        file.write(bytes);
        last = bytes[length - 1]!;
      }
      if (last !== 0x0a) file.write(Buffer.from(this.lineEnd));
    } finally {
      fs.closeSync(fd);
    }
  }

  private writeRows(rows: RecordBatch): void {
    const readers = rows.data.children.map((data) => cellReader(data, this.names!.length === 1));
    const [first, ...others] = readers;
    let text = "";
    for (let row = 0; row < rows.numRows; row++) {
      text += first!(row);
      for (const read of others) text += `,${read(row)}`;
      text += this.lineEnd;
      if (text.length >= BLOCK_CHARS) {
        this.draft!.file.write(Buffer.from(text));
        text = "";
      }
    }
    this.draft!.file.write(Buffer.from(text));
  }
}

/** @returns the line end of the file. @throws BP_CONFIG when its columns are not ours, in our order */
function checkHeader(head: Buffer, names: string[], path: string): string {
  let found: string[];
  try {
    found = (parse(head, { bom: true, to: 1, relax_column_count: true }) as string[][])[0] ?? [];
  } catch {
    found = [];
  }
  if (found.length === names.length && found.every((name, at) => name === names[at])) {
    return head[headerEnd(head) - 1] === 0x0d ? "\r\n" : "\n";
  }
  const missing = names.find((name, at) => found[at] !== name) ?? found[names.length]!;
  throw new BatchPredictError("BP_CONFIG", `cannot append to ${path}: its header is not that of the predictions`, {
    where: { file: path, line: 1, column: missing },
    expected: `header ${names.map(quoteCell).join(",")}`,
    actual: found.length === 0 ? "no CSV header in UTF-8" : `header ${found.map(quoteCell).join(",")}`,
    hints: ["choose the columns with --keep and --outputs NAME=ALIAS", "write to another --output, or use --if-exists replace"],
  });
}

/** Index of the line feed that ends the header. */
function headerEnd(head: Buffer): number {
  let quoted = false;
  for (let at = 0; at < head.length; at++) {
    if (head[at] === 0x22) quoted = !quoted;
    else if (head[at] === 0x0a && !quoted) return at;
  }
  return head.length;
}

function checkNames(names: string[], path: string): void {
  const twin = names.find((name, at) => names.indexOf(name) !== at);
  if (twin === undefined) return;
  throw new BatchPredictError("BP_CONFIG", `the output would have two columns named "${twin}"`, {
    where: { file: path, column: twin },
    hints: ["leave one of them out with --keep, or rename a model output with --outputs NAME=ALIAS"],
  });
}

function lookAt(path: string): OldFile | null {
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? null : { ino: stat.ino, size: stat.size, mtimeMs: stat.mtimeMs };
}

function changed(old: OldFile | null, path: string): boolean {
  const now = lookAt(path);
  return now?.ino !== old?.ino || now?.size !== old?.size || now?.mtimeMs !== old?.mtimeMs;
}

function changedSince(path: string): BatchPredictError {
  return new BatchPredictError("BP_RESUME_MISMATCH", `${path} was changed since the interrupted run copied it to append to it`, {
    where: { file: path },
    hints: ["start over with --fresh, which appends to the file as it is now"],
    exitCode: 2,
  });
}

function changedMeanwhile(path: string): BatchPredictError {
  return new BatchPredictError(
    "BP_OUTPUT_WRITE",
    `${path} was changed by another program while rows were appended to a copy of it`,
    {
      where: { file: path },
      hints: ["nothing was published: run again when the other program is done"],
    },
  );
}
