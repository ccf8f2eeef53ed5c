/** From a model and a dataset to a job file that runs: propose, write, try on the first rows, say what is open. */
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { type Proposal, proposeBinding } from "../binding/propose-binding.ts";
import { readJob } from "../config/read-job.ts";
import { resolveRun } from "../config/resolve.ts";
import { BatchPredictError, isErrno, type WireError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import type { ModelSignature } from "../core/model-signature.ts";
import type { CsvOptions, SourceDescription, SourceFormat } from "../core/source.ts";
import { loadSignature } from "../model/load-signature.ts";
import { runResolved } from "../run/run.ts";
import { openSource } from "../sources/registry.ts";
import { type JobDraft, jobText } from "./job-text.ts";

export interface InitRequest {
  /** Absolute. */
  model: string;
  /** Absolute paths, globs or folders. */
  inputs: string[];
  inputFormat: SourceFormat | null;
  csv: CsvOptions;
  /** Absolute path of the job file; null: jobs/NAME.yaml, named after the model. */
  jobFile: string | null;
  /** Absolute path of the predictions; null: predictions/NAME.parquet. */
  output: string | null;
  force: boolean;
}

export interface InitReport {
  /** Absolute. */
  path: string;
  name: string;
  /** Nothing is left to fill in, and the first rows were predicted. */
  runnable: boolean;
  model: string;
  output: string;
  inputs: Proposal["inputs"];
  open: Proposal["open"];
  left_out: Proposal["leftOut"];
  /** Why the trial failed. */
  error: WireError | null;
}

/** Rows of the trial: enough to meet the types of the data, few enough to be quick. */
const TRIAL_ROWS = 100;

/** @throws BP_OUTPUT_EXISTS when the job file is there, and whatever reading the model or the data meets */
export async function initJob(request: InitRequest, host: Host, signal: AbortSignal): Promise<InitReport> {
  const jobFile = request.jobFile ?? path.resolve(host.cwd, "jobs", `${jobNameOf(request.model)}.yaml`);
  if (!request.force && (await exists(jobFile))) throw refuseOverwrite(jobFile);
  const { signature } = await loadSignature(request.model);
  const source = await describe(request, host);
  const proposal = proposeBinding(signature, source.columns);
  const draft = await draftJob(request, jobFile, signature, source, proposal, host);
  await mkdir(path.dirname(jobFile), { recursive: true });
  await write(jobFile, jobText(draft), request.force);
  const output = path.resolve(path.dirname(jobFile), draft.output);
  const error = proposal.open.length > 0 ? null : await tryJob(jobFile, host, signal);
  if (error !== null) await write(jobFile, jobText({ ...draft, trialError: `${error.code}: ${error.message}` }), true);
  return {
    path: jobFile,
    name: draft.name,
    runnable: proposal.open.length === 0 && error === null,
    model: request.model,
    output,
    inputs: proposal.inputs,
    open: proposal.open,
    left_out: proposal.leftOut,
    error,
  };
}

async function describe({ inputs, inputFormat, csv }: InitRequest, host: Host): Promise<SourceDescription> {
  const options = { csv, preview: false, ...(inputFormat === null ? {} : { format: inputFormat }) };
  const source = await openSource(inputs, options, () => host.stdin() as Readable);
  await source.close();
  return source.description;
}

async function draftJob(
  request: InitRequest,
  jobFile: string,
  signature: ModelSignature,
  source: SourceDescription,
  proposal: Proposal,
  host: Host,
): Promise<JobDraft> {
  const folder = path.dirname(jobFile);
  const relative = (file: string): string => {
    const way = path.relative(folder, file).split(path.sep).join("/");
    return /^\.{0,2}\//.test(way) || path.isAbsolute(way) ? way : `./${way}`;
  };
  const name = jobNameOf(jobFile);
  const output = request.output ?? path.resolve(host.cwd, "predictions", `${name}.parquet`);
  const inJobs = folder === path.resolve(host.cwd, "jobs");
  return {
    name,
    model: relative(request.model),
    inputs: request.inputs.map(relative),
    output: relative(output),
    ifExists: !request.force && (await exists(output)) ? "fail" : "replace",
    runAs: inJobs ? name : path.relative(host.cwd, jobFile) || jobFile,
    schema: inJobs ? "../.batchpredict/job.schema.json" : null,
    date: host.date().toISOString().slice(0, 10),
    signature,
    source,
    inputFormat: request.inputFormat,
    csv: { ...request.csv },
    proposal,
    trialError: null,
  };
}

/** Runs the file that was written, on its first rows, into a folder that is gone afterwards. */
async function tryJob(jobFile: string, host: Host, signal: AbortSignal): Promise<WireError | null> {
  const folder = await mkdtemp(path.join(tmpdir(), "batchpredict-init-"));
  try {
    const job = readJob(jobFile, { jobsDir: path.dirname(jobFile), cwd: host.cwd, env: host.env, now: host.date() });
    const flags = { output: path.join(folder, "trial.arrow"), limit: String(TRIAL_ROWS), workers: "1" };
    const resolved = resolveRun({ ...flags, stateDir: folder }, job, host.env, host.cwd);
    const summary = await runResolved(resolved, host, { signal, onEvent: () => {} });
    return summary.error ?? null;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** `model.onnx` says nothing: its folder does. */
function jobNameOf(file: string): string {
  const stem = path.basename(file).replace(/\.[^.]*$/, "");
  const telling = /^(model|network|net|graph)$/i.test(stem) ? path.basename(path.dirname(file)) || stem : stem;
  const name = telling.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "");
  return name.slice(0, 100) || "job";
}

async function write(file: string, text: string, force: boolean): Promise<void> {
  try {
    await writeFile(file, text, { flag: force ? "w" : "wx" });
  } catch (error) {
    if (isErrno(error, "EEXIST")) throw refuseOverwrite(file);
    throw new BatchPredictError("BP_OUTPUT_WRITE", "the job file cannot be written", {
      where: { file },
      actual: error instanceof Error ? error.message : String(error),
      hints: ["give another path with --output-job"],
      cause: error,
    });
  }
}

function refuseOverwrite(file: string): BatchPredictError {
  return new BatchPredictError("BP_OUTPUT_EXISTS", "the job file exists already", {
    where: { file },
    hints: ["write another one with --output-job jobs/NAME.yaml", "or overwrite it with --force"],
  });
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch {
    return false;
  }
}
