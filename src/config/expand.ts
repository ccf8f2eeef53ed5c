/**
 * `${VAR}`, `${VAR:-fallback}` and `{{ template }}` in a text of a job file, in one pass: what comes out of the
 * environment is never read again as a template, so a variable cannot smuggle one in. `$${` is a literal `${`.
 */
import { renderTemplate, type TemplateContext, type TemplateProblem } from "./templates.ts";

export interface ExpandContext {
  env: Readonly<Record<string, string | undefined>>;
  /** null: keep templates and unset variables as they stand, only check how they are written. */
  templates: TemplateContext | null;
}

export interface Expanded {
  text: string;
  /** Something was put in, so an unquoted YAML value must be typed again (`batchSize: ${N}`). */
  changed: boolean;
  problems: TemplateProblem[];
}

const PIECES = /\$\$\{|\$\{([^}]*)(\}?)|\{\{((?:"[^"]*"|'[^']*'|(?!\}\})[^"']|["'])*?)(\}\}|$)/gs;

export function expand(text: string, { env, templates }: ExpandContext): Expanded {
  const problems: TemplateProblem[] = [];
  let changed = false;
  const replaced = text.replace(PIECES, (whole: string, ...groups: (string | undefined)[]) => {
    const [variable, closed, template, end] = groups;
    if (whole === "$${") return "${";
    if (variable !== undefined) {
      const result = closed === "}" ? lookUp(variable, env) : unclosed(whole, "}");
      if ("message" in result) {
        if (!result.absent || templates !== null) problems.push({ message: result.message, hints: result.hints });
        return whole;
      }
      changed = true;
      return result.text;
    }
    const result = end === "}}" ? renderTemplate(template ?? "", templates) : unclosed(whole, "}}");
    if ("message" in result) {
      problems.push(result);
      return whole;
    }
    if (templates === null) return whole;
    changed = true;
    return result.text;
  });
  return { text: replaced, changed, problems };
}

function lookUp(inside: string, env: ExpandContext["env"]): { text: string } | (TemplateProblem & { absent: boolean }) {
  const [, name, fallback] = /^([A-Za-z_]\w*)(?::-(.*))?$/s.exec(inside) ?? [];
  if (name === undefined || fallback?.includes("${")) {
    const hints = ["write ${NAME} or ${NAME:-fallback}, not one inside the other; $${ is a literal ${"];
    return { message: `cannot read \${${inside}}`, hints, absent: false };
  }
  const value = env[name];
  if (fallback !== undefined) return { text: value === undefined || value === "" ? fallback : value };
  if (value !== undefined) return { text: value };
  const hints = [`set ${name}, or give a fallback: \${${name}:-value}`];
  return { message: `environment variable ${name} is not set`, hints, absent: true };
}

function unclosed(whole: string, missing: string): TemplateProblem & { absent: boolean } {
  const shown = whole.length > 40 ? `${whole.slice(0, 40)}...` : whole;
  return { message: `${JSON.stringify(shown)} is not closed`, hints: [`add ${missing}`], absent: false };
}
