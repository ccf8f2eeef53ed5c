/**
 * Comma separated lists on the command line: `age, "street, no", x\,y`.
 * A backslash before a comma, a quote or a backslash takes away its meaning; elsewhere it stays (so `\d` and globs are
 * untouched). Double quotes around an entry keep its commas and spaces; a doubled quote inside is one quote. Entries are
 * trimmed unless quoted.
 */
export function splitList(text: string): { entries: string[]; problem: string | null } {
  const entries: string[] = [];
  let entry = "";
  /** Length of `entry` that is safe from trimming: up to here it was quoted or escaped. */
  let kept = 0;
  let quoted = false;
  let open = false;
  const push = (): void => {
    entries.push(quoted ? entry : entry.slice(0, kept) + entry.slice(kept).trimEnd());
    entry = "";
    kept = 0;
    quoted = false;
  };

  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    const next = text[at + 1];
    if (open) {
      if (char === '"' && next === '"') {
        entry += char;
        at++;
      } else if (char === '"') open = false;
      else entry += char;
    } else if (char === "\\" && (next === "," || next === '"' || next === "\\")) {
      entry += next;
      kept = entry.length;
      at++;
    } else if (char === '"' && entry === "" && !quoted) {
      open = true;
      quoted = true;
    } else if (char === ",") push();
    else if (quoted) {
      if (char.trim() !== "") return { entries: [], problem: `text after a closing quote in ${JSON.stringify(text)}` };
    } else if (entry !== "" || char.trim() !== "") entry += char;
  }
  if (open) return { entries: [], problem: `a quote is not closed in ${JSON.stringify(text)}` };
  push();
  return { entries, problem: null };
}

/** The text that `splitList` reads as these entries. */
export function joinList(entries: readonly string[]): string {
  return entries.map((entry) => (/^\s|\s$|[",\\]/.test(entry) ? `"${entry.replaceAll('"', '""')}"` : entry)).join(",");
}
