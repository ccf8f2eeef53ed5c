/**
 * The text of a job file (YAML 1.2, or JSON, which is a part of it) to plain values that know their lines.
 * No custom tags, no merging of documents, bounded aliases; variables and templates are filled in here, because only
 * here it is known whether a value was quoted.
 */

import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, Scalar, type YAMLError } from "yaml";
import { groupDigits } from "../core/group-digits.ts";
import { type ExpandContext, expand } from "./expand.ts";

export interface TextProblem {
  message: string;
  hints: string[];
  /** 1-based. */
  line: number;
  /** Dotted path of the value that could not be filled in; the schema need not complain about it again. */
  path?: string;
}

export interface JobText {
  /** null when the text is no mapping at all. */
  value: Record<string, unknown> | null;
  /** Dotted path ("output.key.0") -> 1-based line of the value; a mapping's or list's own line is that of its key. */
  lines: Record<string, number>;
  problems: TextProblem[];
}

/** More values than this is no job file (or an alias bomb). */
const MAX_VALUES = 20_000;

/** Where a text is meant, numbers keep the spelling of the file: `nullValues: [-999.0]` is the text "-999.0". */
const TEXT_PATHS = /^(input\.csv\.nullValues|bind\.(features|inputs|constants)|keep|missing|output\.key)(\.|$)/;

/** Texts that are never expanded: what they say must be known before any run. */
const LITERAL_PATHS = /^(\$schema|version|name|description|schedule|timezone)(\.|$)/;

export function readJobText(text: string, context: ExpandContext): JobText {
  const counter = new LineCounter();
  const lineAt = (node: Node | null | undefined, otherwise: number): number =>
    node?.range ? counter.linePos(node.range[0]).line : otherwise;
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, schema: "core", intAsBigInt: true });
  const result: JobText = { value: null, lines: {}, problems: [] };

  for (const error of [...document.errors, ...document.warnings]) {
    const line = counter.linePos(error.pos[0]).line;
    if (result.problems.some((problem) => problem.line === line)) continue;
    result.problems.push({ ...syntaxProblem(error, text.split("\n")[line - 1] ?? ""), line });
  }
  if (result.problems.length > 0) return result;

  let values = 0;
  const open = new Set<Node>();
  const walk = (node: Node | null, path: string, line: number): unknown => {
    if (++values > MAX_VALUES) return undefined;
    const here = lineAt(node, line);
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target && !open.has(target)) return walk(target, path, line);
      result.problems.push({ message: `alias *${node.source} has no anchor before it`, hints: [], line: here, path });
      return undefined;
    }
    if (path !== "") result.lines[path] = isMap(node) || isSeq(node) ? line : here;
    if (node?.tag !== undefined && !node.tag.startsWith("tag:yaml.org,2002:")) {
      result.problems.push({
        message: `tag ${node.tag} is not allowed`,
        hints: ["job files hold plain values only"],
        line: here,
      });
    }
    if (isScalar(node)) return scalar(node, path, here);
    if (node === null || (!isMap(node) && !isSeq(node))) return null;
    open.add(node);
    const value = isMap(node) ? mapping(node.items as { key: Node; value: Node | null }[], path, here) : [];
    if (isSeq(node)) {
      for (const [index, item] of node.items.entries()) (value as unknown[]).push(walk(item as Node, join(path, index), here));
    }
    open.delete(node);
    return value;
  };

  const mapping = (items: { key: Node; value: Node | null }[], path: string, line: number): Record<string, unknown> => {
    const value: Record<string, unknown> = Object.create(null);
    for (const { key, value: node } of items) {
      const keyLine = lineAt(key, line);
      if (!isScalar(key)) {
        const message = isMap(key) ? "{{ }} without quotes around it" : "a key that is no text";
        result.problems.push({ message, hints: ['put texts with {{ }} in quotes: "{{ date }}"'], line: keyLine, path });
        continue;
      }
      const name = key.source ?? String(key.value);
      result.lines[join(path, name)] = keyLine;
      value[name] = walk(node, join(path, name), keyLine);
    }
    return value;
  };

  const scalar = (node: Scalar, path: string, line: number): unknown => {
    if (typeof node.value !== "string") {
      if (TEXT_PATHS.test(path)) return node.source ?? String(node.value);
      return typeof node.value === "bigint" ? Number(node.value) : node.value;
    }
    if (LITERAL_PATHS.test(path)) return node.value;
    const expanded = expand(node.value, context);
    for (const problem of expanded.problems) result.problems.push({ ...problem, line, path });
    const retype = expanded.changed && node.type === Scalar.PLAIN && !TEXT_PATHS.test(path);
    return retype ? typed(expanded.text) : expanded.text;
  };

  const value = walk(document.contents as Node | null, "", 1);
  if (values > MAX_VALUES) {
    result.problems.push({ message: `more than ${groupDigits(MAX_VALUES)} values`, hints: [], line: 1 });
  } else if (isMap(document.contents)) {
    result.value = value as Record<string, unknown>;
  } else {
    const found =
      document.contents === null || value === null ? "the file is empty" : "the file holds no mapping of keys to values";
    const hints = ["a job file begins with version: 1, then model:, input: and output:"];
    result.problems.push({ message: found, hints, line: 1 });
  }
  return result;
}

function join(path: string, key: string | number): string {
  return path === "" ? String(key) : `${path}.${key}`;
}

/** The type that the text would have had, written without quotes in the file. */
function typed(text: string): unknown {
  if (/^[-+]?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (text === "true" || text === "false") return text === "true";
  return text;
}

function syntaxProblem(error: YAMLError, line: string): Omit<TextProblem, "line"> {
  if (/\{\{/.test(line))
    return { message: "{{ }} without quotes around it", hints: ['put texts with {{ }} in quotes: "{{ date }}"'] };
  switch (error.code) {
    case "DUPLICATE_KEY":
      return { message: "this key stands here a second time", hints: ["remove one of the two"] };
    case "TAB_AS_INDENT":
      return { message: "a tab as indentation", hints: ["indent with spaces"] };
    case "MULTIPLE_DOCS":
      return { message: "a second document (---)", hints: ["write one job per file"] };
    case "TAG_RESOLVE_FAILED":
      return { message: `${lowerFirst(error.message)}`, hints: ["job files hold plain values only"] };
    case "BLOCK_AS_IMPLICIT_KEY":
      return { message: "two values on one line", hints: ["put a text that holds a colon in quotes"] };
    case "BAD_SCALAR_START":
      return { message: lowerFirst(error.message), hints: ["put the text in quotes"] };
    default:
      return {
        message: `no YAML: ${lowerFirst(error.message)}`,
        hints: ["check quotes, brackets and indentation around this line"],
      };
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
