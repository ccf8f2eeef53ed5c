/** Names in SQL text: any name is allowed, so every name is quoted. */

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function nameList(names: readonly string[]): string {
  return names.map(quoteName).join(", ");
}

/** SQLite compares names of tables and columns without regard to the case of ASCII letters, and of these only. */
export function sameName(a: string, b: string): boolean {
  return foldName(a) === foldName(b);
}

function foldName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
