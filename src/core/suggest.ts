import { distance } from "fastest-levenshtein";

/**
 * Names close enough to `wanted` that a typing error explains them, best first, at most three.
 * Case and punctuation are ignored; a third of the letters may differ.
 */
export function suggest(wanted: string, names: readonly string[]): string[] {
  const fold = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const target = fold(wanted);
  // One edit turns any letter into any other: a single one must be the same but for case.
  const limit = target.length < 2 ? 0 : Math.max(1, Math.floor(target.length / 3));
  return names
    .map((name) => ({ name, far: distance(target, fold(name)) }))
    .filter(({ far }) => far <= limit)
    .sort((a, b) => a.far - b.far)
    .slice(0, 3)
    .map(({ name }) => name);
}
