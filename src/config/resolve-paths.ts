/** Model, input and output: what a run cannot do without, where relative paths belong, and what kind of file the output is. */
import path from "node:path";
import type { RunSettings } from "../core/settings.ts";
import { SINK_EXTENSIONS, type SinkFormat } from "../core/sink.ts";
import { suggest } from "../core/suggest.ts";
import { SINK_FORMATS, SOURCE_FORMATS } from "./enumerations.ts";
import type { Layers } from "./layers.ts";
import type { JobFile } from "./read-job.ts";
import { ENVIRONMENT, type RunFlags } from "./run-flags.ts";
import * as read from "./setting-parsers.ts";

type Paths = Pick<
  RunSettings,
  "model" | "modelSha256" | "inputs" | "inputFormat" | "output" | "outputFormat" | "rejects" | "stateDir"
>;

export function resolvePaths(flags: RunFlags, job: JobFile | null, cwd: string, layers: Layers): Paths {
  const base = (from: string): string => (from === "job" ? job!.dir : cwd);
  const filePath = (text: string): read.Parsed<string> => {
    if (text.trim() === "") return { is: "is empty", expected: "a path" };
    if (/^[a-z][a-z0-9+.-]+:\/\//i.test(text))
      return { is: "is a web address", expected: "a path", hints: ["download the file first"] };
    return text.includes("\0") ? { is: "holds a NUL character", expected: "a path" } : { value: text };
  };
  const absolute = (given: { value: string; from: string } | null): string =>
    given ? path.resolve(base(given.from), given.value) : "";

  const model = layers.one(
    "model",
    { flagName: "--model", flag: flags.model, jobPath: "model.path", environment: ENVIRONMENT.model.name },
    filePath,
  );
  const sha =
    model?.from === "job"
      ? layers.one("modelSha256", { flagName: "", jobPath: "model.sha256" }, (text) => ({ value: text.toLowerCase() }))
      : null;

  const inputs = layers.list("inputs", { flagName: "--input", flag: flags.input, jobPath: "input.path" }, (text) => {
    const parsed = text === "-" ? { value: text } : filePath(text);
    return "value" in parsed ? { value: [parsed.value] } : parsed;
  });
  for (const input of inputs?.from === "job" ? inputs.value : []) {
    const parsed = filePath(input);
    if ("is" in parsed && Array.isArray(layers.jobValue("input.path"))) layers.refuse("input.path", "job", input, parsed);
  }
  if (inputs && inputs.value.length > 1 && inputs.value.includes("-")) {
    layers.conflict("standard input (-) stands beside other inputs", ["give --input - alone"], "BP_USAGE");
  }
  const output = layers.one("output", { flagName: "--output", flag: flags.output, jobPath: "output.path" }, filePath);

  // A path by flag leaves the job's word about the format of its own path behind.
  const inputFormat = layers.one(
    "inputFormat",
    { flagName: "--input-format", flag: flags.inputFormat, ...(inputs?.from === "job" ? { jobPath: "input.format" } : {}) },
    read.choice(SOURCE_FORMATS),
  );
  const outputFormat = layers.one(
    "outputFormat",
    { flagName: "--output-format", flag: flags.outputFormat, ...(output?.from === "job" ? { jobPath: "output.format" } : {}) },
    read.choice(SINK_FORMATS),
  );
  const rejects = layers.one("rejects", { flagName: "--rejects", flag: flags.rejects, jobPath: "errors.rejects" }, filePath);
  const state = layers.one(
    "stateDir",
    { flagName: "--state-dir", flag: flags.stateDir, environment: ENVIRONMENT.stateDir.name },
    filePath,
  );
  if (!state) layers.origins.stateDir ??= "default";

  const paths: Paths = {
    model: absolute(model),
    modelSha256: sha?.value ?? null,
    inputs: (inputs?.value ?? []).map((input) => resolveInput(input, base(inputs!.from))),
    inputFormat: inputFormat?.value ?? null,
    output: absolute(output),
    outputFormat: outputFormat?.value ?? "parquet",
    rejects: rejects ? absolute(rejects) : null,
    stateDir: state ? absolute(state) : path.join(cwd, ".batchpredict"),
  };
  if (output && !layers.origins.outputFormat) paths.outputFormat = formatOf(output.value, layers) ?? "parquet";
  checkOverwrite(paths, layers);
  missingWays(layers);
  return paths;
}

/** A glob keeps its meaning, while characters of the folder above it that happen to be special lose theirs. */
function resolveInput(input: string, base: string): string {
  if (input === "-") return "-";
  if (!/[*?[\]{}()!]/.test(input) || path.isAbsolute(input)) return path.resolve(base, input);
  return path.resolve(base.replace(/[*?[\]{}()!\\]/g, "\\$&"), input);
}

function formatOf(output: string, layers: Layers): SinkFormat | null {
  const extension = path.extname(output).toLowerCase();
  const format = SINK_EXTENSIONS[extension];
  layers.origins.outputFormat = `the extension ${extension}`;
  if (format) return format;
  const near = suggest(extension, Object.keys(SINK_EXTENSIONS));
  const hints = near.length > 0 ? [`did you mean ${near.join(" or ")}?`] : [];
  if (extension === ".gz") hints.push("outputs are not compressed from outside; Parquet is compressed inside");
  if (output === "-") hints.push("predictions go to a file");
  layers.problems.push({
    code: "BP_CONFIG",
    message:
      extension === ""
        ? `the output "${output}" has no extension that says its format`
        : `unknown extension ${extension} of the output "${output}"`,
    expected: Object.keys(SINK_EXTENSIONS).join(", "),
    hints: [
      ...hints,
      `name the file *.parquet, *.db, *.csv, *.jsonl or *.arrow, or say --output-format ${SINK_FORMATS.join(" | ")}`,
    ],
  });
  return null;
}

function checkOverwrite({ model, inputs, output, rejects }: Paths, layers: Layers): void {
  if (output === "") return;
  if (output === model) layers.conflict(`the output would overwrite the model ${model}`, ["give --output another path"]);
  if (inputs.includes(output)) layers.conflict(`the output would overwrite the input ${output}`, ["give --output another path"]);
  if (rejects !== null && inputs.includes(rejects)) {
    layers.conflict(`the rejects would overwrite the input ${rejects}`, ["give --rejects another path"]);
  }
}

function missingWays(layers: Layers): void {
  const needed = { model: "--model", inputs: "--input", output: "--output" };
  const absent = Object.entries(needed).filter(([setting]) => layers.origins[setting] === undefined);
  if (absent.length === 0) return;
  const flags = absent.map(([, flag]) => flag);
  const list = flags.length === 1 ? flags[0] : `${flags.slice(0, -1).join(", ")} and ${flags.at(-1)}`;
  layers.problems.unshift({
    code: "BP_USAGE",
    message: `${list} ${flags.length === 1 ? "is" : "are"} missing`,
    hints: [
      "for example: batchpredict run --model model.onnx --input data.csv --output predictions.parquet",
      "or name a job: batchpredict run JOB",
    ],
  });
}
