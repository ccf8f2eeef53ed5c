/** The one shape in which people see errors: code and what, where, expected and actual, the mend. Pure. */
import type { ErrorPlace, WireError } from "../core/errors.ts";
import { formatCount, printableBlock, shorten } from "./format.ts";

export type Paint = (style: "red" | "yellow" | "green" | "cyan" | "bold" | "dim", text: string) => string;

/** A header of a binary file is one name of thousands of characters; what matters stands in front. --json has it whole. */
const MAX_TEXT_CHARS = 800;

export function errorText(error: WireError, paint: Paint, debug = false): string {
  const lines = block(error, paint, "error", "");
  const problems = error.problems ?? [];
  for (const problem of problems) lines.push(...block(problem, paint, "problem", "  "));
  if (debug && error.stack) lines.push(paint("dim", printableBlock(error.stack, "  ")));
  return lines.join("\n");
}

function block(error: WireError, paint: Paint, word: string, indent: string): string[] {
  const shown = (text: string): string => shorten(printableBlock(text, `${indent}    `), MAX_TEXT_CHARS);
  const lines = [`${indent}${paint("red", `${word} ${error.code}`)}: ${shown(error.message)}`];
  const place = placeText(error.where);
  if (place) lines.push(`${indent}  at ${shown(place)}`);
  if (error.expected !== undefined) lines.push(`${indent}  expected: ${shown(error.expected)}`);
  if (error.actual !== undefined) lines.push(`${indent}  actual: ${shown(error.actual)}`);
  for (const hint of error.hints ?? []) lines.push(`${indent}  ${paint("cyan", "fix")}: ${shown(hint)}`);
  return lines;
}

/** "customers.csv line 439 (row 437, byte 6997), column 3 "age"". */
export function placeText(where: ErrorPlace | undefined): string | null {
  if (!where) return null;
  const inner = [
    where.row === undefined ? null : `row ${where.row}`,
    where.byte === undefined ? null : `byte ${where.byte}`,
  ].filter((part) => part !== null);
  const head = [
    where.file ?? null,
    where.line === undefined ? null : `line ${formatCount(where.line).replaceAll(",", "")}`,
  ].filter((part) => part !== null);
  const position = [head.join(" "), inner.length > 0 ? `(${inner.join(", ")})` : ""].filter((part) => part !== "").join(" ");
  const column =
    where.column === undefined ? "" : `column ${where.columnIndex === undefined ? "" : `${where.columnIndex} `}"${where.column}"`;
  return [position, column].filter((part) => part !== "").join(", ") || null;
}
