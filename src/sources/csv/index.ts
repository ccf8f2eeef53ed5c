/** The CSV/TSV source: open (sniff, type, check), plan chunks, read them. */
import type { Readable } from "node:stream";
import type { Chunk } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import type {
  ChunkPlanOptions,
  CsvDialect,
  Source,
  SourceColumn,
  SourceDescription,
  SourceFile,
  SourceOptions,
} from "../../core/source.ts";
import { ColumnTyper, checkColumnTypes } from "./column-types.ts";
import { type CellSplitter, sampleSplitter } from "./csv-options.ts";
import { resolveDialect } from "./dialect.ts";
import { codecOf } from "./encoding.ts";
import { type InputHead, readHead, stdinBytes, streamOf } from "./head.ts";
import { type PeekedBytes, statInput } from "./input.ts";
import { checkSameHeader, type FirstRecord, firstRecord, wholeRecords } from "./layout.ts";
import { type PlannedFile, planChunks } from "./plan-chunks.ts";
import { countLines, type Tokens, tokensOf } from "./records.ts";
import { headerNames, looksLikeHeader } from "./sniff-header.ts";

export type { CsvDecoder, MakeCsvDecoder } from "./decoder.ts";

const HEAD_BYTES = 256 * 1024;
/** Head of every further file, for its header and a few records. */
const NEXT_HEAD_BYTES = 32 * 1024;
/** Bytes of the head that are parsed for column types: some 10 ms. */
const TYPED_BYTES = 128 * 1024;
/** Bytes whose records are compared with the first one. */
const HEADER_PROOF_BYTES = 16 * 1024;
const PREVIEW_RECORDS = 5;

interface Opened {
  file: SourceFile;
  stdin: PeekedBytes | null;
  head: InputHead;
  first: FirstRecord | null;
  /** No record of its head lies on several lines. */
  plainLines?: boolean;
}

/**
 * @param files in order; "-" takes `stdin`
 * @throws BP_INPUT_NOT_FOUND, BP_INPUT_UNREADABLE, BP_INPUT_FORMAT (empty, corrupt gzip), BP_SOURCE_SCHEMA (headers), BP_SOURCE_LIMIT, BP_CONFIG
 */
export async function openCsvSource(files: SourceFile[], options: SourceOptions, stdin?: Readable): Promise<Source> {
  const peeked = files.some(({ path }) => path === "-") ? stdinBytes(stdin) : null;
  try {
    return await open(files, options, peeked);
  } catch (error) {
    await peeked?.close();
    throw error;
  }
}

async function open(given: SourceFile[], options: SourceOptions, peeked: PeekedBytes | null): Promise<Source> {
  const files = await Promise.all(given.map(statInput));
  const [firstFile] = files;
  if (firstFile === undefined)
    throw new BatchPredictError("BP_INPUT_NOT_FOUND", "no input file was given", { hints: ["pass --input"] });
  const stdinOf = (file: SourceFile): PeekedBytes | null => {
    if (file.path !== "-") return null;
    if (peeked !== null) return peeked;
    throw new BatchPredictError("BP_INPUT_UNREADABLE", "the input is stdin, but there is none", {
      hints: ["pipe data in, or name a file with --input"],
    });
  };
  const start = await openFirst(firstFile, stdinOf(firstFile), options);
  const { dialect, tokens, split, opened } = start;
  const typer = new ColumnTyper(start.names.length, dialect);
  const head = sampleHead(opened, dialect, tokens, split);
  opened.plainLines = !head.multiline;
  const sampled = head.multiline
    ? { bytes: 0, records: 0 }
    : addSamples(opened.head.samples, start.names.length, tokens, split, dialect, typer);
  typer.add(head.records);
  const all = [opened];
  for (const file of files.slice(1)) {
    const next = await openNext(file, stdinOf(file), options, dialect, tokens, split);
    if (dialect.header && next.first !== null) checkSameHeader(next.first.cells, opened.first!.cells, file, firstFile);
    const { records, multiline } = sampleHead(next, dialect, tokens, split);
    next.plainLines = !multiline;
    typer.add(records);
    all.push(next);
  }
  const { columnTypes } = options.csv;
  checkColumnTypes(columnTypes, start.names, firstFile.path);
  const bytes = files.every(({ sizeBytes }) => sizeBytes !== null) ? files.reduce((sum, file) => sum + file.sizeBytes!, 0) : null;
  const description: SourceDescription = {
    format: "csv",
    files,
    columns: typer.columns(start.names, start.unnamed, columnTypes) satisfies SourceColumn[],
    dialect,
    rows: null,
    rowsEstimate: estimateRows(bytes, all, head, sampled),
    bytes,
    preview: head.records.slice(0, PREVIEW_RECORDS),
    notices: start.notices,
  };
  return new CsvSource(description, tokens, all);
}

interface Start {
  opened: Opened;
  dialect: CsvDialect;
  tokens: Tokens;
  split: CellSplitter;
  names: string[];
  unnamed: Set<string>;
  notices: string[];
}

/** Opens the first file and decides the dialect; a header longer than the head is read with a longer one. */
async function openFirst(file: SourceFile, stdin: PeekedBytes | null, options: SourceOptions): Promise<Start> {
  for (let wanted = HEAD_BYTES; ; wanted *= 4) {
    const head = await readHead(file, options.csv, stdin, wanted, null);
    if (head.bytes.length <= head.textStart) throw emptyInput(file);
    const text = head.bytes.subarray(head.textStart);
    const { complete, encoding, bomBytes, compression } = head;
    const dialect = resolveDialect(options.csv, { bytes: text, complete, fileName: file.path, encoding, bomBytes, compression });
    const tokens = tokensOf(dialect);
    const split = sampleSplitter(dialect);
    const first = firstRecord(head, tokens, dialect, split, file);
    if (first === "more") continue;
    if (first === null) throw emptyInput(file);
    if (options.format === undefined && isNoText(first.cells)) throw noText(file);
    const opened = { file, stdin, head, first };
    if (options.csv.header === undefined) {
      const { records } = sampleHead(opened, { ...dialect, header: false }, tokens, split, HEADER_PROOF_BYTES);
      dialect.header = looksLikeHeader(records, dialect);
    }
    if (!dialect.header) {
      const names = first.cells.map((_, index) => `c${index}`);
      return { opened, dialect, tokens, split, names, unnamed: new Set(), notices: [] };
    }
    const line = 1 + countLines(head.bytes, 0, first.start, tokens.newline);
    const { names, notices } = headerNames(first.cells, { file: file.path, line });
    const unnamed = new Set(names.filter((_, index) => first.cells[index]!.trim() === ""));
    return { opened, dialect, tokens, split, names, unnamed, notices };
  }
}

async function openNext(
  file: SourceFile,
  stdin: PeekedBytes | null,
  options: SourceOptions,
  dialect: CsvDialect,
  tokens: Tokens,
  split: CellSplitter,
): Promise<Opened> {
  for (let wanted = NEXT_HEAD_BYTES; ; wanted *= 4) {
    const head = await readHead(file, options.csv, stdin, wanted, dialect.encoding);
    if (head.bytes.length <= head.textStart) throw emptyInput(file);
    const first = firstRecord(head, tokens, dialect, split, file);
    if (first === "more") continue;
    if (first === null && dialect.header) throw emptyInput(file);
    return { file, stdin, head, first };
  }
}

/** Of ASCII, but for tabs, line and form feeds. */
const CONTROL = /[\x00-\x08\x0e-\x1f]/g;
/** A tenth of random bytes are control characters; a name with a terminal's escape code in it has fewer. */
const MAX_CONTROL_SHARE = 0.08;

function isNoText(cells: readonly string[]): boolean {
  const text = cells.join("");
  return text.includes("\0") || (text.match(CONTROL)?.length ?? 0) > text.length * MAX_CONTROL_SHARE;
}

function noText(file: SourceFile): BatchPredictError {
  return new BatchPredictError("BP_INPUT_FORMAT", "the input is of no known format: it begins with bytes that are no text", {
    where: { file: file.path },
    expected: "CSV, TSV, JSON Lines (also .gz), Arrow, Feather or Parquet",
    hints: [
      "check that --input names the data, and that the file was copied completely",
      "name its encoding, for instance --encoding utf-16le",
      "if it is text all the same, say so with --input-format csv",
    ],
  });
}

function emptyInput(file: SourceFile): BatchPredictError {
  return new BatchPredictError("BP_INPUT_FORMAT", "the input is empty: it has neither a header nor a record", {
    where: { file: file.path },
    hints: ["check what writes the file, or leave it out of --input"],
  });
}

function dataStart({ head, first }: Opened, dialect: CsvDialect): number {
  return dialect.header && first !== null ? first.next : head.textStart;
}

interface HeadSample {
  records: string[][];
  /** Bytes the records take. */
  bytes: number;
  /** They are all records of the input. */
  whole: boolean;
  multiline: boolean;
}

function sampleHead(
  opened: Opened,
  dialect: CsvDialect,
  tokens: Tokens,
  split: CellSplitter,
  maxBytes = TYPED_BYTES,
): HeadSample {
  const { bytes, complete } = opened.head;
  const start = dataStart(opened, dialect);
  const limit = Math.min(bytes.length, Math.max(start + maxBytes, opened.first?.next ?? 0));
  const part = bytes.subarray(0, limit);
  const { end, multiline } = wholeRecords(part, start, complete && limit === bytes.length, tokens);
  const records = finished(split(part.subarray(start, end)), dialect);
  return { records, bytes: end - start, whole: complete && end === bytes.length, multiline };
}

/**
 * Blocks from the middle and the end: their lines are taken for records, which holds where the head has no record over several lines.
 * Records of another width (a block may begin within quotes all the same) say nothing.
 */
function addSamples(
  samples: readonly Buffer[],
  width: number,
  tokens: Tokens,
  split: CellSplitter,
  dialect: CsvDialect,
  typer: ColumnTyper,
): { bytes: number; records: number } {
  const sum = { bytes: 0, records: 0 };
  for (const block of samples) {
    const start = block.indexOf(tokens.newline) + 1;
    const end = block.lastIndexOf(tokens.newline) + 1;
    if (start === 0 || end <= start) continue;
    const whole = wholeRecords(block.subarray(0, end), start, false, tokens);
    if (whole.multiline) continue;
    const records = finished(split(block.subarray(start, whole.end)), dialect);
    if (records.some((record) => record.length !== width)) continue;
    typer.add(records);
    sum.bytes += whole.end - start;
    sum.records += records.length;
  }
  return sum;
}

function finished(records: string[][], dialect: CsvDialect): string[][] {
  const { finish } = codecOf(dialect.encoding);
  return finish === null ? records : records.map((record) => record.map(finish));
}

/** Compressed and transcoded inputs: null, their size says too little. */
function estimateRows(
  bytes: number | null,
  all: readonly Opened[],
  head: HeadSample,
  more: { bytes: number; records: number },
): number | null {
  if (all.length === 1 && head.whole) return head.records.length;
  const records = head.records.length + more.records;
  if (bytes === null || records === 0 || all.some((each) => each.head.streamed)) return null;
  const headers = all.reduce((sum, { first }) => sum + (first?.start ?? 0), 0);
  return Math.max(1, Math.round((bytes - headers) / ((head.bytes + more.bytes) / records)));
}

class CsvSource implements Source {
  private readonly planned: PlannedFile[];
  private stdinUsed = false;

  constructor(
    readonly description: SourceDescription,
    private readonly tokens: Tokens,
    private readonly inputs: readonly Opened[],
  ) {
    const dialect = description.dialect!;
    this.planned = inputs.map((opened) => {
      const start = dataStart(opened, dialect);
      return {
        file: opened.file,
        dataStart: start,
        linesBefore: countLines(opened.head.bytes, 0, start, tokens.newline),
        plainLines: opened.plainLines === true,
        stream: opened.head.streamed ? () => streamOf(opened.file, opened.head, opened.stdin) : null,
      };
    });
    // Heads are not needed any more; with many files they would add up.
    for (const { head } of inputs) {
      head.bytes = Buffer.alloc(0);
      head.samples = [];
    }
  }

  chunks(options: ChunkPlanOptions): AsyncIterable<Chunk> {
    if (this.stdinUsed)
      throw new BatchPredictError("BP_INPUT_UNREADABLE", "stdin can be read only once", { where: { file: "-" } });
    this.stdinUsed = this.inputs.some(({ stdin }) => stdin !== null);
    return planChunks(this.planned, this.description.dialect!, this.tokens, options);
  }

  async close(): Promise<void> {
    for (const { stdin } of this.inputs) await stdin?.close();
  }
}
