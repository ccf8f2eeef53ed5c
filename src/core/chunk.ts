/**
 * The one unit of work: a contiguous piece of the input. Plain data, so the same thing is the unit of parallelism, order,
 * back-pressure, commit, resume, retry and, later, of distribution.
 */
import type { Data } from "apache-arrow";
import type { ErrorCode } from "./errors.ts";
import type { TensorArray, TensorType } from "./tensor-types.ts";

export interface ByteChunk {
  kind: "bytes";
  /** Position in the order of the run, from 0. */
  index: number;
  /** Position in SourceDescription.files. */
  file: number;
  /** First byte and end (exclusive); both are record borders. Offsets in the decompressed, UTF-8 stream where `inline` is given. */
  byteStart: number;
  byteEnd: number;
  /** `byteEnd` was taken for a record border without reading what lies before it: a reader that finds it is none throws WrongCut. */
  guessed?: true;
  /** The bytes themselves where the input cannot be read again by range (stdin, gzip, UTF-16); transferred, not copied. */
  inline?: Uint8Array<ArrayBuffer>;
  /** Lines of the file before byteStart (the header's), on the first chunk of each file: the reader counts them into `lines` and `lineInChunk`. */
  linesBefore?: number;
}

/**
 * A guessed end of a chunk lies within a record. Chunks behind this one begin at the wrong place too, so nothing of theirs counts: the input is
 * to be cut anew from this chunk's first byte on.
 */
export class WrongCut extends Error {
  override name = "WrongCut";
}

/** Byte position of an Arrow message; `metadataBytes` counts its prefix and padding too. */
export interface MessagePlace {
  offset: number;
  metadataBytes: number;
  bodyBytes: number;
}

export interface RowChunk {
  kind: "rows";
  index: number;
  file: number;
  /** Record batch of an Arrow file, row group of a Parquet file. */
  unit: number;
  /** Rows within the unit; rowEnd is exclusive. */
  rowStart: number;
  rowEnd: number;
  /** Where the unit lies in an Arrow stream on disk, which has no index: the record batch, and the dictionaries as they stand there. */
  messages?: { batch: MessagePlace; dictionaries: MessagePlace[] };
  /** An Arrow stream's messages (schema, dictionaries, one record batch) where it cannot be read again by range. */
  inline?: Uint8Array<ArrayBuffer>;
}

export type Chunk = ByteChunk | RowChunk;

/** A row that cannot be predicted. Positions are relative to the chunk where a worker cannot know more; `run/` makes them absolute. */
export interface ChunkReject {
  rowInChunk: number;
  /** 0-based line within the chunk, null where the format has no lines. */
  lineInChunk: number | null;
  /** Absolute byte offset in the file (or decompressed stream) of the record's first byte. */
  byte: number | null;
  column: string | null;
  /** 1-based. */
  columnIndex: number | null;
  code: ErrorCode;
  message: string;
  expected?: string;
  actual?: string;
  hints?: string[];
  /** The record as it stood in the file (CSV), or JSON of the row. */
  raw: string | null;
}

/**
 * `missing`: empty cells taken by policy; `overflow`: finite numbers that became infinite; `inexact`: integers beyond what the float
 * type holds; `unseen`: values of a JSON key that the sample did not show, so that it is no column.
 */
export interface ValueCount {
  column: string;
  kind: "missing" | "overflow" | "inexact" | "unseen";
  count: number;
}

export interface TensorData {
  input: string;
  type: TensorType;
  /** rows * rowSize elements, row-major. */
  data: TensorArray;
}

/** Rows of one chunk, decoded and bound. */
export interface DecodedChunk {
  /** Records met, good and bad. */
  rowsRead: number;
  /** Good rows: the length of each kept column, and of each tensor in rows. */
  rows: number;
  /** Position within the chunk of each good row; null when no row was rejected (identity). */
  sourceRows: Uint32Array | null;
  /** One per BindingPlan.inputs, same order. */
  tensors: TensorData[];
  /** One per BindingPlan.keep, same order, each of length `rows`. */
  kept: Data[];
  rejects: ChunkReject[];
  counts: ValueCount[];
  /** Line feeds consumed by the chunk (CSV), else 0: adds up to absolute line numbers. */
  lines: number;
  bytes: number;
}
