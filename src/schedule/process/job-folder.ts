/** The jobs folder as one thing: every job that can be read, and every problem of those that cannot. */
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { listJobs, readJobBytes, showPath } from "../../config/find-job.ts";
import { type JobFile, readJob } from "../../config/read-job.ts";
import { BatchPredictError, toWire, type WireError } from "../../core/errors.ts";

export interface JobFolderContext {
  /** Relative to cwd, or absolute. */
  jobsDir: string;
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  now: Date;
}

export interface LoadedJob {
  file: JobFile;
  /** Of the bytes of the file. */
  sha256: string;
}

export interface JobFolder {
  /** Absolute. */
  dir: string;
  /** By name; templates and variables as they stand in the file. */
  jobs: LoadedJob[];
  /** Every problem of every file, each with file and line, in the order of files and lines. */
  problems: WireError[];
  /** Names of jobs whose files are there but cannot be used: they go on as they were last known. */
  unreadable: string[];
}

type Read = { job: LoadedJob } | { problems: WireError[] };

/**
 * Reads the folder again and again, and each file only when its size, time or inode changed: a thousand unchanged jobs cost a
 * thousand calls of stat.
 */
export class JobFolderReader {
  readonly #context: Omit<JobFolderContext, "now">;
  readonly #dir: string;
  #known = new Map<string, { stamp: string; read: Read }>();

  constructor(context: Omit<JobFolderContext, "now">) {
    this.#context = context;
    this.#dir = path.resolve(context.cwd, context.jobsDir);
  }

  /** @returns null when nothing changed since the last call */
  readIfChanged(now: Date): JobFolder | null {
    const found = stamps(this.#dir);
    const changed = found.size !== this.#known.size || [...found].some(([file, stamp]) => this.#known.get(file)?.stamp !== stamp);
    return changed ? this.#read(found, now) : null;
  }

  read(now: Date): JobFolder {
    return this.#read(stamps(this.#dir), now);
  }

  #read(found: Map<string, string>, now: Date): JobFolder {
    const known = new Map<string, { stamp: string; read: Read }>();
    for (const [file, stamp] of found) {
      const before = this.#known.get(file);
      known.set(file, before?.stamp === stamp ? before : { stamp, read: readOne(file, { ...this.#context, now }) });
    }
    this.#known = known;
    return assemble(
      this.#dir,
      this.#context.cwd,
      [...known].map(([file, { read }]) => ({ file, read })),
    );
  }
}

export function loadJobFolder({ now, ...context }: JobFolderContext): JobFolder {
  return new JobFolderReader(context).read(now);
}

/** @throws BP_JOB_FILE with all of them */
export function throwProblems(problems: readonly WireError[]): void {
  if (problems.length === 0) return;
  const files = new Set(problems.map(({ where }) => where?.file)).size;
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  throw new BatchPredictError("BP_JOB_FILE", `${count} in ${files === 1 ? "a job file" : `${files} job files`}`, {
    problems: [...problems],
    exitCode: 2,
  });
}

function readOne(file: string, context: JobFolderContext): Read {
  const shown = showPath(file, context.cwd);
  try {
    const sha256 = createHash("sha256").update(readJobBytes(file, shown)).digest("hex");
    return { job: { file: readJob(file, { ...context, templates: "keep" }), sha256 } };
  } catch (error) {
    const { stack: _stack, ...wire } = toWire(error);
    return { problems: wire.problems ?? [{ ...wire, where: { file: shown, ...wire.where } }] };
  }
}

function assemble(dir: string, cwd: string, reads: { file: string; read: Read }[]): JobFolder {
  const folder: JobFolder = { dir, jobs: [], problems: [], unreadable: [] };
  const filesOf = new Map<string, string[]>();
  for (const { file, read } of reads) {
    if ("job" in read) filesOf.set(read.job.file.name, [...(filesOf.get(read.job.file.name) ?? []), file]);
  }
  for (const { file, read } of reads) {
    const problems = "job" in read ? nameTaken(read.job.file, filesOf.get(read.job.file.name)!, cwd) : read.problems;
    if ("job" in read && problems.length === 0) folder.jobs.push(read.job);
    else if ("job" in read) folder.unreadable.push(read.job.file.name);
    else folder.unreadable.push(...namesIn(file));
    folder.problems.push(...problems);
  }
  folder.jobs.sort((a, b) => (a.file.name < b.file.name ? -1 : 1));
  return folder;
}

function nameTaken(file: JobFile, files: readonly string[], cwd: string): WireError[] {
  const others = files.filter((other) => other !== file.path);
  if (others.length === 0) return [];
  const line = file.lines.name;
  return [
    {
      code: "BP_JOB_FILE",
      message: `the name "${file.name}" is also that of ${others.map((other) => showPath(other, cwd)).join(", ")}`,
      where: { file: file.shown, ...(line === undefined ? {} : { line }) },
      hints: ["give one of them another name: schedule and history go by the name"],
    },
  ];
}

/** A file that breaks the schema may still say its name. */
function namesIn(file: string): string[] {
  const stem = path.basename(file).replace(/\.[^.]*$/, "");
  const entry = listJobs(path.dirname(file)).find((other) => other.path === file);
  return entry === undefined || entry.name === stem ? [stem] : [entry.name, stem];
}

/** Absolute path -> size, time and inode. An absent folder has no files. */
function stamps(dir: string): Map<string, string> {
  const found = new Map<string, string>();
  let names: string[];
  try {
    names = fs.readdirSync(dir).sort();
  } catch {
    return found;
  }
  for (const name of names) {
    if (name.startsWith(".") || !/\.(ya?ml|json)$/i.test(name)) continue;
    const file = path.join(dir, name);
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    if (stat) found.set(file, `${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${stat.ino}`);
  }
  return found;
}
