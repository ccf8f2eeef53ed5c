/** Where the real files are: the shipped fixtures always, the full material when it lies beside the project. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

export const ROOT = path.resolve(import.meta.dirname, "..");
export const FIXTURES = path.join(ROOT, "fixtures");
const MATERIAL = path.resolve(ROOT, "../shared/material");

/** Null where the material is absent; says so loudly, because a suite that skipped its largest part is not a green suite. */
export function material(what: string): string | null {
  if (existsSync(MATERIAL)) return MATERIAL;
  console.warn(`SKIPPED: ${what}: ../shared/material is not here; only the fixtures are tested`);
  return null;
}

/** Fixtures first, then the material's folders that are not among them. */
export function foldersOf(kind: string): { name: string; folder: string }[] {
  const seen = new Set<string>();
  const roots = [FIXTURES, material(kind)].filter((root) => root !== null);
  return roots.flatMap((root) => {
    const parent = path.join(root, kind);
    if (!existsSync(parent)) return [];
    return readdirSync(parent, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !seen.has(entry.name))
      .map((entry) => {
        seen.add(entry.name);
        return { name: entry.name, folder: path.join(parent, entry.name) };
      });
  });
}

export function readJson<Value>(file: string): Value {
  return JSON.parse(readFileSync(file, "utf8")) as Value;
}

/** Folder of the private en_US.UTF-8 locale that text models need. */
export function localeFolder(): string | null {
  return [FIXTURES, MATERIAL].map((root) => path.join(root, "locale")).find((folder) => existsSync(folder)) ?? null;
}
