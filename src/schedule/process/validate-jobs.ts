/**
 * What can be known of job files before they run. Errors are wrong on every machine; warnings may be right elsewhere (an
 * environment variable, a model that is put in place later).
 */
import fs from "node:fs";
import { type JobFile, readJob } from "../../config/read-job.ts";
import { resolveRun } from "../../config/resolve.ts";
import { toWire, type WireError } from "../../core/errors.ts";
import { type JobFolderContext, loadJobFolder } from "./job-folder.ts";

export interface Validation {
  /** Absolute. */
  dir: string;
  jobs: { name: string; file: string; scheduled: boolean }[];
  errors: WireError[];
  warnings: WireError[];
}

export function validateJobs(context: JobFolderContext): Validation {
  const { dir, jobs, problems } = loadJobFolder(context);
  const validation: Validation = { dir, jobs: [], errors: [...problems], warnings: [] };
  for (const { file } of jobs) {
    validation.jobs.push({ name: file.name, file: file.shown, scheduled: file.job.schedule !== undefined });
    const { errors, warnings } = checkAsRun(file, context);
    validation.errors.push(...errors);
    validation.warnings.push(...warnings);
  }
  return validation;
}

function checkAsRun(file: JobFile, context: JobFolderContext): { errors: WireError[]; warnings: WireError[] } {
  let filled: JobFile;
  try {
    filled = readJob(file.path, { ...context, templates: { runId: "run-id", previousSuccess: file.logicalDate } });
  } catch (error) {
    return { errors: [], warnings: problemsOf(error, file.shown) };
  }
  try {
    const { settings } = resolveRun({}, filled, context.env, context.cwd);
    if (fs.existsSync(settings.model)) return { errors: [], warnings: [] };
    const line = file.lines["model.path"];
    const warning: WireError = {
      code: "BP_MODEL_NOT_FOUND",
      message: "the model is not there yet",
      where: { file: file.shown, ...(line === undefined ? {} : { line }) },
      actual: settings.model,
      hints: ["paths in a job file are relative to the file"],
    };
    return { errors: [], warnings: [warning] };
  } catch (error) {
    return { errors: problemsOf(error, file.shown), warnings: [] };
  }
}

/** What is wrong between settings has no line, but it has a file. */
function problemsOf(error: unknown, file: string): WireError[] {
  const { stack: _stack, ...wire } = toWire(error);
  return (wire.problems ?? [wire]).map((problem) => ({ ...problem, where: { file, ...problem.where } }));
}
