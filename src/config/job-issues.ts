/** What zod found wrong with a job file, as errors that people can act on: key, line, what stands there, what belongs there. */
import type { z } from "zod";
import type { WireError } from "../core/errors.ts";
import { suggest } from "../core/suggest.ts";
import { homesOf, keysAt } from "./job-json-schema.ts";

type Issue = z.core.$ZodIssue;

/** @param lines as in JobText; @param file as shown to the user */
export function describeIssues(
  issues: readonly Issue[],
  value: unknown,
  lines: Record<string, number>,
  file: string,
): WireError[] {
  return issues.flatMap(flatten).map((issue) => {
    const { path, message, expected, actual, hints } = describe(issue, valueAt(value, issue.path));
    const problem: WireError = { code: "BP_JOB_FILE", message, where: { file, line: lineOf(path, lines) } };
    if (expected !== undefined) problem.expected = expected;
    if (actual !== undefined) problem.actual = actual;
    if (hints && hints.length > 0) problem.hints = hints;
    return problem;
  });
}

/** A union says only that nothing fits; the branch that fits the kind of value says what is wrong with it. */
function flatten(issue: Issue): Issue[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => ({ ...issue, keys: [key] }));
  if (issue.code !== "invalid_union") return [issue];
  const best = issue.errors.find((branch) => branch.some(fitsKind));
  if (!best) return [issue];
  return best.flatMap((found) => flatten({ ...found, path: [...issue.path, ...found.path] } as Issue));
}

/** The branch took the kind of value and objects to what it holds, or to its form. */
function fitsKind(issue: Issue): boolean {
  if (issue.path.length > 0) return true;
  if (issue.code === "invalid_union") return issue.errors.some((branch) => branch.some(fitsKind));
  return issue.code !== "invalid_type" && issue.code !== "invalid_value";
}

interface Description {
  /** The key to point at. */
  path: readonly PropertyKey[];
  message: string;
  expected?: string;
  actual?: string;
  hints?: string[];
}

function describe(issue: Issue, value: unknown): Description {
  const { path } = issue;
  const key = path.join(".") || "the file";
  const shown = show(value, path);
  switch (issue.code) {
    case "unrecognized_keys":
      return unknownKey(issue.keys[0]!, path);
    case "invalid_type":
    case "invalid_union": {
      const own = issue.message.startsWith("expected ") ? issue.message.slice("expected ".length) : null;
      const expected = own ?? (issue.code === "invalid_type" ? typeName(issue.expected) : "another kind of value");
      if (value === undefined) return { path, message: `${key} is missing`, expected };
      return { path, message: `${key}: found ${shown}, expected ${expected}`, expected, actual: shown };
    }
    case "invalid_value": {
      const choices = issue.values.map(String);
      if (value === undefined) return { path, message: `${key} is missing`, expected: choices.join(", ") };
      const own = issue.message.startsWith("is ") ? issue.message.split("|")[0] : "is not one of the choices";
      const expected = choices.join(", ");
      const near = typeof value === "string" ? suggest(value, choices) : [];
      const hints = near.length > 0 ? [`did you mean ${near.join(" or ")}?`] : [];
      return { path, message: `${key}: ${shown} ${own}`, expected, actual: shown, hints };
    }
    case "too_small":
    case "too_big": {
      const limit = issue.code === "too_small" ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
      const size =
        typeof value === "number" ? `${key}: ${shown} is too ${issue.code === "too_small" ? "small" : "big"}` : `${key} is empty`;
      return {
        path,
        message: size,
        expected: typeof value === "number" ? limit : Array.isArray(value) ? "at least one entry" : "a text",
        actual: shown,
      };
    }
    case "custom": {
      const { expected, hints } = (issue.params ?? {}) as { expected?: string; hints?: string[] };
      return refusal(path, key, value, issue.message, expected, hints);
    }
    default: {
      const [message = issue.message, expected] = issue.message.split("|");
      return refusal(path, key, value, message, expected);
    }
  }
}

function refusal(
  path: readonly PropertyKey[],
  key: string,
  value: unknown,
  predicate: string,
  expected?: string,
  hints: string[] = [],
): Description {
  const simple = typeof value !== "object" || value === null;
  const message = simple ? `${key}: ${show(value, path)} ${predicate}` : `${key}: ${predicate}`;
  const description: Description = { path, message, hints };
  if (expected !== undefined) description.expected = expected;
  if (simple) description.actual = show(value, path);
  return description;
}

function unknownKey(key: string, path: readonly PropertyKey[]): Description {
  const at = path.length === 0 ? "" : ` in ${path.join(".")}`;
  const known = keysAt(path) ?? [];
  const near = suggest(key, known);
  const homes = homesOf(key);
  let hint = `keys here are ${known.join(", ")}`;
  if (near.length > 0) hint = `did you mean ${near.join(" or ")}?`;
  else if (homes.length > 0) hint = `${key} belongs under ${homes.join(" or ")}`;
  return { path: [...path, key], message: `unknown key "${key}"${at}`, hints: [hint] };
}

/** Addresses of receivers and their headers are what people keep secret, as a name of a secret that is none may be the secret itself. */
const RECEIVERS: readonly PropertyKey[] = ["webhook", "healthcheck"];

function show(value: unknown, path: readonly PropertyKey[]): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a mapping";
  if (typeof value === "string" && path.some((key) => RECEIVERS.includes(key))) return "a text (not shown: it may be a secret)";
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}..."` : text;
}

const TYPE_NAMES: Record<string, string> = {
  string: "a text",
  int: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};

function typeName(type: string): string {
  return TYPE_NAMES[type] ?? type;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path) at = typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined;
  return at;
}

/** The line of the key, or of the nearest mapping around it when the key is missing. */
function lineOf(path: readonly PropertyKey[], lines: Record<string, number>): number {
  for (let length = path.length; length > 0; length--) {
    const line = lines[path.slice(0, length).join(".")];
    if (line !== undefined) return line;
  }
  return 1;
}
