/**
 * The text of a constant as element texts: one value, or the elements of a JSON list, row-major. Numbers keep the digits they
 * were written with, because a double in between would change large int64.
 *
 * @returns null when the text begins like a list and is none
 */
export function constantValues(text: string): string[] | null {
  if (!text.trim().startsWith("[")) return [text];
  try {
    JSON.parse(text);
    return flatten(JSON.parse(text.replace(STRING_OR_NUMBER, (token) => (token.startsWith('"') ? token : `"${token}"`))));
  } catch {
    return null;
  }
}

const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** null, where JSON holds an object. */
function flatten(value: unknown): string[] | null {
  if (!Array.isArray(value)) return typeof value === "object" && value !== null ? null : [String(value)];
  const parts = value.map(flatten);
  return parts.includes(null) ? null : (parts as string[][]).flat();
}
