/** Which delimiter, quote and escape a text has, judged by how evenly they cut its records. Pure; works on bytes that are ASCII supersets. */
import { CR } from "./records.ts";

const DELIMITERS = [",", "\t", ";", "|"] as const;
const MAX_RECORDS = 2000;

interface Shape {
  /** Fields per record, blank lines aside. */
  counts: number[];
  /** Quoted fields that end before a delimiter or newline, and those that do not. */
  closed: number;
  malformed: number;
}

export interface Structure {
  delimiter: string;
  quote: string;
  escape: string;
}

export interface StructureHints {
  delimiter?: string | undefined;
  quote?: string | null | undefined;
  escape?: string | undefined;
  comment: string | null;
  newline: number;
  /** The name says that the file is tab separated. */
  preferTab: boolean;
  /** The bytes end with the file. */
  complete: boolean;
}

export function sniffStructure(bytes: Buffer, hints: StructureHints): Structure {
  const end = hints.complete ? bytes.length : bytes.lastIndexOf(hints.newline) + 1 || bytes.length;
  const text = bytes.subarray(0, end);
  const quoteGuess = hints.quote === undefined ? '"' : hints.quote;
  const shape = (delimiter: string, quote: string | null, mark: string | null): Shape =>
    shapeOf(text, code(delimiter), code(quote), mark === quote ? -1 : code(mark), hints.newline, hints.comment);
  const delimiter = hints.delimiter ?? bestDelimiter(text, hints, (each) => shape(each, quoteGuess, quoteGuess));
  const quote = hints.quote ?? bestQuote(text, (each) => shape(delimiter, each, each));
  const escapeMark = hints.escape ?? bestEscape(text, quote, (each) => shape(delimiter, quote, each));
  return { delimiter, quote, escape: escapeMark };
}

function code(text: string | null): number {
  return text === null ? -1 : text.charCodeAt(0);
}

function bestDelimiter(text: Buffer, hints: StructureHints, shape: (delimiter: string) => Shape): string {
  // What does not occur cuts nothing; looking for it costs a hundredth of cutting by it.
  const scored = DELIMITERS.map((delimiter) => ({
    delimiter,
    ...(text.includes(delimiter) ? scoreOf(shape(delimiter)) : { score: 0, columns: 1 }),
  }));
  if (hints.preferTab && scored[1]!.score > 0) return "\t";
  const top = Math.max(...scored.map(({ score }) => score));
  if (top === 0) return hints.preferTab ? "\t" : ",";
  const tied = scored.filter(({ score }) => score > top - 0.001);
  const comma = tied.find(({ delimiter }) => delimiter === ",");
  if (comma !== undefined) {
    // `1,5;2,5` is even by both: where every cell between semicolons is a number with a comma, the comma is the decimal mark.
    const other = tied.find(({ delimiter }) => delimiter !== "," && holdsDecimalCommas(text, delimiter, hints.newline));
    if (other !== undefined) return other.delimiter;
  }
  return tied.reduce((best, each) => (each.columns > best.columns ? each : best)).delimiter;
}

function scoreOf({ counts, malformed }: Shape): { score: number; columns: number } {
  if (counts.length === 0) return { score: 0, columns: 0 };
  const tally = new Map<number, number>();
  for (const count of counts) tally.set(count, (tally.get(count) ?? 0) + 1);
  const [columns, times] = [...tally].reduce((best, each) => (each[1] > best[1] ? each : best));
  if (columns < 2) return { score: 0, columns };
  const header = counts[0] === columns ? 1 : 0.5;
  return { score: ((times / counts.length) * header) / (1 + malformed / counts.length), columns };
}

function holdsDecimalCommas(text: Buffer, delimiter: string, newline: number): boolean {
  const lines = text
    .toString("latin1", 0, 16384)
    .split(String.fromCharCode(newline))
    .slice(0, 20)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const cells = (lines.length > 1 ? lines.slice(0, -1) : lines).flatMap((line) => line.split(delimiter));
  return cells.every((cell) => /^\s*[+-]?\d*(?:,\d+)?\s*$/.test(cell)) && cells.some((cell) => cell.includes(","));
}

/** A single quote only where it encloses fields, never breaks, and the double quote encloses none. */
function bestQuote(text: Buffer, shape: (quote: string) => Shape): string {
  if (!text.includes("'") || (text.includes('"') && shape('"').closed > 0)) return '"';
  const single = shape("'");
  return single.closed > 0 && single.malformed === 0 ? "'" : '"';
}

/** A backslash only where it mends fields that end too early otherwise. */
function bestEscape(text: Buffer, quote: string, shape: (mark: string) => Shape): string {
  if (quote === "\\" || !text.includes(quote)) return quote;
  const doubled = shape(quote);
  if (doubled.malformed === 0) return quote;
  return shape("\\").malformed < doubled.malformed ? "\\" : quote;
}

function shapeOf(
  text: Buffer,
  delimiter: number,
  quote: number,
  escapeByte: number,
  newline: number,
  comment: string | null,
): Shape {
  const shape: Shape = { counts: [], closed: 0, malformed: 0 };
  const mark = comment === null ? null : Buffer.from(comment);
  const length = text.length;
  let i = 0;
  while (i < length && shape.counts.length < MAX_RECORDS) {
    if (mark !== null && text.compare(mark, 0, mark.length, i, Math.min(length, i + mark.length)) === 0) {
      const end = text.indexOf(newline, i);
      if (end < 0) break;
      i = end + 1;
      continue;
    }
    const start = i;
    let fields = 1;
    let fieldStart = true;
    for (; i < length && text[i] !== newline; i++) {
      const c = text[i];
      if (fieldStart && c === quote) {
        i = skipQuoted(text, i + 1, quote, escapeByte);
        if (i > length) {
          shape.malformed++;
          return shape;
        }
        const after = text[i];
        if (i >= length || after === delimiter || after === newline || after === CR) shape.closed++;
        else shape.malformed++;
        i--;
        fieldStart = false;
      } else {
        fieldStart = c === delimiter;
        if (fieldStart) fields++;
      }
    }
    const blank = i === start || (i === start + 1 && text[start] === CR);
    if (!blank) shape.counts.push(fields);
    i++;
  }
  return shape;
}

/** Index behind the closing quote; beyond the length when there is none. */
function skipQuoted(text: Buffer, from: number, quote: number, escapeByte: number): number {
  let i = from;
  for (; i < text.length; i++) {
    const c = text[i];
    if (c === escapeByte && escapeByte >= 0) i++;
    else if (c === quote) {
      if (escapeByte >= 0 || text[i + 1] !== quote) return i + 1;
      i++;
    }
  }
  return text.length + 1;
}
