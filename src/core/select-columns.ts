/**
 * Column selectors to column names, for `bind`, `--features`, `--keep`, `--key`.
 *
 * An entry is, in this order: a column of exactly that name; a range `a..b` of existing columns, both ends included, in
 * file order; a glob with `*`, `?` or `[..]`. So a column that is really called `x[0]` or `a..b` is always reachable by
 * its name. Pure: no I/O, same input gives same output.
 */
import picomatch from "picomatch";
import { suggest } from "./suggest.ts";

export interface SelectProblem {
  /** The entry as the user wrote it. */
  selector: string;
  kind: "unknown" | "range" | "glob" | "duplicate" | "empty";
  message: string;
  hints: string[];
}

export interface ColumnSelection {
  /** In the order of the selectors; within a range or glob, in file order. No name twice. */
  names: string[];
  problems: SelectProblem[];
  /** Worth telling the user, without being wrong: a numbered range whose columns are not in counting order in the file. */
  notes: string[];
}

export function selectColumns(selectors: readonly string[], columns: readonly string[]): ColumnSelection {
  const position = new Map(columns.map((name, index) => [name, index] as const));
  const takenBy = new Map<string, string>();
  const result: ColumnSelection = { names: [], problems: [], notes: [] };

  for (const selector of selectors) {
    const found = expandSelector(selector, columns, position, result.notes);
    if ("kind" in found) {
      result.problems.push(found);
      continue;
    }
    const again = new Map<string, string[]>();
    for (const name of found.names) {
      const first = takenBy.get(name);
      if (first === undefined) {
        takenBy.set(name, selector);
        result.names.push(name);
      } else {
        again.set(first, [...(again.get(first) ?? []), name]);
      }
    }
    for (const [first, names] of again) result.problems.push(duplicate(selector, first, names));
  }
  return result;
}

type Found = { names: string[] } | SelectProblem;

function expandSelector(selector: string, columns: readonly string[], position: Map<string, number>, notes: string[]): Found {
  if (position.has(selector)) return { names: [selector] };
  if (selector === "") {
    return { selector, kind: "empty", message: "an empty column name", hints: ["remove the empty entry (a comma too many?)"] };
  }
  const range = asRange(selector, columns, position, notes);
  if (range) return range;
  if (/[*?[]/.test(selector)) return asGlob(selector, columns);
  return { selector, kind: "unknown", message: `no column "${selector}"`, hints: nearMisses(selector, columns) };
}

/** null when the entry does not read as a range. A name may hold dots of its own, so every `..` is tried as the border. */
function asRange(selector: string, columns: readonly string[], position: Map<string, number>, notes: string[]): Found | null {
  let partly: { missing: string } | null = null;
  for (let at = selector.indexOf(".."); at !== -1; at = selector.indexOf("..", at + 1)) {
    const from = selector.slice(0, at);
    const to = selector.slice(at + 2);
    const start = position.get(from);
    const end = position.get(to);
    if (start !== undefined && end !== undefined) {
      if (start > end) {
        const message = `range "${selector}" runs backwards: "${from}" is column ${start + 1}, "${to}" column ${end + 1}`;
        return { selector, kind: "range", message, hints: [`write ${to}..${from}, or list the columns in the order you want`] };
      }
      const names = columns.slice(start, end + 1);
      const note = countingNote(selector, from, to, names);
      if (note) notes.push(note);
      return { names };
    }
    if (from !== "" && to !== "") {
      if (start !== undefined) partly ??= { missing: to };
      else if (end !== undefined) partly ??= { missing: from };
    }
  }
  if (partly) {
    const message = `range "${selector}" has no column "${partly.missing}"`;
    return { selector, kind: "range", message, hints: nearMisses(partly.missing, columns) };
  }
  const [from, to, ...more] = selector.split("..");
  if (!from || !to || more.length > 0 || /[*?[]/.test(selector)) return null;
  const message = `range "${selector}" has neither a column "${from}" nor a column "${to}"`;
  return { selector, kind: "range", message, hints: [...new Set([...nearMisses(from, columns), ...nearMisses(to, columns)])] };
}

function asGlob(selector: string, columns: readonly string[]): Found {
  // A column name is no path: "/" has no meaning in it, so it is hidden from the matcher, whose `*` stops at one.
  const hide = (text: string): string => text.replaceAll("/", "\u0001");
  const matches = picomatch(hide(selector), { dot: true, nobrace: true, noextglob: true, nonegate: true, strictSlashes: true });
  const names = columns.filter((name) => matches(hide(name)));
  if (names.length > 0) return { names };
  const hints = nearMisses(selector.replace(/[*?[\]]/g, ""), columns);
  return { selector, kind: "glob", message: `no column matches "${selector}"`, hints };
}

/** `lag_1..lag_3` over a file with lag_1, lag_10, lag_2, lag_3 takes lag_10 as well, because file order decides. */
function countingNote(selector: string, from: string, to: string, names: string[]): string | null {
  const numbered = /^(.*?)(\d+)$/s;
  const [, prefix, first] = numbered.exec(from) ?? [];
  const [, samePrefix, last] = numbered.exec(to) ?? [];
  if (first === undefined || last === undefined || prefix !== samePrefix) return null;
  const step = Number(first) <= Number(last) ? 1 : -1;
  const counted = names.every((name, index) => {
    const [, itsPrefix, number] = numbered.exec(name) ?? [];
    return itsPrefix === prefix && Number(number) === Number(first) + index * step;
  });
  if (counted) return null;
  const shown = names.length > 8 ? `${names.slice(0, 8).join(", ")}, ... (${names.length} columns)` : names.join(", ");
  return `range "${selector}" goes by file order, which is not counting order here: ${shown}`;
}

function duplicate(selector: string, first: string, names: string[]): SelectProblem {
  const shown = names.length > 5 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ");
  const message =
    selector === first
      ? `"${selector}" is listed twice`
      : `"${selector}" selects again what "${first}" already selected: ${shown}`;
  return { selector, kind: "duplicate", message, hints: ["list every column once"] };
}

function nearMisses(wanted: string, columns: readonly string[]): string[] {
  const near = suggest(wanted, columns);
  if (near.length > 0) return [`did you mean ${near.map((name) => `"${name}"`).join(" or ")}?`];
  const shown = columns.slice(0, 20).join(", ");
  return [columns.length > 20 ? `the columns are: ${shown}, ... (${columns.length})` : `the columns are: ${shown}`];
}
