/** The pen of a running run: begin, journal, progress, end. All methods are synchronous and take well under a millisecond. */
import fs from "node:fs";
import path from "node:path";
import type { RunSummary } from "../core/events.ts";
import { type BeginLine, type RecordLine, recordsFolder } from "./record.ts";
import { type Redact, redacting } from "./redact.ts";

/** Progress is written over itself: a line of always the same length at the end of the file. */
const PROGRESS_BYTES = 160;
const PROGRESS_EVERY_MS = 1000;

export class RunRecorder {
  #id: string;
  #fd: number;
  /** Where the next line goes; a progress line stands behind it. */
  #position: number;
  #toldMs: number;
  readonly #folder: string;
  readonly #begin: BeginLine;
  readonly #movable: boolean;
  readonly #redact: Redact;

  /**
   * @param movable the id is only a proposal: a run that goes on with an interrupted one is written down under that one's
   * @throws fs errors: the history cannot be written
   */
  constructor(stateDir: string, id: string, begin: BeginLine, { movable, redact }: { movable: boolean; redact: Redact }) {
    this.#folder = recordsFolder(stateDir);
    this.#id = id;
    this.#movable = movable;
    this.#redact = redact;
    this.#begin = begin;
    this.#toldMs = Date.parse(begin.at);
    fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    [this.#fd, this.#position] = openAtEnd(this.#file(id));
    this.#append(begin);
  }

  /** The sink has the output, and says whose run this is. */
  goesOnAs(id: string): void {
    if (id === this.#id) return;
    if (!this.#movable) {
      this.#append({ kind: "journal", run_id: id });
      return;
    }
    const proposal = this.#file(this.#id);
    const [fd, position] = openAtEnd(this.#file(id));
    fs.closeSync(this.#fd);
    this.#fd = fd;
    this.#position = position;
    this.#id = id;
    this.#append(this.#begin);
    // Last: killed before it, the run stands twice in the history, and never not at all.
    fs.rmSync(proposal, { force: true });
  }

  progress(rowsRead: number, rowsTotal: number | null, now: Date): void {
    if (now.getTime() - this.#toldMs < PROGRESS_EVERY_MS) return;
    this.#toldMs = now.getTime();
    const line: RecordLine = { kind: "progress", at: now.toISOString(), rows_read: rowsRead, rows_total: rowsTotal };
    const bytes = Buffer.from(`${JSON.stringify(line).padEnd(PROGRESS_BYTES - 1)}\n`);
    fs.writeSync(this.#fd, bytes, 0, bytes.length, this.#position);
  }

  end(summary: RunSummary, now: Date): void {
    const { error, ...rest } = summary;
    const { stack: _stack, ...told } = error ?? { code: "BP_INTERNAL", message: "" };
    this.#append({ kind: "end", at: now.toISOString(), summary: error ? { ...rest, error: told } : rest });
    fs.ftruncateSync(this.#fd, this.#position);
    fs.closeSync(this.#fd);
  }

  #append(line: RecordLine): void {
    const bytes = Buffer.from(`${JSON.stringify(line, redacting(this.#redact))}\n`);
    fs.writeSync(this.#fd, bytes, 0, bytes.length, this.#position);
    this.#position += bytes.length;
  }

  #file(id: string): string {
    return path.join(this.#folder, `${id}.jsonl`);
  }
}

/** @returns descriptor, and the end of the file, behind a line end */
function openAtEnd(file: string): [number, number] {
  const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  const { size } = fs.fstatSync(fd);
  const last = Buffer.alloc(1);
  if (size === 0 || (fs.readSync(fd, last, 0, 1, size - 1) === 1 && last[0] === 0x0a)) return [fd, size];
  fs.writeSync(fd, "\n", size);
  return [fd, size + 1];
}
