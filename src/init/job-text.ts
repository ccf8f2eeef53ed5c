/** The job file as text: what was found, what was guessed and why, what only a person can say. Pure. */

import type { Proposal, ProposedInput } from "../binding/propose-binding.ts";
import type { ModelSignature } from "../core/model-signature.ts";
import type { CsvDialect, SourceDescription } from "../core/source.ts";
import { comment, list, scalar } from "./yaml-scalar.ts";

export interface JobDraft {
  name: string;
  /** Relative to the job file, as it is to stand in it. */
  model: string;
  inputs: string[];
  output: string;
  ifExists: "fail" | "replace";
  /** How to name the job on the command line. */
  runAs: string;
  /** Relative to the job file; null where it is in no folder that the state folder belongs to. */
  schema: string | null;
  date: string;
  signature: ModelSignature;
  source: Pick<SourceDescription, "columns" | "dialect" | "format" | "rows" | "rowsEstimate">;
  inputFormat: string | null;
  /** CSV settings that the user gave, as they stand in a job file. */
  csv: Record<string, unknown>;
  proposal: Proposal;
  /** Why a trial of the finished file failed; null: it ran, or was not tried. */
  trialError: string | null;
}

/** More columns than this are not listed one by one. */
const MAX_LISTED = 20;
/** Shorter runs are easier to read as names. */
const MIN_RANGE = 4;

export function jobText(draft: JobDraft): string {
  const { proposal } = draft;
  const parts = [
    heading(draft),
    ["version: 1", `name: ${scalar(draft.name)}`],
    modelLines(draft),
    inputLines(draft),
    bindLines(draft, proposal),
    keepLines(draft),
    outputLines(draft),
    MORE,
  ];
  return `${parts.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

function heading({ schema, date, runAs, proposal, trialError }: JobDraft): string[] {
  const toCheck = proposal.inputs.filter(({ check }) => check).length;
  return [
    ...(schema === null ? [] : [`# yaml-language-server: $schema=${schema}`, "#"]),
    `# Written by batchpredict init on ${date}. Change whatever you like.`,
    `# Look at it:   batchpredict plan ${runAs}`,
    `# Run it:       batchpredict run ${runAs}`,
    ...(proposal.open.length > 0
      ? [
          "#",
          `# NOT READY: ${proposal.open.length} model input${proposal.open.length === 1 ? "" : "s"} to fill in, marked TO FILL IN.`,
        ]
      : []),
    ...(trialError === null ? [] : ["#", `# NOT READY: a trial on the first rows failed: ${comment(trialError)}`]),
    ...(toCheck > 0
      ? ["#", "# Guessed by the order of columns, marked CHECK: compare with the code that trained the model."]
      : []),
  ];
}

function modelLines({ model, signature }: JobDraft): string[] {
  const { producer, opset, outputs, fixedBatch } = signature;
  const maker = [producer.name, producer.version].filter((part) => part !== "").join(" ") || "an unnamed tool";
  const operators = Object.entries(opset).map(([domain, version]) => `${domain || "ai.onnx"} ${version}`);
  return [
    `# Made by ${comment(maker)}, opset ${comment(operators.join(", "))}${fixedBatch === null ? "" : `, always ${fixedBatch} row${fixedBatch === 1 ? "" : "s"} per call`}.`,
    `# Gives ${comment(outputs.map(({ name, type }) => `${name} (${type})`).join(", "))}.`,
    "model:",
    `  path: ${scalar(model)}`,
    `  # sha256: ${signature.sha256}  # without the first #: refuse every other file`,
  ];
}

function inputLines({ inputs, source, inputFormat, csv }: JobDraft): string[] {
  const { rows, rowsEstimate, columns, format, dialect } = source;
  const size = rows !== null ? `${rows} rows` : rowsEstimate !== null ? `about ${rowsEstimate} rows` : "rows";
  const lines = [
    `# ${format}: ${size}, ${columns.length} columns.`,
    "input:",
    inputs.length === 1 ? `  path: ${scalar(inputs[0]!)}` : `  path: ${list(inputs)}`,
  ];
  if (inputFormat !== null) lines.push(`  format: ${scalar(inputFormat)}`);
  const given = dialect ? { ...sniffed(dialect), ...csv } : {};
  if (Object.keys(given).length > 0) {
    lines.push("  csv:", ...Object.entries(given).map(([key, value]) => `    ${key}: ${JSON.stringify(value)}`));
  }
  return lines;
}

/** What was sniffed and is not what everyone expects, fixed for files to come. */
function sniffed({ delimiter, encoding, header, quote }: CsvDialect): Record<string, unknown> {
  return {
    ...(delimiter === "," ? {} : { delimiter }),
    ...(encoding === "utf-8" ? {} : { encoding }),
    ...(header ? {} : { header }),
    ...(quote === '"' || quote === null ? {} : { quote }),
  };
}

function bindLines({ source, signature }: JobDraft, { inputs, open, leftOut }: Proposal): string[] {
  const named = inputs.filter((input) => input.named);
  const said = inputs.filter((input) => !input.named);
  const lines = ["# Columns -> model inputs."];
  if (named.length > 0) {
    lines.push(`#   by name, without a word: ${comment(some(named.map(({ input }) => input)))}`);
  }
  for (const { input, optional } of signature.inputs.map(({ name, optional }) => ({ input: name, optional }))) {
    if (optional) lines.push(`#   ${comment(input)} has a default in the model; bind it only to change that.`);
  }
  for (const { column, why } of leftOut) lines.push(`#   not used: ${comment(column)} (${why})`);
  if (said.length + open.length === 0) return lines;
  const columns = open.filter(({ constant }) => !constant);
  const constants = open.filter(({ constant }) => constant);
  lines.push("bind:");
  if (said.length + columns.length > 0) lines.push("  inputs:");
  for (const input of said) {
    lines.push(`    # ${input.check ? "CHECK: " : ""}${comment(input.why)}`);
    lines.push(
      `    ${scalar(input.input)}: ${list(
        ranges(
          input,
          source.columns.map(({ name }) => name),
        ),
      )}`,
    );
  }
  for (const { input, shape, question, candidates } of columns) {
    lines.push(`    # TO FILL IN: ${comment(`${input} (${shape}): ${question}`)}`);
    const example = candidates.length > 0 ? ` # for example ${comment(list(candidates.slice(0, MAX_LISTED)))}` : "";
    lines.push(`    ${scalar(input)}: []${example}`);
  }
  const shaped = said.filter(({ shape }) => shape !== null);
  if (shaped.length > 0) {
    lines.push("  shapes: # of one row");
    for (const { input, shape } of shaped) lines.push(`    ${scalar(input)}: [${shape!.join(", ")}]`);
  }
  if (constants.length > 0) {
    if (said.length + columns.length === 0) lines.pop();
    for (const { input, shape, question } of constants) {
      lines.push(`  # TO FILL IN: ${comment(`${input} (${shape}): ${question}`)}`);
      lines.push(`  # constants: {${comment(scalar(input))}: 0}`);
    }
  }
  return lines;
}

/** Long runs of neighbours as `first..last`. */
function ranges({ columns }: ProposedInput, all: readonly string[]): string[] {
  if (all.some((name) => name.includes(".."))) return columns;
  const written: string[] = [];
  for (let start = 0; start < columns.length; ) {
    const first = all.indexOf(columns[start]!);
    let end = start + 1;
    while (end < columns.length && columns[end] === all[first + end - start]) end++;
    if (end - start >= MIN_RANGE) written.push(`${columns[start]}..${columns[end - 1]}`);
    else written.push(...columns.slice(start, end));
    start = end;
  }
  return written;
}

function keepLines({ source, proposal }: JobDraft): string[] {
  const used = new Set(proposal.inputs.flatMap(({ columns }) => columns));
  const rest = source.columns.map(({ name }) => name).filter((name) => !used.has(name));
  const about = "# Input columns that come out beside the predictions";
  if (rest.length === 0) return [`${about}: none is left, so the row number is written.`, "# keep: []"];
  if (rest.length > MAX_LISTED || proposal.open.length > 0) {
    return [`${about}: those that feed no model input, unless said here.`, `# keep: ${comment(list(rest.slice(0, 3)))}`];
  }
  return [`${about}.`, `keep: ${list(rest)}`];
}

function outputLines({ output, ifExists, signature }: JobDraft): string[] {
  const why =
    ifExists === "replace"
      ? "the file is exchanged in one step, when it is complete"
      : "this file is there already: fail, replace or append";
  return [
    `# outputs: ${comment(list(signature.outputs.map(({ name }) => name)))}  # to write only some of them`,
    "output:",
    `  path: ${scalar(output)} # or .db, .csv, .arrow`,
    `  ifExists: ${ifExists} # ${why}`,
  ];
}

const MORE = [
  "# More that may stand here:",
  "# missing: nan                   # an empty cell: nan, reject, or a value",
  "# errors: {on: reject, max: 1%}  # put bad rows aside instead of stopping",
  "# transform: ./features.mjs      # a module that makes features of your columns",
  '# schedule: {daily: "02:30"}',
  "# timezone: Europe/Berlin",
];

function some(names: readonly string[]): string {
  return names.length <= 6 ? names.join(", ") : `${names.slice(0, 4).join(", ")}, ... ${names.at(-1)} (${names.length} inputs)`;
}
