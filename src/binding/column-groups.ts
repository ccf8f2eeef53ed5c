/** What names of columns tell: identifiers, answers, columns that are counted alike, and how near a group is to a model input. */
import type { SourceColumn } from "../core/source.ts";

/** Columns that share their name but for numbers: `lag_1 .. lag_8` is the group "lag". */
export interface ColumnGroup {
  stem: string;
  columns: SourceColumn[];
}

const IDENTIFIER = /^(id|uid|uuid|guid|key|pk|idx|index|row|row[_ -]?(id|no|num|number|index)|unnamed.*)$|[_\-. ](id|uuid|key)$/i;
const CAMEL_IDENTIFIER = /[a-z](Id|ID)$/;
const ANSWER =
  /^(target|labels?|class(es)?|species|variety|outcome|response|result|y|y[_ -]?true|ground[_ -]?truth|truth|actual|expected|medv|digit|diagnosis|survived|churn(ed)?|quality|(sale[_ -]?)?price)$/i;

/** Identifies a row instead of describing it. */
export function isIdentifier({ name }: SourceColumn): boolean {
  return IDENTIFIER.test(name.trim()) || CAMEL_IDENTIFIER.test(name.trim());
}

/** What the model was trained to say. Only the first and the last column are suspected: in the middle such a name is a feature. */
export function isAnswer({ name, index }: SourceColumn, columnCount: number): boolean {
  return (index === 0 || index === columnCount - 1) && ANSWER.test(name.trim());
}

/** In the order of their first columns; columns within a group in file order. */
export function groupColumns(columns: readonly SourceColumn[]): ColumnGroup[] {
  const groups = new Map<string, ColumnGroup>();
  for (const column of columns) {
    const stem = stemOf(column.name);
    const known = groups.get(stem);
    if (known) known.columns.push(column);
    else groups.set(stem, { stem, columns: [column] });
  }
  return [...groups.values()];
}

/** `t0_f0, t0_f1, ... t9_f4` counts twice: [10, 5]. null when names do not count so, or not completely and in order. */
export function countedTwice(names: readonly string[]): [number, number] | null {
  const parts = names.map((name) => /^(.*?)(\d+)(?!\d)(.+)$/s.exec(name)?.slice(1) ?? null);
  const outer = new Set(parts.map((part) => part?.[1]));
  const inner = new Set(parts.map((part) => part?.[2]));
  if (parts.includes(null) || outer.size * inner.size !== names.length) return null;
  const inOrder = parts.every((part, at) => {
    return part![1] === [...outer][Math.floor(at / inner.size)] && part![2] === [...inner][at % inner.size];
  });
  return inOrder ? [outer.size, inner.size] : null;
}

/** 0: nothing in common; more is nearer. `id` is near `input_ids`, `tt` near `token_type_ids`, `B` near `InputB`. */
export function nearness(stem: string, input: string): number {
  const group = words(stem);
  const wanted = words(input);
  if (group.length === 0 || wanted.length === 0) return 0;
  if (group.join("") === wanted.join("")) return 5;
  if (group.every((word) => wanted.some((other) => singular(other) === singular(word)))) return 3;
  const initials = wanted.map((word) => word[0]).join("");
  if (group.length === 1 && group[0]!.length > 1 && initials.startsWith(group[0]!)) return 2;
  return group.some((word) => word.length > 2 && wanted.some((other) => other.startsWith(word) || word.startsWith(other)))
    ? 1
    : 0;
}

function stemOf(name: string): string {
  const stem = name
    .replace(/\d+/g, "")
    .replace(/[\s_.[\]-]+/g, "_")
    .replace(/^_+|_+$/g, "");
  return stem === "" ? "#" : stem;
}

function words(name: string): string[] {
  return name
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .filter((word) => word !== "");
}

function singular(word: string): string {
  return word.length > 2 ? word.replace(/s$/, "") : word;
}
