/** Lines of bytes -> values by column: the records that are whole JSON objects, and complaints about those that are not. */
import { isUtf8 } from "node:buffer";
import type { ChunkReject } from "../../core/chunk.ts";
import { codecOf } from "../csv/encoding.ts";
import { ABSENT, type JsonKind, type JsonProblem, JsonScanner, type Members } from "./scan-json.ts";

/** One used column: kind and text of its value per good record. */
export interface JsonColumn {
  kinds: JsonKind[];
  texts: string[];
}

export interface JsonRows {
  /** Records met, good and bad. Blank lines are none. */
  rowsRead: number;
  /** Per good record its position among all records. */
  records: number[];
  /** In the order of the names asked for. */
  columns: JsonColumn[];
  complaints: LineComplaint[];
  /** Values per key that is no column of the source. */
  unknownKeys: Map<string, number>;
  /** Line feeds in the bytes. */
  lines: number;
}

/** A reject before its byte is known. */
export type LineComplaint = Omit<ChunkReject, "byte" | "raw" | "lineInChunk"> & { line: number };

export interface RowsOptions {
  encoding: string;
  /** All columns of the source, by name. */
  known: ReadonlySet<string>;
  /** Columns that are read. */
  used: readonly string[];
}

/** Unknown keys are counted up to this many, so that keys made of data cannot fill the memory. */
const MAX_UNKNOWN_KEYS = 100;

export class RowsReader {
  private readonly scanner = new JsonScanner();
  private readonly slots: ReadonlyMap<string, number>;

  constructor(private readonly options: RowsOptions) {
    this.slots = new Map(options.used.map((name, slot) => [name, slot]));
  }

  /** @param bytes whole lines */
  read(bytes: Uint8Array): JsonRows {
    const columns = this.options.used.map((): JsonColumn => ({ kinds: [], texts: [] }));
    const rows: JsonRows = { rowsRead: 0, records: [], columns, complaints: [], unknownKeys: new Map(), lines: 0 };
    const object = new ObjectRow(rows, this.slots, this.options.known);
    for (const { text, from, to, sound } of linesOf(bytes, this.options.encoding)) {
      if (!isBlank(text, from, to)) {
        const problem = sound ? this.scanner.object(text, from, to, object.begin()) : NOT_UTF8;
        if (problem === null) rows.records.push(rows.rowsRead);
        else rows.complaints.push(badLine(rows.rowsRead, rows.lines, problem, from));
        rows.rowsRead++;
      }
      rows.lines++;
    }
    for (const column of columns) {
      column.kinds.length = rows.records.length;
      column.texts.length = rows.records.length;
    }
    const endsOpen = bytes.length > 0 && bytes[bytes.length - 1] !== 10;
    if (endsOpen) rows.lines--;
    return rows;
  }
}

const NOT_UTF8: JsonProblem = { at: -1, message: "the line is not UTF-8" };

/** Takes the members of one record after the other. */
class ObjectRow implements Members {
  private slot = -1;
  private row = 0;
  private readonly seen = new Set<string>();

  constructor(
    private readonly rows: JsonRows,
    private readonly slots: ReadonlyMap<string, number>,
    private readonly known: ReadonlySet<string>,
  ) {}

  begin(): this {
    this.row = this.rows.records.length;
    this.seen.clear();
    for (const column of this.rows.columns) {
      column.kinds[this.row] = ABSENT;
      column.texts[this.row] = "";
    }
    return this;
  }

  key(name: string): boolean | string {
    if (this.seen.has(name)) return `the key ${JSON.stringify(name)} stands twice in the object`;
    this.seen.add(name);
    const slot = this.slots.get(name);
    if (slot !== undefined) {
      this.slot = slot;
      return true;
    }
    if (!this.known.has(name)) this.countUnknown(name);
    return false;
  }

  value(kind: JsonKind, text: string): void {
    const column = this.rows.columns[this.slot]!;
    column.kinds[this.row] = kind;
    column.texts[this.row] = text;
  }

  private countUnknown(name: string): void {
    const { unknownKeys } = this.rows;
    const count = unknownKeys.get(name);
    if (count !== undefined || unknownKeys.size < MAX_UNKNOWN_KEYS) unknownKeys.set(name, (count ?? 0) + 1);
  }
}

interface Line {
  text: string;
  from: number;
  to: number;
  /** False: the bytes are no text in the encoding. */
  sound: boolean;
}

/** Decoded at once where that is safe, else line by line: bytes that are no text never become others unseen. */
function* linesOf(bytes: Uint8Array, encoding: string): Generator<Line> {
  const codec = codecOf(encoding);
  if (codec.byteEncoding === "utf8" && !isUtf8(bytes)) {
    for (let start = 0; start < bytes.length; ) {
      const feed = bytes.indexOf(10, start);
      const line = bytes.subarray(start, feed < 0 ? bytes.length : feed);
      const text = codec.decode(line);
      yield { text, from: 0, to: text.length, sound: isUtf8(line) };
      start += line.length + 1;
    }
    return;
  }
  const text = codec.decode(bytes);
  for (let from = 0; from < text.length; ) {
    const feed = text.indexOf("\n", from);
    const to = feed < 0 ? text.length : feed;
    yield { text, from, to, sound: true };
    from = to + 1;
  }
}

function isBlank(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const c = text.charCodeAt(at);
    if (c !== 32 && c !== 9 && c !== 13) return false;
  }
  return true;
}

function badLine(row: number, line: number, { at, message }: JsonProblem, from: number): LineComplaint {
  const utf8 = at < 0;
  return {
    rowInChunk: row,
    line,
    column: null,
    columnIndex: null,
    code: "BP_SOURCE_RECORD",
    message: utf8 ? message : `${message} (character ${at - from + 1} of the line)`,
    expected: utf8 ? "valid UTF-8" : "one whole JSON object on the line",
    hints: [
      utf8
        ? "name the file's encoding, for instance --encoding windows-1252"
        : "mend the line; `jq -c . FILE` writes any JSON as one value per line",
      PUT_ASIDE,
    ],
  };
}

export const PUT_ASIDE = "put bad rows aside with --on-error reject";

export interface LinePlace {
  /** Line feeds before the record within the bytes. */
  line: number;
  start: number;
  /** Without the line end. */
  contentEnd: number;
}

/** Places of the records with the given numbers (ascending). */
export function placeLines(bytes: Uint8Array, records: readonly number[]): LinePlace[] {
  const places: LinePlace[] = [];
  let record = 0;
  let line = 0;
  for (let start = 0; start < bytes.length && places.length < records.length; line++) {
    const feed = bytes.indexOf(10, start);
    const end = feed < 0 ? bytes.length : feed;
    if (!blankBytes(bytes, start, end)) {
      if (record === records[places.length]) {
        places.push({ line, start, contentEnd: bytes[end - 1] === 13 ? end - 1 : end });
      }
      record++;
    }
    start = end + 1;
  }
  return places;
}

function blankBytes(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const c = bytes[at];
    if (c !== 32 && c !== 9 && c !== 13) return false;
  }
  return true;
}
