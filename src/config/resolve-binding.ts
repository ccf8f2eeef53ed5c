/** `--bind`, `--const`, `--shape`, `--outputs`, `--missing`: settings that are maps, where a flag wins key by key. */
import type { RunSettings, UndecidedPair } from "../core/settings.ts";
import type { Layers } from "./layers.ts";
import { asList, type RunFlags } from "./run-flags.ts";
import * as read from "./setting-parsers.ts";

type Binding = Pick<RunSettings, "bind" | "constants" | "shapes" | "undecided">;

export function resolveBinding(flags: RunFlags, layers: Layers): Binding {
  const fromJob = (key: string): Record<string, unknown> => (layers.jobValue(`bind.${key}`) ?? {}) as Record<string, unknown>;
  const bind: Record<string, string[]> = {};
  const constants: Record<string, string> = {};
  const shapes: Record<string, number[]> = {};
  for (const [input, columns] of Object.entries(fromJob("inputs"))) {
    const places = { flagName: "--bind", jobPath: `bind.inputs.${input}` };
    bind[input] = Array.isArray(columns)
      ? columns.map(String)
      : (layers.list(`bind.${input}`, places, read.list("column"))?.value ?? [String(columns)]);
    layers.origins[`bind.${input}`] = layers.jobOrigin(places.jobPath);
  }
  for (const [input, value] of Object.entries(fromJob("constants"))) {
    constants[input] = Array.isArray(value) ? JSON.stringify(value.map(String)) : String(value);
    layers.origins[`constants.${input}`] = layers.jobOrigin(`bind.constants.${input}`);
    if (Object.hasOwn(bind, input))
      layers.conflict(
        `model input "${input}" stands under bind.inputs and under bind.constants`,
        ["keep one of the two"],
        "BP_JOB_FILE",
      );
  }
  for (const [input, shape] of Object.entries(fromJob("shapes"))) {
    shapes[input] = shape as number[];
    layers.origins[`shapes.${input}`] = layers.jobOrigin(`bind.shapes.${input}`);
  }

  const undecided: UndecidedPair[] = [];
  const decided = (flag: UndecidedPair["flag"], given: RunFlags["bind"]): string[] => {
    const texts = given === undefined ? [] : asList(given);
    undecided.push(...texts.filter(isUndecided).map((text) => ({ flag, text })));
    return texts.filter((text) => !isUndecided(text));
  };
  const flagBind = pairs(layers, decided("--bind", flags.bind), "--bind", "INPUT=COLS", "first", read.list("column"));
  const flagConst = pairs(layers, decided("--const", flags.const), "--const", "INPUT=VALUE", "first", read.constant);
  for (const [input, columns] of Object.entries(flagBind)) {
    bind[input] = columns;
    delete constants[input];
    delete layers.origins[`constants.${input}`];
    layers.origins[`bind.${input}`] = "flag --bind";
  }
  for (const [input, text] of Object.entries(flagConst)) {
    if (Object.hasOwn(flagBind, input))
      layers.conflict(`model input "${input}" is given by --bind and by --const`, ["keep one of the two"], "BP_USAGE");
    constants[input] = text;
    delete bind[input];
    delete layers.origins[`bind.${input}`];
    layers.origins[`constants.${input}`] = "flag --const";
  }
  for (const [input, shape] of Object.entries(pairs(layers, flags.shape, "--shape", "INPUT=24x3", "last", read.shape))) {
    shapes[input] = shape;
    layers.origins[`shapes.${input}`] = "flag --shape";
  }
  return { bind, constants, shapes, ...(undecided.length > 0 ? { undecided } : {}) };
}

function isUndecided(text: string): boolean {
  return text.indexOf("=") > 0 && text.indexOf("=") !== text.lastIndexOf("=");
}

function pairs<T>(
  layers: Layers,
  given: RunFlags["bind"],
  flag: string,
  form: string,
  border: "first" | "last",
  parse: read.Parser<T>,
): Record<string, T> {
  const found: Record<string, T> = {};
  for (const text of given === undefined ? [] : asList(given)) {
    const entry = read.pair(text, border);
    if (!entry) {
      layers.refuse(flag, "flag", text, { is: `is not of the form ${form}`, expected: form });
      continue;
    }
    const parsed = parse(entry.value);
    if (!("value" in parsed)) layers.refuse(`${flag} ${entry.name}`, "flag", entry.value, parsed);
    else if (Object.hasOwn(found, entry.name)) {
      layers.conflict(`model input "${entry.name}" is given twice by ${flag}`, ["keep one of the two"], "BP_USAGE");
    } else found[entry.name] = parsed.value;
  }
  return found;
}

export function resolveOutputs(flags: RunFlags, layers: Layers): RunSettings["outputs"] {
  const result: NonNullable<RunSettings["outputs"]> = [];
  const add = (text: string, from: "flag" | "job", where: string): void => {
    const at = text.indexOf("=");
    const [name, alias] = at === -1 ? [text.trim(), null] : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
    if (name === "" || alias === "") layers.refuse(where, from, text, { is: "is not of the form NAME or NAME=ALIAS" });
    else result.push({ name, alias });
  };
  if (flags.outputs !== undefined) {
    const given = layers.list("outputs", { flagName: "--outputs", flag: flags.outputs }, read.list("output"));
    for (const text of given?.value ?? []) add(text, "flag", "--outputs");
  } else {
    const job = layers.jobValue("outputs") as string | (string | { name: string; alias?: string })[] | undefined;
    if (job === undefined) return null;
    layers.origins.outputs = layers.jobOrigin("outputs");
    const entries =
      typeof job === "string"
        ? (layers.list("outputs", { flagName: "", jobPath: "outputs" }, read.list("output"))?.value ?? [])
        : job;
    for (const [index, entry] of entries.entries()) {
      if (typeof entry === "string") add(entry, "job", typeof job === "string" ? "outputs" : `outputs.${index}`);
      else result.push({ name: entry.name, alias: entry.alias ?? null });
    }
  }
  const names = result.map(({ name, alias }) => alias ?? name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    layers.conflict(`two outputs would be called "${twice}"`, ["give one of them another name: --outputs NAME=ALIAS"]);
  return result;
}

/** The flag speaks for columns that the job file does not name one by one. */
export function resolveMissing(flags: RunFlags, layers: Layers): RunSettings["missing"] {
  const job = layers.jobValue("missing");
  const map = typeof job === "object" && job !== null ? (job as { default?: unknown; columns?: Record<string, unknown> }) : null;
  const jobPath = map ? "missing.default" : "missing";
  const result: RunSettings["missing"] = {
    default: layers.or<RunSettings["missing"]["default"]>(
      "missing",
      { flagName: "--missing", flag: flags.missing, jobPath },
      read.missing,
      "auto",
    ),
    columns: {},
  };
  for (const column of Object.keys(map?.columns ?? {})) {
    const parsed = read.missing(String(map!.columns![column]));
    if ("value" in parsed) result.columns[column] = parsed.value;
    layers.origins[`missing.${column}`] = layers.jobOrigin(`missing.columns.${column}`);
  }
  return result;
}
