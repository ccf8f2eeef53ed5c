/** What the catalogue says of a model, and the flags and features that follow from it. */
import { existsSync } from "node:fs";
import path from "node:path";
import { joinList } from "../../src/config/split-list.ts";
import { localeFolder, readJson } from "../corpora.ts";

interface AboutValue {
  name: string;
  type: string;
  shape: (number | string | null)[];
}

export interface About {
  name?: string;
  runnable: boolean;
  why_not?: string;
  needs_locale?: string | null;
  model_file?: string;
  source?: { repo: string } | null;
  producer?: string | null;
  tags?: string[];
  opset?: Record<string, number>;
  inputs: (AboutValue & { columns: string[]; row_shape: number[] })[];
  outputs: (AboutValue & { run_shape_per_row?: number[]; zipmap_classes?: (string | number)[] | null })[];
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
  console.warn(`SKIPPED: a text model (${about.name}): the locale ${about.needs_locale} is not on this machine`);
  return false;
}

/** The tool's name without its version; where the file names none, the project it was taken from. */
export function exporterOf({ producer, source }: Pick<About, "producer" | "source">): string {
  const tool = (producer ?? "").replace(/(?:[ :]+v?\d[\w.+-]*)+(?: [0-9a-f]{6})?$/, "");
  if (tool !== "") return tool;
  if (source === undefined) return "trained for this project";
  return source === null ? "unnamed tool" : `unnamed, from ${source.repo.replace("https://github.com/", "")}`;
}

export function featuresOf(about: About): string[] {
  const found = new Set<string>();
  const { inputs, outputs, tags = [] } = about;
  const tensors = (side: "input" | "output", values: readonly AboutValue[]): void => {
    for (const { type, shape } of values) {
      const element = /^tensor\((\w+)\)$/.exec(type)?.[1];
      if (element !== undefined) {
        found.add(`${element} ${side}`);
        found.add(`rank ${shape.length} ${side}`);
      } else found.add(`${type} ${side}`);
    }
  };
  tensors("input", inputs);
  tensors("output", outputs);
  if (outputs.some(({ zipmap_classes: classes }) => classes)) found.add("ZipMap");
  const first = inputs[0]?.shape[0];
  found.add(typeof first === "number" ? `fixed batch of ${first}` : "any number of rows per call");
  if (inputs.length > 1) found.add(inputs.length > 9 ? "10 and more inputs" : "2 to 9 inputs");
  if (outputs.length > 1) found.add("several outputs");
  if (inputs.some(({ shape }) => shape.slice(1).some((dimension) => typeof dimension !== "number")))
    found.add("input of open width");
  if (tags.includes("overridable-initializer")) found.add("defaults of inputs (initializers)");
  if (tags.includes("external-data") || about.name?.startsWith("extdata")) found.add("external data");
  if (tags.includes("ort-format")) found.add(".ort format");
  if (tags.includes("contrib-ops")) found.add("com.microsoft operators");
  if (about.needs_locale) found.add("text operators");
  if ([...inputs, ...outputs].some(({ name }) => /[^\w]/.test(name))) found.add("names with : / . or other signs");
  return [...found];
}
