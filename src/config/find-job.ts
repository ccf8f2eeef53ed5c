/** JOB on the command line to a file: a path, or a name in the jobs folder. A name is never a path. */

import fs from "node:fs";
import path from "node:path";
import { BatchPredictError } from "../core/errors.ts";
import { groupDigits } from "../core/group-digits.ts";
import { suggest } from "../core/suggest.ts";
import { readJobText } from "./job-text.ts";

const EXTENSION = /\.(ya?ml|json)$/i;

export interface JobEntry {
  /** The `name` field, else the file name without extension. */
  name: string;
  /** File name without extension: also usable as JOB. */
  stem: string;
  /** Absolute. */
  path: string;
}

/**
 * Job files directly in the folder, by name. Files that cannot be read as YAML are listed under their file name; an absent
 * folder has no jobs.
 */
export function listJobs(jobsDir: string): JobEntry[] {
  let names: string[];
  try {
    names = fs.readdirSync(jobsDir);
  } catch {
    return [];
  }
  const entries = names
    .filter((file) => EXTENSION.test(file) && !file.startsWith("."))
    .map((file) => {
      const stem = file.replace(EXTENSION, "");
      const full = path.join(jobsDir, file);
      return { name: nameField(full) ?? stem, stem, path: full };
    });
  return entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.stem < b.stem ? -1 : 1));
}

function nameField(file: string): string | null {
  try {
    const name = readJobText(readJobBytes(file, file), { env: {}, templates: null }).value?.name;
    return typeof name === "string" ? name : null;
  } catch {
    return null;
  }
}

/** @throws BP_JOB_FILE with near misses and the list of jobs */
export function findJob(pathOrName: string, { jobsDir, cwd }: { jobsDir: string; cwd: string }): string {
  const folder = showPath(path.resolve(cwd, jobsDir), cwd);
  if (/[/\\]/.test(pathOrName) || EXTENSION.test(pathOrName)) {
    const file = path.resolve(cwd, pathOrName);
    if (fs.existsSync(file)) return file;
    const stem = path.basename(pathOrName).replace(EXTENSION, "");
    const entries = listJobs(path.resolve(cwd, jobsDir));
    const same = entries.find((entry) => entry.stem === stem || entry.name === stem);
    const hints = same
      ? [`${showPath(same.path, cwd)} exists: name the job ${same.name}`]
      : ["a JOB with a slash or an extension is a path to a job file; a JOB without is a name", ...listed(stem, entries, folder)];
    throw new BatchPredictError("BP_JOB_FILE", `no job file ${pathOrName}`, { where: { file: pathOrName }, hints });
  }
  const entries = listJobs(path.resolve(cwd, jobsDir));
  const found = entries.filter((entry) => entry.name === pathOrName || entry.stem === pathOrName);
  if (found.length === 1) return found[0]!.path;
  if (found.length > 1) {
    const files = found.map((entry) => showPath(entry.path, cwd));
    throw new BatchPredictError("BP_JOB_FILE", `job "${pathOrName}" stands in ${files.length} files: ${files.join(", ")}`, {
      hints: ["give one of them another name, or name the path of the one you mean"],
    });
  }
  throw new BatchPredictError("BP_JOB_FILE", `no job "${pathOrName}" in ${folder}`, {
    hints: listed(pathOrName, entries, folder),
  });
}

function listed(wanted: string, entries: JobEntry[], folder: string): string[] {
  if (entries.length === 0) return [`${folder} has no job files (.yaml, .yml, .json); --jobs-dir names another folder`];
  const names = entries.map(({ name }) => name);
  const near = suggest(wanted, names);
  const list = `jobs are ${names.slice(0, 20).join(", ")}${names.length > 20 ? `, ... (${names.length})` : ""}`;
  return near.length > 0 ? [`did you mean ${near.join(" or ")}?`, list] : [list];
}

/** Relative to the working directory when inside it, else absolute: short, and right when pasted into a shell. */
export function showPath(file: string, cwd: string): string {
  const relative = path.relative(cwd, file);
  return relative === "" || relative.startsWith("..") || path.isAbsolute(relative) ? file : relative;
}

const MAX_BYTES = 1024 * 1024;

/** @throws BP_JOB_FILE when the file is no readable text of sensible size */
export function readJobBytes(file: string, shown: string): string {
  const refuse = (message: string, hint: string, cause?: unknown): never => {
    throw new BatchPredictError("BP_JOB_FILE", message, { where: { file: shown }, hints: [hint], cause });
  };
  let bytes: Buffer;
  try {
    const { size } = fs.statSync(file);
    if (size > MAX_BYTES) refuse(`${shown} has ${groupDigits(size)} bytes, too many for a job file`, "did you mean --input?");
    bytes = fs.readFileSync(file);
  } catch (error) {
    if (error instanceof BatchPredictError) throw error;
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    const reasons: Record<string, string> = {
      EISDIR: "is a folder",
      EACCES: "may not be read (permissions)",
      ENOENT: "does not exist",
    };
    return refuse(`${shown} ${reasons[code] ?? `cannot be read (${code})`}`, "name a job file, or a job by its name", error);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    return refuse(`${shown} is no UTF-8 text`, "save the job file as UTF-8", error);
  }
}
