/**
 * The journal of a run: beside its output, `.<output>[.t-<table>].<runId>.<owner>.journal`. Its name says who owns the run (see
 * process-owner.ts), and taking a dead run over is one rename. Its lines say what the run is and, for file outputs, how far its
 * temporary files are committed. A line is `<crc32> <json>`: a torn last line, and zeros that a power cut left, count as not written.
 * Any other line that its checksum does not fit was changed by somebody, and is never guessed at.
 * SQLite outputs keep their checkpoint in the database, in the transaction of the rows; their journal has no commit lines.
 */
import fs from "node:fs";
import path from "node:path";
import { crc32 } from "node:zlib";
import type { Checkpoint, Fingerprint } from "../core/checkpoint.ts";
import { isErrno } from "../core/errors.ts";
import { ignoring, labelOf, runTag, writeError } from "./partial-file.ts";
import { noOwner, ownOwner } from "./process-owner.ts";

export interface JournalHeader {
  kind: "run";
  version: 1;
  runId: string;
  /** null: cannot be gone on with. */
  fingerprint: Fingerprint | null;
  startedAt: string | null;
  /** As the user named it, and the file that will appear. */
  output: string;
  finalPath: string;
  tempPath: string;
  rejects: { finalPath: string; tempPath: string } | null;
}

export interface JournalCommit {
  kind: "commit";
  checkpoint: Checkpoint;
  /** Rows in the temporary file. */
  rows: number;
  /** Length and checksum of the temporary file up to this commit. */
  bytes: number;
  crc: number;
  rejects: { rows: number; bytes: number; crc: number } | null;
  /** What the format must know to go on. */
  more: unknown;
}

/** Everything is on disk; only renames (SQLite: the merging transaction) are left. */
export interface JournalPublish {
  kind: "publish";
  checkpoint: Checkpoint;
  rows: number;
  bytes: number;
  /** Inode of the temporary file, null where a database is merged into. */
  output: number | null;
  rejects: number | null;
  replace: boolean;
}

type JournalLine = JournalHeader | JournalCommit | JournalPublish;

export interface JournalContent {
  header: JournalHeader | null;
  commits: JournalCommit[];
  publish: JournalPublish | null;
  /** Counted from 1: a line that was written whole and is not what was written. */
  damagedLine: number | null;
  /** Bytes of the valid lines up to the header, after each commit, and in all. */
  ends: { header: number; commits: number[]; all: number };
}

export class Journal {
  /** What people are told about when a line cannot be written: they know their output, not its journal. */
  output: string | null = null;

  private constructor(
    readonly file: string,
    private readonly fd: number,
    private position: number,
  ) {}

  /** An empty one: the output is asked for, not yet taken. */
  static create(prefix: string, runId: string): Journal {
    const file = `${prefix}${runTag(runId)}.${ownOwner()}.journal`;
    return new Journal(file, fs.openSync(file, "wx", 0o600), 0);
  }

  /** @returns null when somebody else was quicker */
  static takeOver(file: string, prefix: string, runId: string): Journal | null {
    const own = `${prefix}${runTag(runId)}.${ownOwner()}.journal`;
    try {
      fs.renameSync(file, own);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return null;
      throw error;
    }
    return new Journal(own, fs.openSync(own, "r+"), fs.statSync(own).size);
  }

  /** @throws BP_DISK_FULL, BP_OUTPUT_WRITE */
  append(line: JournalLine, { sync = false } = {}): void {
    const json = JSON.stringify(line);
    const bytes = Buffer.from(`${checksum(json)} ${json}\n`);
    try {
      for (let done = 0; done < bytes.length; ) {
        const count = fs.writeSync(this.fd, bytes, done, bytes.length - done, this.position + done);
        done += count;
      }
      if (sync) fs.fsyncSync(this.fd);
    } catch (error) {
      throw writeError(error, this.output ?? this.file);
    }
    this.position += bytes.length;
  }

  /** Forgets lines behind `position`. */
  truncate(position: number): void {
    fs.ftruncateSync(this.fd, position);
    this.position = position;
  }

  /** false: another process took the run over, thinking this one dead. */
  stillOurs(): boolean {
    return fs.existsSync(this.file);
  }

  close(): void {
    ignoring(() => fs.closeSync(this.fd));
  }

  /** Leaves the run to whoever goes on with it, in this process or another. */
  disown(): void {
    this.close();
    ignoring(() => fs.renameSync(this.file, this.file.replace(/\d+-\d+-[0-9a-f]{8}(?=\.journal$)/, noOwner())));
  }

  remove(): void {
    this.close();
    ignoring(() => fs.unlinkSync(this.file));
  }
}

/** Path up to the run id. @param table of a SQLite output: runs into different tables of one database do not meet */
export function journalPrefix(finalPath: string, table: string | null): string {
  const tag = table === null ? "" : `t-${checksum(table.toLowerCase())}.`;
  return path.join(path.dirname(finalPath), `.${labelOf(finalPath)}.${tag}`);
}

export interface JournalFile {
  file: string;
  runTag: string;
  owner: string;
  size: number;
  mtimeMs: number;
}

export function journalsOf(prefix: string): JournalFile[] {
  const folder = path.dirname(prefix);
  const start = path.basename(prefix);
  let names: string[] = [];
  ignoring(() => {
    names = fs.readdirSync(folder);
  });
  const found: JournalFile[] = [];
  for (const name of names) {
    if (!name.startsWith(start)) continue;
    const parts = /^([\w-]+)\.(\d+-\d+-[0-9a-f]{8})\.journal$/.exec(name.slice(start.length));
    if (parts === null) continue;
    const file = path.join(folder, name);
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    if (stat) found.push({ file, runTag: parts[1]!, owner: parts[2]!, size: stat.size, mtimeMs: stat.mtimeMs });
  }
  return found;
}

export function readJournal(file: string): JournalContent {
  const ends = { header: 0, commits: [], all: 0 };
  const content: JournalContent = { header: null, commits: [], publish: null, damagedLine: null, ends };
  const bytes = fs.readFileSync(file);
  for (let start = 0, number = 1; start < bytes.length; number++) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0) break;
    const line = parseLine(bytes.toString("utf8", start, end));
    if (line === null || (content.header === null) !== (line.kind === "run")) {
      if (!bytes.subarray(start, end).includes(0)) content.damagedLine = number;
      break;
    }
    start = end + 1;
    content.ends.all = start;
    if (line.kind === "run") {
      content.header = line;
      content.ends.header = start;
    } else if (line.kind === "commit") {
      content.commits.push(line);
      content.ends.commits.push(start);
      // A run that was gone on with after all: what it had noted before is void.
      content.publish = null;
    } else {
      content.publish = line;
    }
  }
  return content;
}

function parseLine(text: string): JournalLine | null {
  const json = text.slice(9);
  return text.slice(0, 8) === checksum(json) ? (JSON.parse(json) as JournalLine) : null;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
