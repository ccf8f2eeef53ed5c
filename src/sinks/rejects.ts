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
import path from "node:path";
import { BatchPredictError } from "../core/errors.ts";
import type { RejectedRow, SinkOptions } from "../core/sink.ts";
import { openPartial, type PartialFile } from "./partial-file.ts";

export const REJECT_COLUMNS = ["row", "line", "byte", "column", "code", "message", "raw"] as const;
const HEADER = `${REJECT_COLUMNS.join(",")}\n`;
const BUFFER_CHARS = 1 << 16;

export interface RejectsWriter {
  /** @throws BP_DISK_FULL, BP_OUTPUT_WRITE */
  write(rows: readonly RejectedRow[]): void;
  /** @returns the file's path, or null when there was nothing to publish */
  publish(): { path: string | null };
  /** Never throws. */
  discard(): void;
}

/** Where rejects go when the user did not say: `<output without extension>.rejects.csv`. */
export function rejectsPath(options: SinkOptions): string | null {
  if (options.rejects === null) return null;
  if (options.rejects.path !== null) return options.rejects.path;
  if (options.format === "sqlite") return null;
  const { dir, name } = path.parse(options.path);
  return path.join(dir, `${name}.rejects.csv`);
}

/**
 * @returns null when rejects are not kept, or go into the SQLite database
 * @throws BP_OUTPUT_EXISTS, BP_OUTPUT_PATH before the first row
 */
export function openRejects(options: SinkOptions): RejectsWriter | null {
  const target = rejectsPath(options);
  if (target === null) return null;
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
  private rows = 0;

  constructor(
    private readonly file: PartialFile,
    private readonly target: string,
    private readonly ifExists: SinkOptions["ifExists"],
  ) {}

  write(rows: readonly RejectedRow[]): void {
    for (const row of rows) {
      this.pending += `${REJECT_COLUMNS.map((column) => quote(row[column])).join(",")}\n`;
      if (this.pending.length >= BUFFER_CHARS) this.flush();
    }
    this.rows += rows.length;
  }

  publish(): { path: string | null } {
    if (this.rows === 0) {
      this.file.discard();
      if (this.ifExists === "replace" && hasOurHeader(this.target)) fs.rmSync(this.target, { force: true });
      return { path: null };
    }
    this.flush();
    this.file.publish({ replace: this.ifExists !== "fail" });
    return { path: this.target };
  }

  discard(): void {
    this.file.discard();
  }

  private flush(): void {
    this.file.write(Buffer.from(this.pending));
    this.pending = "";
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
