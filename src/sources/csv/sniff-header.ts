/** Does the first record name the columns? And the names themselves. */
import { BatchPredictError, type ErrorPlace } from "../../core/errors.ts";
import { CELL_MISSING, cellWriter, type TextRules } from "../../values/text-cells.ts";

/**
 * A header, unless the first record holds only numbers, or a number in a column whose other sampled cells are all numbers. Numbers that
 * count up by one over three columns or more (column numbers, years) are a header all the same, unless the next record does the same.
 */
export function looksLikeHeader(records: readonly (readonly string[])[], rules: TextRules): boolean {
  const first = records[0];
  if (first === undefined) return true;
  const write = cellWriter("float64", rules);
  const scratch = new Float64Array(1);
  const isMissing = (cell: string): boolean => write(cell, scratch, 0) === CELL_MISSING;
  const isNumber = (cell: string): boolean => {
    const status = write(cell, scratch, 0);
    return (status === 0 || status === 2) && /\d|true|false/i.test(cell);
  };
  const rest = records.slice(1).filter((record) => record.length === first.length);
  if (!first.some(isNumber)) return true;
  if (countsUp(first, isNumber) && (rest[0] === undefined || !countsUp(rest[0], isNumber))) return true;
  if (first.every((cell) => isNumber(cell) || isMissing(cell))) return false;
  return !first.some((cell, column) => {
    if (!isNumber(cell)) return false;
    const below = rest.map((record) => record[column]!).filter((other) => !isMissing(other));
    return below.length > 0 && below.every(isNumber);
  });
}

function countsUp(record: readonly string[], isNumber: (cell: string) => boolean): boolean {
  const numbers = record.filter(isNumber).map(Number);
  return (
    numbers.length >= 3 && numbers.every((value, at) => Number.isInteger(value) && (at === 0 || value === numbers[at - 1]! + 1))
  );
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
