/**
 * A chunk with bad records among good ones: the bad ones, byte by byte as they stand, are judged by the reference, the good ones parsed again
 * by the kernel without them. Costs a second pass of the kernel and the reference's time on the bad records alone.
 */
import type { DecodedChunk } from "../../core/chunk.ts";
import type { CsvDecoder } from "./decoder.ts";
import type { KernelResult, Layout } from "./kernel-result.ts";
import { countLines, scanRecord, type Tokens } from "./records.ts";

/** Why the kernel stopped; the same numbers stand in src/kernels/csv.ts. */
export const DONE = 0;
export const ODD_RECORD = 1;
export const FULL = 2;

/** Records of odd form that are worth a start of the kernel each; a chunk with more is the reference's. */
const MAX_ODD_RECORDS = 512;

export interface Parsed {
  stopped: number;
  rows: number;
  /** Address of the record it stopped at, or the end. */
  position: number;
  result: KernelResult;
}

export interface Mending {
  bytes: Uint8Array;
  byteStart: number;
  linesBefore: number;
  /** Address of the bytes. */
  input: number;
  layout: Layout;
  memory: Buffer;
  tokens: Tokens;
  reference: CsvDecoder;
  parse(at: number, length: number): Parsed;
}

interface BadRecord {
  row: number;
  /** Byte range in the chunk, newline included. */
  start: number;
  end: number;
}

/** @returns null where only the reference can tell: an open quote, a record of odd form that is sound after all */
export function mendChunk(mending: Mending): DecodedChunk | null {
  const { bytes, byteStart, linesBefore, layout, memory, tokens, reference, parse } = mending;
  const found = findBad(mending);
  if (found === null) return null;
  const { bad, rows } = found;
  // Each with the newline that ends it; only the last may lack one, and after a CR of its own none may be put there.
  const judged = reference.decode(Buffer.concat(bad.map(({ start, end }) => bytes.subarray(start, end))), 0, 0);
  if (judged.rows > 0 || judged.rejects.length !== bad.length) return null;

  let to = layout.spare;
  let from = 0;
  for (const { start, end } of [...bad, { start: bytes.length, end: bytes.length }]) {
    memory.set(bytes.subarray(from, start), to);
    to += start - from;
    from = end;
  }
  const good = parse(layout.spare, to - layout.spare);
  if (good.stopped !== DONE || good.rows + bad.length !== rows || good.result.badRows().length > 0) return null;
  let line = linesBefore;
  let counted = 0;
  const rejects = judged.rejects.map((reject, at) => {
    const { row, start } = bad[at]!;
    line += countLines(bytes, counted, start, tokens.newline);
    counted = start;
    return { ...reject, rowInChunk: row, lineInChunk: line, byte: byteStart + start };
  });
  const lines = line + countLines(bytes, counted, bytes.length, tokens.newline);
  return {
    ...good.result.collect(bytes.length, linesBefore),
    rowsRead: rows,
    sourceRows: rowsWithout(rows, bad),
    rejects,
    lines,
  };
}

function findBad({ bytes, input, layout, memory, tokens, parse }: Mending): { bad: BadRecord[]; rows: number } | null {
  const bad: BadRecord[] = [];
  let rows = 0;
  let odd = 0;
  for (let from = 0; ; ) {
    const parsed = parse(input + from, bytes.length - from);
    if (parsed.stopped === FULL) return null;
    const starts = new Uint32Array(memory.buffer, layout.starts, parsed.rows);
    const stop = parsed.position - input;
    for (const row of parsed.result.badRows()) {
      const start = starts[row]! - input;
      bad.push({ row: rows + row, start, end: row + 1 < parsed.rows ? starts[row + 1]! - input : stop });
    }
    rows += parsed.rows;
    if (parsed.stopped === DONE) return { bad, rows };
    const scan = scanRecord(bytes, stop, bytes.length, tokens, true);
    if (scan.kind !== "record" || ++odd > MAX_ODD_RECORDS) return null;
    bad.push({ row: rows, start: stop, end: scan.next });
    rows++;
    from = scan.next;
  }
}

function rowsWithout(rows: number, bad: readonly BadRecord[]): Uint32Array {
  const left = new Uint32Array(rows - bad.length);
  let next = 0;
  let at = 0;
  for (let row = 0; row < rows; row++) {
    if (bad[next]?.row === row) next++;
    else left[at++] = row;
  }
  return left;
}
