/** What a source is to the rest of the house: a description (data), a planner of chunks, a reader of one chunk. */
import type { BindingPlan } from "./binding-plan.ts";
import type { Chunk, DecodedChunk } from "./chunk.ts";

export type SourceFormat = "csv" | "jsonl" | "arrow" | "arrow-stream" | "parquet";

/** By the name alone, for what may be wrong. */
export function sourceFormatOfName(path: string): SourceFormat {
  if (/\.(parquet|pq)$/i.test(path)) return "parquet";
  if (/\.arrows$/i.test(path)) return "arrow-stream";
  if (/\.(jsonl|ndjson)(\.gz)?$/i.test(path)) return "jsonl";
  return /\.(arrow|feather|ipc)$/i.test(path) ? "arrow" : "csv";
}

/** Planned by bytes at line ends, its values read from text. */
export function isTextFormat(format: SourceFormat): boolean {
  return format === "csv" || format === "jsonl";
}

/** CSV settings as the user gave them; undefined = sniff. */
export interface CsvOptions {
  delimiter?: string;
  /** null: no quoting at all. */
  quote?: string | null;
  escape?: string;
  encoding?: string;
  header?: boolean;
  /** Cell texts that mean "missing". Default: [""]. */
  nullValues?: string[];
  /** Decimal mark of numbers, "." by default. */
  decimal?: "." | ",";
  /** Lines starting with it are skipped. Default: none. */
  comment?: string | null;
  /** Types of kept columns where the sample misleads, e.g. {zip: "utf8"}. */
  columnTypes?: Record<string, "utf8" | "int64" | "float64" | "bool">;
  /** A record longer than this is an error that names its first line, bytes. Default 16 MiB. */
  maxRecordBytes?: number;
}

/** Resolved: every field decided, with `sniffed` naming those that came from the data. */
export interface CsvDialect {
  delimiter: string;
  quote: string | null;
  escape: string;
  /** Canonical name: utf-8, utf-16le, utf-16be, latin1, windows-1252, ... */
  encoding: string;
  /** Bytes of byte order mark at the start of the file. */
  bomBytes: number;
  header: boolean;
  /** "\n" covers "\r\n" too; "\r" only for files of old Macs. */
  recordDelimiter: "\n" | "\r";
  nullValues: string[];
  decimal: "." | ",";
  comment: string | null;
  maxRecordBytes: number;
  compression: "none" | "gzip";
  sniffed: string[];
}

/** How the lines of JSON Lines are read, resolved. */
export interface LineFormat {
  /** Canonical name, as in CsvDialect. */
  encoding: string;
  compression: "none" | "gzip";
  /** Strings that mean "missing" where they feed a model input; null: none were given, and "" is a missing number. */
  nullValues: string[] | null;
  /** A longer line is an error, bytes. */
  maxRecordBytes: number;
}

export interface SourceOptions {
  /** Given by --input-format; else from the name and the first bytes. */
  format?: SourceFormat;
  csv: CsvOptions;
  /** false: `description.preview` may stay empty, where it costs extra reading (Parquet: a page per column). Default true. */
  preview?: boolean;
}

export interface SourceFile {
  /** Absolute path, or "-" for stdin. */
  path: string;
  /** Bytes on disk; null for stdin. */
  sizeBytes: number | null;
  mtimeMs: number | null;
}

/** What a column can feed: text (CSV, strings), a scalar number, a boolean, a list of numbers, or nothing (dates, structs, ...: kept only). */
export type ColumnRole = "text" | "number" | "bool" | "list" | "other";

export interface SourceColumn {
  name: string;
  index: number;
  /** For people and --json: "text", "int64", "float32", "list<float32>[384]", "timestamp[us, UTC]", ... */
  type: string;
  role: ColumnRole;
  /** Elements per value of a list column, nested lists flattened; null when unknown before reading. */
  listSize: number | null;
  /** What a kept CSV column comes out as, proven on the sample; "source" for typed formats. */
  keptType: "source" | "utf8" | "int64" | "float64" | "bool";
  /** Every non-missing cell of the sample reads as a number (CSV); true for number columns of typed formats. */
  numeric: boolean;
}

/** Plain data: what a worker needs to open the source again. */
export interface SourceDescription {
  format: SourceFormat;
  files: SourceFile[];
  columns: SourceColumn[];
  /** CSV only. */
  dialect: CsvDialect | null;
  /** JSON Lines only. */
  lines?: LineFormat;
  /** Exact where the format knows it (Arrow, Parquet), else null. */
  rows: number | null;
  /** Estimate for progress; null for stdin. */
  rowsEstimate: number | null;
  /** Sum of sizes on disk; null for stdin. */
  bytes: number | null;
  /** One row as chunks are cut by it, where it is not `bytes` by `rows` (Parquet: decoded). */
  rowBytes?: number;
  /**
   * What must be held at once however small chunks are. `what` names it; `bytes`: all of it (a batch from a pipe); `rows`: the columns that
   * are read of so many rows (a compressed record batch); `columnBytes`: the largest of the columns that are read (a Parquet row group).
   */
  indivisible?: { what: string; bytes?: number; rows?: number; columnBytes?: number[] };
  /** Rows of what chunks are cut from can be read without those before them, at little cost (Parquet of numbers, not compressed or by snappy). */
  divisible?: boolean;
  /** First records as text, for `inspect` (at most 5). */
  preview: string[][];
  /** What a user should be told about how the data was understood, e.g. a column without a name. */
  notices?: string[];
}

export interface ChunkPlanOptions {
  /** Target size of a chunk in bytes; a chunk ends at the first record border at or after it, so 1 gives one record per chunk. */
  chunkBytes: number;
  /** The same of the very first one, where that is less: it is probed while nothing else can be done. Ignored by sources whose chunks are no byte ranges. */
  firstChunkBytes?: number;
  /** Begin with this chunk: its index, file and first byte, as an earlier plan of the same input gave them. Ignored by sources whose chunks are no byte ranges. */
  from?: { index: number; file: number; byte: number };
  /** Memory was planned for pieces as large as the description says (`indivisible`): much larger ones are refused. */
  limited?: boolean;
  /** Ends of chunks may be guessed (see ByteChunk.guessed), by somebody who can cut the input anew. */
  mayGuess?: boolean;
  signal?: AbortSignal;
}

/** Main-thread side. Never parses more than it must to find borders; never blocks for longer than a few milliseconds at a time. */
export interface Source {
  readonly description: SourceDescription;
  /** Chunks in input order, indices from 0. */
  chunks(options: ChunkPlanOptions): AsyncIterable<Chunk>;
  close(): Promise<void>;
}

/** Worker side: one per worker, used for one chunk at a time. */
export interface ChunkReader {
  /** What it gives may lie in memory that the next call uses again. @throws WrongCut, and what is wrong with the chunk */
  read(chunk: Chunk): Promise<DecodedChunk>;
  /** Position and text of one record of a chunk, for rejects found after decoding. Called after `read(chunk)` of the same chunk. */
  locate(chunk: Chunk, rowInChunk: number): Promise<{ lineInChunk: number | null; byte: number | null; raw: string | null }>;
  close(): Promise<void>;
}

export interface ReaderOptions {
  /** Decoded bytes that a reader may keep beside the chunk it returns, where there is a memory limit. Default: what is fastest. */
  windowBytes?: number;
  /** false: decode by the reference alone, without WebAssembly kernels (for comparisons and for finding faults). */
  kernel?: boolean;
}

export type OpenReader = (description: SourceDescription, plan: BindingPlan, options?: ReaderOptions) => Promise<ChunkReader>;
