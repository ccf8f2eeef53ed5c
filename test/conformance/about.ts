/** What the catalogue says of a model, and the flags that follow from it. */
import { existsSync } from "node:fs";
import path from "node:path";
import { joinList } from "../../src/config/split-list.ts";
import { localeFolder, readJson } from "../corpora.ts";

export interface About {
  name: string;
  runnable: boolean;
  why_not?: string;
  needs_locale?: string | null;
  model_file?: string;
  source: { repo: string } | null;
  producer?: string;
  tags?: string[];
  inputs: { name: string; type: string; shape: (number | string | null)[]; columns: string[]; row_shape: number[] }[];
  outputs: { name: string; zipmap_classes?: (string | number)[] | null }[];
}

export function readAbout(folder: string): About {
  return readJson<About>(path.join(folder, "about.json"));
}

/** Every input bound by name, so that the test says what the data means and nothing is guessed. */
export function bindFlags(about: About): string[] {
  return about.inputs.flatMap((input) => [
    "--bind",
    `${input.name}=${joinList(input.columns)}`,
    ...(input.row_shape.length > 1 ? ["--shape", `${input.name}=${input.row_shape.join("x")}`] : []),
  ]);
}

export function modelEnv(about: About): Record<string, string> {
  const locale = localeFolder();
  return about.needs_locale && locale !== null ? { LOCPATH: locale } : {};
}

/** Text models load only where the en_US.UTF-8 locale is: beside the larger collection, or on the machine. */
export function isLoadable(about: About): boolean {
  if (!about.needs_locale || localeFolder() !== null) return true;
  if (["en_US.utf8", "en_US.UTF-8"].some((name) => existsSync(path.join("/usr/lib/locale", name)))) return true;
  console.warn(`SKIPPED: ${about.name}: the locale ${about.needs_locale} is not on this machine`);
  return false;
}
