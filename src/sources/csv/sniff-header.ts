/** Does the first record name the columns? And the names themselves. */
import { BatchPredictError, type ErrorPlace } from "../../core/errors.ts";
import { CELL_MISSING, cellWriter, type TextRules } from "../../values/text-cells.ts";

/**
 * A header, unless the first record holds only numbers, or a number above a column of numbers while no text stands above one. Numbers
 * that count up by one (column numbers, years) are a header all the same, unless the next record counts too.
 * Where it is unclear, the error is meant to be loud: a header taken for data breaks binding by name, data taken for a header is a row lost.
 */
export function looksLikeHeader(records: readonly (readonly string[])[], rules: TextRules): boolean {
  const first = records[0];
  if (first === undefined) return true;
  const write = cellWriter("float64", rules);
  const scratch = new Float64Array(1);
  const isMissing = (cell: string): boolean => write(cell, scratch, 0) === CELL_MISSING || USUAL_NULL.test(cell);
  const isNumber = (cell: string): boolean => {
    const status = write(cell, scratch, 0);
    return (status === 0 || status === 2) && /\d|true|false/i.test(cell);
  };
  if (!first.some(isNumber)) return true;
  const rest = records.slice(1).filter((record) => record.length === first.length);
  if (rest[0] !== undefined && countsUp(first.filter(isNumber)) && !isRun(rest[0].filter(isNumber).map(Number))) return true;
  if (first.every((cell) => isNumber(cell) || isMissing(cell))) return false;
  const numbersBelow = first.map((_, column) => {
    const below = rest.map((record) => record[column]!).filter((cell) => !isMissing(cell));
    return below.length > 0 && below.every(isNumber);
  });
  if (first.some((cell, column) => numbersBelow[column] && !isNumber(cell) && !isMissing(cell))) return true;
  return !first.some((cell, column) => numbersBelow[column] && isNumber(cell));
}

/** Words for "missing" that a headerless first record may hold above numbers. */
const USUAL_NULL = /^\s*(?:|n\/?a|null|none|nil|nan|missing|[-?.*])\s*$/i;

/** 0,1,2 (a data frame without names), 1..5 and longer, or three years. */
function countsUp(cells: readonly string[]): boolean {
  const numbers = cells.map(Number);
  const first = numbers[0]!;
  const enough = first === 0 || (first >= 1900 && first <= 2100) ? 3 : first === 1 ? 5 : Number.POSITIVE_INFINITY;
  return numbers.length >= enough && isRun(numbers);
}

function isRun(numbers: readonly number[]): boolean {
  return numbers.every((value, at) => value === numbers[0]! + at);
}

/**
 * Column names of a header. Names may be empty in the first column (an unnamed index) and at the end (a delimiter that closes each line):
 * those become `c<index>`.
 * @throws BP_SOURCE_SCHEMA for duplicates and other empty names
 */
export function headerNames(cells: readonly string[], where: ErrorPlace): { names: string[]; notices: string[] } {
  const lastNamed = cells.findLastIndex((cell) => cell.trim() !== "");
  const notices: string[] = [];
  const empty: number[] = [];
  const names = cells.map((cell, index) => {
    if (cell.trim() !== "") return cell;
    if (index === 0 || index > lastNamed) notices.push(`column ${index + 1} has no name in the header and is called "c${index}"`);
    else empty.push(index + 1);
    return `c${index}`;
  });
  if (empty.length > 0) {
    throw new BatchPredictError("BP_SOURCE_SCHEMA", `the header has no name for column ${empty.join(", ")}`, {
      where,
      expected: "a name for every column",
      hints: ["name the columns in the file", "if the first record is data, pass --header false"],
    });
  }
  const positions = new Map<string, number[]>();
  names.forEach((name, index) => {
    positions.set(name, [...(positions.get(name) ?? []), index + 1]);
  });
  const doubles = [...positions].filter(([, at]) => at.length > 1);
  if (doubles.length > 0) {
    const list = doubles.map(([name, at]) => `"${name}" (columns ${at.join(", ")})`).join(", ");
    throw new BatchPredictError("BP_SOURCE_SCHEMA", `the header names columns twice: ${list}`, {
      where,
      expected: "different names",
      hints: ["rename the columns in the file", "if the first record is data, pass --header false"],
    });
  }
  return { names, notices };
}
