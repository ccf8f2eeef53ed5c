/** One text to one setting. A parser gives the value or says what is wrong; where it came from is the caller's business. */
import { groupDigits } from "../core/group-digits.ts";
import { iconv } from "../core/iconv.ts";
import type { RunSettings } from "../core/settings.ts";
import { suggest } from "../core/suggest.ts";
import { splitList } from "./split-list.ts";
import { parseSize, parseWhole } from "./units.ts";

export interface Refusal {
  /** A predicate of the text: `"abc" is no whole number`. */
  is: string;
  expected?: string;
  hints?: string[];
}

export type Parsed<T> = { value: T } | Refusal;
export type Parser<T> = (text: string) => Parsed<T>;

export function whole(min: number, max: number): Parser<number> {
  const range = `a whole number from ${min} to ${groupDigits(max)}`;
  return (text) => {
    const value = parseWhole(text);
    if (value === null) return { is: "is no whole number", expected: range, hints: spelledOut(text) };
    if (value < min || value > max) return { is: value < min ? "is too small" : "is too big", expected: range };
    return { value };
  };
}

/** "1e6", "10k", "1,000": what people mean is clear, but a scheduler's settings should say it in digits. */
function spelledOut(text: string): string[] {
  const number = Number(text.replace(/,(?=\d{3}\b)/g, ""));
  const size = Number.isFinite(number) ? number : /^\d+(\.\d+)?k$/i.test(text) ? Number(text.slice(0, -1)) * 1000 : Number.NaN;
  return Number.isSafeInteger(size) && size > 0 ? [`write ${size}`] : [];
}

export function orAuto<T>(parse: Parser<T>): Parser<T | "auto"> {
  return (text) => {
    if (text.trim() === "auto") return { value: "auto" };
    const parsed = parse(text);
    return "is" in parsed ? { ...parsed, expected: `${parsed.expected ?? "a value"}, or auto` } : parsed;
  };
}

export function size(min: number, max: number): Parser<number> {
  const expected = `bytes, for example 1000000, 512k, 8MiB; at most ${max / 1024 ** 2} MiB`;
  return (text) => {
    const value = parseSize(text);
    if (value === null) return { is: "is no size", expected };
    if (value < min || value > max) return { is: value < min ? "is too small" : "is too big", expected };
    return { value };
  };
}

export function choice<T extends string>(choices: readonly T[]): Parser<T> {
  return (text) => {
    const found = choices.find((known) => known === text);
    if (found !== undefined) return { value: found };
    const near = text.length > 1 ? suggest(text, choices) : [];
    const hints = near.length > 0 ? [`did you mean ${near.join(" or ")}?`] : [];
    return { is: "is not one of the choices", expected: choices.join(", "), hints };
  };
}

export const truth: Parser<boolean> = (text) => {
  if (text === "true" || text === "false") return { value: text === "true" };
  return { is: "is neither true nor false", expected: "true, false" };
};

const CHARACTERS: Record<string, string> = {
  tab: "\t",
  "\\t": "\t",
  comma: ",",
  semicolon: ";",
  pipe: "|",
  space: " ",
  colon: ":",
};

/** The byte loops look for single bytes, hence ASCII. */
export const delimiter: Parser<string> = (text) => {
  const char = CHARACTERS[text.toLowerCase()] ?? text;
  if (/^[^\n\r\0]$/.test(char) && char.charCodeAt(0) < 128) return { value: char };
  return { is: "is no delimiter", expected: "one ASCII character, or tab, comma, semicolon, pipe, space" };
};

const oneCharacter =
  (what: string, expected: string): Parser<string> =>
  (text) => {
    if (/^[^\n\r\0]$/.test(text) && text.charCodeAt(0) < 128) return { value: text };
    return { is: `is no ${what}`, expected };
  };

const orNone =
  (parse: Parser<string>): Parser<string | null> =>
  (text) =>
    text === "none" || text === "" ? { value: null } : parse(text);

export const quote: Parser<string | null> = orNone(oneCharacter("quote", "one ASCII character, or none"));
export const escapeCharacter: Parser<string> = oneCharacter("escape", "one ASCII character");
export const comment: Parser<string | null> = orNone(oneCharacter("start of a comment", "one ASCII character, or none"));

export const encoding: Parser<string> = (text) => {
  if (iconv().encodingExists(text)) return { value: text };
  const near = suggest(text, [
    "utf-8",
    "utf-16le",
    "utf-16be",
    "latin1",
    "windows-1252",
    "windows-1251",
    "shift_jis",
    "gbk",
    "big5",
    "euc-kr",
  ]);
  const hints = near.length > 0 ? [`did you mean ${near.join(" or ")}?`] : [];
  return { is: "is an unknown encoding", expected: "utf-8, utf-16le, utf-16be, latin1, windows-1252, ...", hints };
};

/** Comma separated; empty entries are a mistake unless `allowEmpty`. */
export function list(what: string, allowEmpty = false): Parser<string[]> {
  return (text) => {
    const { entries, problem } = splitList(text);
    if (problem !== null) return { is: `cannot be read: ${problem}`, hints: ["close the quote, or put a backslash before it"] };
    if (!allowEmpty && entries.some((entry) => entry === "")) return { is: `has an empty ${what}`, hints: ["a comma too many?"] };
    return { value: entries };
  };
}

export const maxRejects: Parser<{ rows: number } | { percent: number }> = (text) => {
  const expected = "rows or a share, for example 100 or 1%";
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim());
  if (percent) {
    const value = Number(percent[1]);
    return value <= 100 ? { value: { percent: value } } : { is: "is more than everything", expected };
  }
  const rows = parseWhole(text);
  return rows === null ? { is: "is no limit", expected } : { value: { rows } };
};

export const whereRows: Parser<{ start: number; end: number }> = (text) => {
  const expected = "A..B, rows from 0, end not included; 0..100 are the first hundred, 100.. all but them";
  const [, from, to] = /^(\d[\d_]*)\.\.(\d[\d_]*)?$/.exec(text.trim()) ?? [];
  const start = parseWhole(from ?? "");
  const end = to === undefined ? Number.MAX_SAFE_INTEGER : parseWhole(to);
  if (start === null || end === null) return { is: "is no range of rows", expected };
  if (end <= start) return { is: "holds no row", expected };
  return { value: { start, end } };
};

export const shard: Parser<{ index: number; count: number }> = (text) => {
  const expected = "I/N, part I of N, for example 1/4";
  const [, first, second] = /^(\d+)\/(\d+)$/.exec(text.trim()) ?? [];
  const [index, count] = [Number(first), Number(second)];
  if (first === undefined || second === undefined) return { is: "is no part", expected };
  if (index < 1 || index > count || count > 100_000) return { is: "is out of range", expected, hints: ["I goes from 1 to N"] };
  return { value: { index, count } };
};

export const missing: Parser<RunSettings["missing"]["columns"][string]> = (text) => {
  if (text.toLowerCase() === "nan") return { value: "nan" };
  return { value: text === "reject" ? "reject" : { value: text } };
};

export const shape: Parser<number[]> = (text) => {
  const dimensions = text.split(/[x×,]/).map((part) => parseWhole(part));
  const fits = dimensions.every((dimension) => dimension !== null && dimension > 0);
  return fits ? { value: dimensions as number[] } : { is: "is no shape", expected: "the shape of one row, for example 24x3" };
};

/** `binding/` reads a text that begins with [ as a JSON list. */
export const constant: Parser<string> = (text) => {
  if (!text.trim().startsWith("[")) return { value: text };
  try {
    JSON.parse(text);
    return { value: text };
  } catch {
    return { is: "begins like a JSON list and is none", expected: 'a value, or a JSON list such as [1, 2] or ["a"]' };
  }
};

/** @param end which `=` is the border: names on the left may hold some of their own */
export function pair(text: string, end: "first" | "last"): { name: string; value: string } | null {
  const at = end === "first" ? text.indexOf("=") : text.lastIndexOf("=");
  return at < 1 ? null : { name: text.slice(0, at).trim(), value: text.slice(at + 1) };
}
