/** Numbers and tables for people. Pure. */
import { groupDigits } from "../core/group-digits.ts";

const SIZES = ["B", "KB", "MB", "GB", "TB"] as const;

/** 1234567 -> "1,234,567". */
export function formatCount(count: number): string {
  return groupDigits(Math.round(count));
}

/** Decimal units: 1500 -> "1.5 KB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What rounds to 1000 is shown in the next unit.
  while (Math.round(value) >= 1000 && unit < SIZES.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${SIZES[unit]}`;
}

/** 0.42 -> "0.42 s", 75 -> "1m 15s", 3700 -> "1h 1m". */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m ${whole % 60}s`;
  return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}

/** Control characters of names and cells from files would otherwise reach the terminal as commands. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Text from files may hold line ends: what follows them is indented, so that it does not look like a line of ours. */
export function printableBlock(text: string, indent: string): string {
  return printable(text).replaceAll("\n", `\n${indent}`);
}

/** Left-aligned columns, two spaces apart; cells wider than `maxCell` characters are cut with "...". */
export function formatTable(rows: readonly (readonly string[])[], indent = "", maxCell = 60): string {
  const cut = rows.map((row) => row.map((cell) => shorten(printable(cell).replace(/[\n\t]/g, " "), maxCell)));
  const widths: number[] = [];
  for (const row of cut) {
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, cell.length);
    });
  }
  return cut.map((row) => `${indent}${row.map((cell, at) => cell.padEnd(widths[at]!)).join("  ")}`.trimEnd()).join("\n");
}

export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const end = Math.max(0, limit - 3);
  // Half of a surrogate pair would print as a broken character.
  const whole = /[\ud800-\udbff]/.test(text.charAt(end - 1)) ? end - 1 : end;
  return `${text.slice(0, whole)}...`;
}

/** A long list by its first names, its last and its length. */
export function nameList(names: readonly string[], limit = 8): string {
  if (names.length <= limit) return names.join(", ");
  return `${names.slice(0, limit - 2).join(", ")}, ... ${names.at(-1)} (${names.length} in all)`;
}
