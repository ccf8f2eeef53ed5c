/** Texts of files (names, paths) as YAML that a job file reads back unchanged. */

const PLAIN = /^[\p{L}_./][\p{L}\p{N}_./-]*$/u;
/** Plain words that YAML, or a job file, reads as something else. */
const SPECIAL = /^(true|false|null|yes|no|on|off|y|n|none|nan|auto|~|\.|\.inf|\.nan)$/i;

/** JSON is YAML; `${` and `{{` would be filled in, so they are written in the form that gives them. */
export function scalar(text: string): string {
  if (PLAIN.test(text) && !SPECIAL.test(text)) return text;
  return JSON.stringify(text.replaceAll("{{", '{{ "{{" }}').replaceAll("${", "$${"));
}

export function list(texts: readonly string[]): string {
  return `[${texts.map(scalar).join(", ")}]`;
}

/** One line, whatever the text holds. */
export function comment(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ");
}
