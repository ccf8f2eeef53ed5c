/** A job file, read, filled in and checked: every problem at once, each with its line. */
import path from "node:path";
import { BatchPredictError, type WireError } from "../core/errors.ts";
import { findJob, readJobBytes, showPath } from "./find-job.ts";
import { describeIssues } from "./job-issues.ts";
import { type Job, jobSchema, NAME_PATTERN } from "./job-schema.ts";
import { type JobText, readJobText } from "./job-text.ts";
import type { TemplateContext } from "./templates.ts";
import { instantOf, isTimeZone, wallTimeOf } from "./zoned-time.ts";

export interface JobContext {
  /** Relative to cwd, or absolute. */
  jobsDir: string;
  /** Absolute. */
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  now: Date;
  /**
   * What the run knows about itself; the rest is filled in as for a run by hand at `now` (see `handRun`).
   * "keep": templates and unset variables stay as they stand, only checked; for listing and scheduling jobs.
   */
  templates?: Partial<Omit<TemplateContext, "jobName" | "timeZone">> | "keep";
}

export interface JobFile {
  /** Absolute. */
  path: string;
  /** For people: relative to the working directory when inside it. */
  shown: string;
  /** Folder that relative paths of the job belong to. */
  dir: string;
  name: string;
  timeZone: string;
  /** YYYY-MM-DD in the job's zone; what `{{ date }}` became. */
  logicalDate: string;
  job: Job;
  /** Dotted path -> 1-based line, for origins and errors. */
  lines: Record<string, number>;
}

/** @throws BP_JOB_FILE: not found (with near misses), or `problems` with file and line */
export function readJob(pathOrName: string, context: JobContext): JobFile {
  const file = findJob(pathOrName, context);
  const shown = showPath(file, context.cwd);
  const text = readJobBytes(file, shown);
  const keep = context.templates === "keep";

  const asWritten = readJobText(text, { env: context.env, templates: null });
  const stem = path.basename(file).replace(/\.[^.]*$/, "");
  const name = typeof asWritten.value?.name === "string" ? asWritten.value.name : stem;
  const zone = asWritten.value?.timezone;
  const timeZone = typeof zone === "string" && isTimeZone(zone) ? zone : "UTC";
  const given = context.templates === "keep" ? {} : (context.templates ?? {});
  const templates: TemplateContext = { ...handRun(asWritten, name, timeZone, given.logicalDate, context.now), ...given };

  const read = keep ? asWritten : readJobText(text, { env: context.env, templates });
  const problems = check(read, shown, keep);
  if (asWritten.value !== null && !NAME_PATTERN.test(name) && read.value?.name === undefined) {
    problems.push({
      code: "BP_JOB_FILE",
      message: `"${name}" is no job name`,
      where: { file: shown },
      hints: ["add name: ... to the file"],
    });
  }
  if (problems.length > 0) {
    problems.sort((a, b) => (a.where?.line ?? 0) - (b.where?.line ?? 0));
    const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
    throw new BatchPredictError("BP_JOB_FILE", `job file ${shown} has ${count}`, { where: { file: shown }, problems });
  }
  const { lines, value } = read;
  return {
    path: file,
    shown,
    dir: path.dirname(file),
    name,
    timeZone,
    logicalDate: templates.logicalDate,
    job: value as Job,
    lines,
  };
}

function check(read: JobText, file: string, keep: boolean): WireError[] {
  const problems: WireError[] = read.problems.map(({ message, hints, line }) => ({
    code: "BP_JOB_FILE" as const,
    message,
    where: { file, line },
    ...(hints.length > 0 ? { hints } : {}),
  }));
  if (read.value === null) return problems;
  const parsed = jobSchema.safeParse(read.value);
  if (parsed.success) return problems;
  const unfilled = new Set(read.problems.map(({ path: at }) => at));
  const issues = parsed.error.issues.filter(({ path: at }) => {
    if (unfilled.has(at.join("."))) return false;
    const value = at.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], read.value);
    return !(keep && typeof value === "string" && /\$\{|\{\{/.test(value));
  });
  return [...problems, ...describeIssues(issues, read.value, read.lines, file)];
}

/**
 * A run by hand: logical date today in the job's zone, `ts` now. Its interval ends where the logical date begins and is
 * one period of the schedule long (a day, a week, a month; a day for cron, or without a schedule).
 */
function handRun(read: JobText, jobName: string, timeZone: string, logicalDate: string | undefined, now: Date): TemplateContext {
  const date = logicalDate ?? new Date(wallTimeOf(now.getTime(), timeZone)).toISOString().slice(0, 10);
  const end = new Date(`${date}T00:00:00Z`);
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date) || Number.isNaN(end.getTime()) || !end.toISOString().startsWith(date)) {
    throw new BatchPredictError("BP_USAGE", `"${date}" is no date`, {
      expected: "YYYY-MM-DD",
      hints: ["for example 2026-11-21"],
    });
  }
  const start = new Date(end);
  const schedule = (read.value?.schedule ?? {}) as Record<string, unknown>;
  if ("monthly" in schedule)
    start.setUTCMonth(start.getUTCMonth() - 1, Math.min(start.getUTCDate(), lastDayOfPreviousMonth(end)));
  else start.setUTCDate(start.getUTCDate() - ("weekly" in schedule ? 7 : 1));
  const instant = (wall: Date): Date => new Date(instantOf(wall.getTime(), timeZone));
  const interval = { start: instant(start), end: instant(end) };
  return { jobName, timeZone, logicalDate: date, ts: now, interval, previousSuccess: null, runId: null };
}

function lastDayOfPreviousMonth(wall: Date): number {
  return new Date(Date.UTC(wall.getUTCFullYear(), wall.getUTCMonth(), 0)).getUTCDate();
}
