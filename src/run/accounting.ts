/**
 * Counts and positions of a run, advanced chunk by chunk in input order. Workers know positions within their chunk; here they
 * become absolute. What is read must be predicted or rejected: a difference is a failed run.
 */
import type { Checkpoint } from "../core/checkpoint.ts";
import type { Chunk, ChunkReject, ValueCount } from "../core/chunk.ts";
import { BatchPredictError, type ErrorPlace, toWire, type WireError } from "../core/errors.ts";
import type { RunSettings } from "../core/settings.ts";
import type { RejectedRow } from "../core/sink.ts";
import type { SourceDescription } from "../core/source.ts";
import type { ChunkResult } from "../predict/protocol.ts";
import { RejectTally, rowsText } from "./reject-tally.ts";

/** Percent budgets are judged early only on this many rows; before, one bad row of three would stop a good file. */
const MIN_ROWS_FOR_PERCENT = 1000;

/** The part of a chunk's rows that belongs to the run. */
export interface AcceptedRows {
  /** Absolute input row of the chunk's first row. */
  rowBase: number;
  /** Range within the result's rows, end exclusive. */
  rowStart: number;
  rowEnd: number;
  rejects: RejectedRow[];
  /** No later chunk can hold wanted rows. */
  complete: boolean;
}

export interface Totals {
  read: number;
  predicted: number;
  rejected: number;
  bytes: number;
}

export class Accounting {
  readonly totals: Totals = { read: 0, predicted: 0, rejected: 0, bytes: 0 };
  readonly #settings: Pick<RunSettings, "onError" | "maxRejects" | "limit" | "whereRows">;
  readonly #source: Pick<SourceDescription, "files" | "dialect">;
  readonly #first: number;
  readonly #end: number;
  readonly #values = new Map<string, ValueCount>();
  readonly #tally = new RejectTally();
  #rowBase = 0;
  #lineBase = 0;
  #file = -1;

  constructor(
    settings: Pick<RunSettings, "onError" | "maxRejects" | "limit" | "whereRows">,
    source: Pick<SourceDescription, "files" | "dialect">,
  ) {
    this.#settings = settings;
    this.#source = source;
    this.#first = settings.whereRows?.start ?? 0;
    this.#end = Math.min(
      settings.whereRows?.end ?? Number.POSITIVE_INFINITY,
      this.#first + (settings.limit ?? Number.POSITIVE_INFINITY),
    );
  }

  /** @throws the chunk's first bad row under `--on-error fail`, BP_TOO_MANY_REJECTS, BP_ACCOUNTING */
  accept(chunk: Chunk, result: ChunkResult): AcceptedRows {
    this.#enter(chunk);
    const rowBase = this.#rowBase;
    const from = Math.max(0, this.#first - rowBase);
    const to = Math.min(result.rowsRead, Math.max(0, this.#end - rowBase));
    const wanted = result.rejects.filter(({ rowInChunk }) => rowInChunk >= from && rowInChunk < to);
    const [bad] = wanted;
    if (bad && this.#settings.onError === "fail") throw this.#rowError(chunk, bad);
    const rowStart = lowerBound(result, from);
    const rowEnd = lowerBound(result, to);
    const read = Math.max(0, to - from);
    if (rowEnd - rowStart + wanted.length !== read) {
      throw new BatchPredictError("BP_ACCOUNTING", "rows were lost between reading and predicting", {
        where: { file: this.#source.files[chunk.file]!.path, row: rowBase },
        expected: `${read} rows of chunk ${chunk.index}`,
        actual: `${rowEnd - rowStart} predicted and ${wanted.length} rejected`,
        hints: ["this is a bug of batchpredict: please report it with the model and the rows of this chunk"],
      });
    }
    const rejects = wanted.map((reject) => this.#absolute(reject));
    for (const reject of wanted) this.#tally.add(reject.code, reject.column, () => this.#firstReject(chunk, reject));
    this.totals.read += read;
    this.totals.predicted += rowEnd - rowStart;
    this.totals.rejected += wanted.length;
    this.totals.bytes += result.bytes;
    for (const count of result.counts) this.#count(count);
    this.#rowBase += result.rowsRead;
    this.#lineBase += result.lines;
    this.#checkBudget(false);
    return { rowBase, rowStart, rowEnd, rejects, complete: this.#rowBase >= this.#end };
  }

  /** Rows of a chunk that another shard predicts: they only move the positions on. */
  skip(chunk: Chunk, rows: number, lines: number): void {
    this.#enter(chunk);
    this.#rowBase += rows;
    this.#lineBase += lines;
  }

  /** @param chunk the last one that was accepted or skipped */
  checkpoint(chunk: Chunk, inputCrc: number): Checkpoint {
    const byRange = chunk.kind === "bytes" && chunk.inline === undefined && inputCrc === 0;
    return {
      nextChunk: chunk.index + 1,
      position: byRange ? { file: chunk.file, byte: chunk.byteEnd } : null,
      file: this.#file,
      rowBase: this.#rowBase,
      lineBase: this.#lineBase,
      totals: { ...this.totals },
      values: [...this.#values.values()].map((count) => ({ ...count })),
      ...(this.totals.rejected === 0 ? {} : { rejectKinds: this.#tally.kinds() }),
      inputCrc,
    };
  }

  /** Goes on where another process was. */
  restore(checkpoint: Checkpoint): void {
    Object.assign(this.totals, checkpoint.totals);
    this.#file = checkpoint.file;
    this.#rowBase = checkpoint.rowBase;
    this.#lineBase = checkpoint.lineBase;
    for (const count of checkpoint.values) this.#count(count);
    this.#tally.restore(checkpoint.rejectKinds ?? []);
  }

  /** The budget once more, on the whole input. */
  finish(): void {
    this.#checkBudget(true);
  }

  /** Values that were taken by a policy or changed by a cast, in words. */
  warnings(): string[] {
    return [...this.#values.values()].map(({ column, kind, count }) => {
      if (kind === "missing")
        return `column "${column}": ${count} missing value${count === 1 ? "" : "s"} filled as --missing says`;
      if (kind === "overflow")
        return `column "${column}": ${count} number${count === 1 ? "" : "s"} beyond the model's type became infinite`;
      if (kind === "unseen")
        return `key "${column}": left out of ${count} row${count === 1 ? "" : "s"}, because the sample of the input did not show it; make it a column with --column-type ${column}=utf8`;
      return `column "${column}": ${count} integer${count === 1 ? "" : "s"} too large to be exact in the model's float type`;
    });
  }

  /** Lines count per file; the first chunk of each brings those of its header with it. */
  #enter(chunk: Chunk): void {
    if (chunk.file === this.#file) return;
    this.#file = chunk.file;
    this.#lineBase = 0;
  }

  #absolute(reject: ChunkReject): RejectedRow {
    const { column, code, message, byte, raw } = reject;
    const actual = reject.actual === undefined ? message : `${message} (${reject.actual})`;
    return { row: this.#rowBase + reject.rowInChunk, line: this.#line(reject), byte, column, code, message: actual, raw };
  }

  #line(reject: ChunkReject): number | null {
    return reject.lineInChunk === null ? null : this.#lineBase + reject.lineInChunk + 1;
  }

  #rowError(chunk: Chunk, reject: ChunkReject): BatchPredictError {
    const where: ErrorPlace = { file: this.#source.files[chunk.file]!.path, row: this.#rowBase + reject.rowInChunk };
    const line = this.#line(reject);
    if (line !== null) where.line = line;
    if (reject.byte !== null) where.byte = reject.byte;
    if (reject.column !== null) where.column = reject.column;
    if (reject.columnIndex !== null) where.columnIndex = reject.columnIndex;
    const { expected, actual, hints } = reject;
    return new BatchPredictError(reject.code, reject.message, {
      where,
      ...(expected === undefined ? {} : { expected }),
      ...(actual === undefined ? {} : { actual }),
      hints: hints ?? ["put bad rows aside with --on-error reject"],
      exitCode: 1,
    });
  }

  /** One of several reasons: how to mend it is said once, by the error that holds them. */
  #firstReject(chunk: Chunk, reject: ChunkReject): WireError {
    const { stack: _stack, exitCode: _exitCode, hints: _hints, ...told } = toWire(this.#rowError(chunk, reject));
    return told;
  }

  #count(value: ValueCount): void {
    const key = `${value.kind}\0${value.column}`;
    const known = this.#values.get(key);
    if (known) known.count += value.count;
    else this.#values.set(key, { ...value });
  }

  #checkBudget(whole: boolean): void {
    const { maxRejects } = this.#settings;
    const { read, rejected } = this.totals;
    if (!maxRejects) return;
    const over =
      "rows" in maxRejects
        ? rejected > maxRejects.rows
        : (whole || read >= MIN_ROWS_FOR_PERCENT) && rejected * 100 > maxRejects.percent * read;
    if (!over) return;
    const byRows = "rows" in maxRejects;
    const given = byRows ? String(maxRejects.rows) : `${maxRejects.percent}%`;
    throw new BatchPredictError(
      "BP_TOO_MANY_REJECTS",
      `${rejected} of ${rowsText(read)} were rejected, more than --max-rejects ${given} allows`,
      {
        expected: `at most ${byRows ? rowsText(maxRejects.rows) : given}`,
        actual: `${rowsText(rejected)} (${((100 * rejected) / Math.max(1, read)).toFixed(1)}%), most often ${this.#tally.text()}`,
        hints: [
          "mend the input, or change the settings by which its cells are read (--null-values, --missing, --decimal, --delimiter)",
          `raise --max-rejects if this is what the data is like; the first ${this.#tally.first.length === 1 ? "one follows" : "ones follow"}`,
        ],
        problems: this.#tally.first,
        exitCode: 3,
      },
    );
  }
}

/** First result row whose position in the chunk is at or after `row`. */
function lowerBound({ sourceRows, rows }: ChunkResult, row: number): number {
  if (!sourceRows) return Math.min(rows, row);
  let low = 0;
  let high = rows;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sourceRows[middle]! < row) low = middle + 1;
    else high = middle;
  }
  return low;
}
