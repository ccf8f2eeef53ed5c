/**
 * How far a run has come: everything the main thread must know to go on behind the rows that are committed. It is stored with those
 * rows, in the same commit, so that neither can be there without the other.
 */
import type { ValueCount } from "./chunk.ts";

export interface Checkpoint {
  /** Chunks before it are in the output, or belong to other shards. */
  nextChunk: number;
  /** First byte of that chunk, where chunks are byte ranges; null: chunks before it are planned again and skipped. */
  position: { file: number; byte: number } | null;
  /** File of the last chunk taken, -1 before the first. */
  file: number;
  /** Input row of the next chunk's first row. */
  rowBase: number;
  /** Lines of `file` taken so far. */
  lineBase: number;
  totals: { read: number; predicted: number; rejected: number; bytes: number };
  values: ValueCount[];
  /** What was rejected so far, most frequent first; absent: nothing. */
  rejectKinds?: RejectKind[];
  /** CRC-32 of all inline bytes so far: a pipe has no name or date by which it could be known again. */
  inputCrc: number;
}

/** Rejected rows of one code and column. */
export interface RejectKind {
  code: string;
  /** null: the whole record. */
  column: string | null;
  rows: number;
}

/** What must be equal for an interrupted run to be gone on with, each under the name by which people know it. */
export type Fingerprint = Record<string, string>;

/** The work of a run, as it is written at the head of its journal. */
export interface WorkIdentity {
  fingerprint: Fingerprint;
  /** Drop what an interrupted run left instead of going on with it. */
  fresh: boolean;
  startedAt: string;
}
