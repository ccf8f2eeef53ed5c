/**
 * Templates in job files: `{{ date }}`, `{{ interval.start | days(-7) | fmt("%Y%m%d") }}`.
 * A small grammar read by hand, never evaluated as code:
 *
 *     template = "{{" ( name | string ) { "|" filter } "}}"
 *     name     = date | ts | interval.start | interval.end | prev_success.date | run.id | job.name
 *     filter   = days(whole number) | nodash | fmt("strftime pattern") | default("text")
 *
 * `date` is the logical date (2026-11-21); `ts`, `interval.*` are instants in the job's zone (2026-11-21T06:00:00+01:00).
 */
import { suggest } from "../core/suggest.ts";
import { formatWall, KNOWN_DIRECTIVES, unknownDirective } from "./time-format.ts";
import { instantOf, wallTimeOf } from "./zoned-time.ts";

/** What a run knows about itself. null: not known here; using it without `default(..)` is a problem. */
export interface TemplateContext {
  jobName: string;
  /** IANA name. */
  timeZone: string;
  /** YYYY-MM-DD. */
  logicalDate: string;
  /** Nominal time of the run. */
  ts: Date;
  interval: { start: Date; end: Date } | null;
  /** Logical date (YYYY-MM-DD) of the last success. */
  previousSuccess: string | null;
  runId: string | null;
}

export interface TemplateProblem {
  message: string;
  hints: string[];
}

export type Rendered = { text: string } | TemplateProblem;

export const TEMPLATE_NAMES = [
  "date",
  "ts",
  "interval.start",
  "interval.end",
  "prev_success.date",
  "run.id",
  "job.name",
] as const;
export const TEMPLATE_FILTERS = ["days", "nodash", "fmt", "default"] as const;

type Name = (typeof TEMPLATE_NAMES)[number];
type Filter = { name: "days"; days: number } | { name: "nodash" } | { name: "fmt" | "default"; text: string };
type Expression = { name: Name | null; literal: string; filters: Filter[] };

/** `wallMs` as in zoned-time.ts; `instant` prints with time and offset, `date` without. */
type Value = { kind: "date" | "instant"; wallMs: number } | { kind: "text"; text: string };

/** @param source what stands between the braces; @param context null: check the syntax only, the text given back is empty */
export function renderTemplate(source: string, context: TemplateContext | null): Rendered {
  const shown = `{{${source}}}`;
  const expression = parse(source, shown);
  if ("message" in expression) return expression;
  return context === null ? { text: "" } : evaluate(expression, context, shown);
}

function evaluate({ name, literal, filters }: Expression, context: TemplateContext, shown: string): Rendered {
  let value: Value | null = name === null ? { kind: "text", text: literal } : lookUp(name, context);
  for (const filter of filters) {
    if (filter.name === "default") {
      value ??= { kind: "text", text: filter.text };
    } else if (value === null) {
      // Nothing to filter; a later default(..) may still fill in.
    } else if (filter.name === "nodash") {
      value = { kind: "text", text: printNoDash(value) };
    } else if (value.kind === "text") {
      const message = `${shown}: ${filter.name}() needs a date, and this is the text "${value.text}"`;
      return { message, hints: ["put nodash, fmt() and default() after days()"] };
    } else if (filter.name === "days") {
      value = { ...value, wallMs: value.wallMs + filter.days * 86_400_000 };
    } else {
      value = { kind: "text", text: formatWall(value.wallMs, filter.text) };
    }
  }
  if (value === null) {
    const why = name === "prev_success.date" ? "the job has not succeeded before" : "only a scheduled run knows it";
    return {
      message: `${shown}: ${name} is not known here (${why})`,
      hints: [`give a fallback: {{ ${name} | default("...") }}`],
    };
  }
  return { text: print(value, context.timeZone) };
}

function lookUp(name: Name, context: TemplateContext): Value | null {
  const instant = (date: Date | undefined): Value | null =>
    date === undefined ? null : { kind: "instant", wallMs: wallTimeOf(date.getTime(), context.timeZone) };
  const date = (text: string | null): Value | null =>
    text === null ? null : { kind: "date", wallMs: Date.parse(`${text}T00:00:00Z`) };
  const text = (content: string | null): Value | null => (content === null ? null : { kind: "text", text: content });
  switch (name) {
    case "date":
      return date(context.logicalDate);
    case "ts":
      return instant(context.ts);
    case "interval.start":
      return instant(context.interval?.start);
    case "interval.end":
      return instant(context.interval?.end);
    case "prev_success.date":
      return date(context.previousSuccess);
    case "run.id":
      return text(context.runId);
    case "job.name":
      return text(context.jobName);
  }
}

function print(value: Value, timeZone: string): string {
  if (value.kind === "text") return value.text;
  if (value.kind === "date") return formatWall(value.wallMs, "%Y-%m-%d");
  const minutes = Math.round((value.wallMs - instantOf(value.wallMs, timeZone)) / 60_000);
  const pad = (count: number): string => String(count).padStart(2, "0");
  const offset = `${minutes < 0 ? "-" : "+"}${pad(Math.floor(Math.abs(minutes) / 60))}:${pad(Math.abs(minutes) % 60)}`;
  return formatWall(value.wallMs, "%Y-%m-%dT%H:%M:%S") + offset;
}

/** 20261121, 20261121T060000; a text merely loses its dashes. */
function printNoDash(value: Value): string {
  if (value.kind === "text") return value.text.replaceAll("-", "");
  return formatWall(value.wallMs, value.kind === "date" ? "%Y%m%d" : "%Y%m%dT%H%M%S");
}

function parse(source: string, shown: string): Expression | TemplateProblem {
  const [head, ...rest] = splitPipes(source);
  const literal = asString(head!.trim());
  const name = TEMPLATE_NAMES.find((known) => known === head!.trim());
  if (literal === null && name === undefined) return unknown(shown, head!.trim(), "name", TEMPLATE_NAMES);
  const filters: Filter[] = [];
  for (const text of rest) {
    const filter = parseFilter(text.trim(), shown);
    if ("message" in filter) return filter;
    filters.push(filter);
  }
  return { name: name ?? null, literal: literal ?? "", filters };
}

function parseFilter(text: string, shown: string): Filter | TemplateProblem {
  const [, name, argument] = /^([\w.]*)\s*(?:\((.*)\))?$/s.exec(text) ?? [null, text, undefined];
  switch (name) {
    case "nodash":
      if (argument?.trim()) return { message: `${shown}: nodash takes no argument`, hints: ["write | nodash"] };
      return { name };
    case "days":
      if (!/^[+-]?\d{1,6}$/.test(argument?.trim() ?? "")) {
        return { message: `${shown}: days() takes a whole number of days`, hints: ["for example days(-7)"] };
      }
      return { name, days: Number(argument) };
    case "fmt": {
      const pattern = asString(argument?.trim() ?? "");
      if (pattern === null) return { message: `${shown}: fmt() takes a pattern in quotes`, hints: ['for example fmt("%Y-%m")'] };
      const bad = unknownDirective(pattern);
      if (bad !== null) return { message: `${shown}: fmt() does not know ${bad}`, hints: [`it knows ${KNOWN_DIRECTIVES}`] };
      return { name, text: pattern };
    }
    case "default": {
      const fallback = asString(argument?.trim() ?? "");
      if (fallback === null)
        return { message: `${shown}: default() takes a text in quotes`, hints: ['for example default("1970-01-01")'] };
      return { name, text: fallback };
    }
    default:
      return unknown(shown, name ?? text, "filter", TEMPLATE_FILTERS);
  }
}

function unknown(shown: string, found: string, what: "name" | "filter", known: readonly string[]): TemplateProblem {
  const near = suggest(found, known);
  const message = found === "" ? `${shown}: a ${what} is missing` : `${shown}: unknown ${what} "${found}"`;
  return { message, hints: near.length > 0 ? [`did you mean ${near.join(" or ")}?`] : [`${what}s are ${known.join(", ")}`] };
}

/** Pipes inside quotes do not count. */
function splitPipes(source: string): string[] {
  return source.match(/(?:"[^"]*"|'[^']*'|[^|"']|["'])+|(?<=\|)$|(?<=\|)(?=\|)|^(?=\|)|^$/g) ?? [""];
}

function asString(text: string): string | null {
  return /^"([^"]*)"$/s.exec(text)?.[1] ?? /^'([^']*)'$/s.exec(text)?.[1] ?? null;
}
