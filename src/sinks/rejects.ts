/**
 * Rejected rows as a CSV file of their own: `row,line,byte,column,code,message,raw` (RFC 4180 quoting, line feeds), published
 * together with the predictions. The table variant of SQLite is the SQLite sink's.
 *
 * Which file is under the name afterwards:
 * - rejects, `fail`: a file that exists already is an error at open, as for the output itself;
 * - rejects, `replace`: the new rejects; `append` and `upsert`: the old ones, then the new ones;
 * - no rejects: nothing is written. With `replace` an older rejects file is removed, because beside the new output it would be read
 *   as its rejects; only a file with our header is ever removed.
 */
import fs from "node:fs";
import { BatchPredictError } from "../core/errors.ts";
import type { RejectedRow, SinkOptions } from "../core/sink.ts";
import type { JournalHeader, JournalPublish } from "./journal.ts";
import { moveIntoPlace, openPartial, type PartialFile } from "./partial-file.ts";
import { rejectsPath } from "./rejects-path.ts";

export { rejectsPath };

export const REJECT_COLUMNS = ["row", "line", "byte", "column", "code", "message", "raw"] as const;
const HEADER = `${REJECT_COLUMNS.join(",")}\n`;
const BUFFER_CHARS = 1 << 16;

export interface RejectsWriter {
  /** @throws BP_DISK_FULL, BP_OUTPUT_WRITE */
  write(rows: readonly RejectedRow[]): void;
  /** Everything so far is in the file. @returns what a journal must know to go on */
  flush(): RejectsState;
  /** On disk, and the inode that will appear; null: nothing will be published. */
  prepare(): number | null;
  /** @returns the file's path, or null when there was nothing to publish */
  publish(): { path: string | null };
  /** Leaves the file for the next run of the same work. Never throws. */
  close(): void;
  /** Never throws. */
  discard(): void;
}

export interface RejectsState {
  rows: number;
  bytes: number;
  crc: number;
}

/**
 * @returns null when rejects are not kept, or go into the SQLite database
 * @throws BP_OUTPUT_EXISTS, BP_OUTPUT_PATH before the first row
 */
export function openRejects(options: SinkOptions, resume: RejectsState | null = null): RejectsWriter | null {
  const target = rejectsPath(options);
  if (target === null) return null;
  if (resume !== null) {
    const file = openPartial(target, options.runId, { resume: true });
    file.truncate(resume.bytes, resume.crc);
    return new CsvRejects(file, target, options.ifExists, resume.rows);
  }
  const exists = fs.existsSync(target);
  const appends = options.ifExists === "append" || options.ifExists === "upsert";
  if (exists && (options.ifExists === "fail" || (appends && !hasOurHeader(target)))) throw rejectsExist(target, appends);
  const file = openPartial(target, options.runId);
  try {
    if (exists && appends) copyInto(file, target);
    else file.write(Buffer.from(HEADER));
  } catch (error) {
    file.discard();
    throw error;
  }
  return new CsvRejects(file, target, options.ifExists);
}

class CsvRejects implements RejectsWriter {
  private pending = "";

  constructor(
    private readonly file: PartialFile,
    private readonly target: string,
    private readonly ifExists: SinkOptions["ifExists"],
    private rows = 0,
  ) {}

  write(rows: readonly RejectedRow[]): void {
    for (const row of rows) {
      this.pending += `${REJECT_COLUMNS.map((column) => quote(row[column])).join(",")}\n`;
      if (this.pending.length >= BUFFER_CHARS) this.drain();
    }
    this.rows += rows.length;
  }

  flush(): RejectsState {
    this.drain();
    return { rows: this.rows, bytes: this.file.bytesWritten, crc: this.file.crc };
  }

  prepare(): number | null {
    this.drain();
    if (this.rows === 0) return null;
    this.file.sync();
    return fs.fstatSync(this.file.fd).ino;
  }

  close(): void {
    this.file.close();
  }

  publish(): { path: string | null } {
    if (this.rows === 0) {
      this.file.discard();
      if (this.ifExists === "replace" && hasOurHeader(this.target)) fs.rmSync(this.target, { force: true });
      return { path: null };
    }
    this.drain();
    this.file.publish({ replace: this.ifExists !== "fail" });
    return { path: this.target };
  }

  discard(): void {
    this.file.discard();
  }

  private drain(): void {
    this.file.write(Buffer.from(this.pending));
    this.pending = "";
  }
}

/** Carries out what `publish` would have done for a run that died after it had noted it. */
export function settleRejects({ rejects }: JournalHeader, publish: JournalPublish): void {
  if (rejects === null) return;
  const { tempPath, finalPath } = rejects;
  if (publish.rejects === null) {
    fs.rmSync(tempPath, { force: true });
    if (publish.replace && hasOurHeader(finalPath)) fs.rmSync(finalPath, { force: true });
  } else if (fs.existsSync(tempPath)) {
    if (fs.statSync(finalPath, { throwIfNoEntry: false })?.ino === publish.rejects) fs.unlinkSync(tempPath);
    else moveIntoPlace(tempPath, finalPath, publish);
  }
}

function quote(value: string | number | null): string {
  if (value === null) return "";
  const text = String(value);
  return text === "" || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function hasOurHeader(target: string): boolean {
  let fd: number;
  try {
    fd = fs.openSync(target, "r");
  } catch {
    return false;
  }
  try {
    const start = Buffer.alloc(HEADER.length);
    const length = fs.readSync(fd, start, 0, start.length, 0);
    return start.toString("utf8", 0, length) === HEADER;
  } finally {
    fs.closeSync(fd);
  }
}

function copyInto(file: PartialFile, from: string): void {
  const fd = fs.openSync(from, "r");
  try {
    const block = Buffer.alloc(1 << 16);
    for (let length = fs.readSync(fd, block); length > 0; length = fs.readSync(fd, block)) file.write(block.subarray(0, length));
  } finally {
    fs.closeSync(fd);
  }
}

function rejectsExist(target: string, appends: boolean): BatchPredictError {
  const why = appends ? "exists already and is not a rejects file" : "exists already and is left as it is";
  return new BatchPredictError("BP_OUTPUT_EXISTS", `the rejects file ${target} ${why}`, {
    where: { file: target },
    hints: appends
      ? ["choose another --rejects path"]
      : ["choose another --rejects path, or overwrite it with --if-exists replace"],
  });
}
