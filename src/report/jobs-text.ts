/** Job files for people: problems found, the list of jobs, one job in words. Pure. */
import type { Job } from "../config/job-schema.ts";
import type { WireError } from "../core/errors.ts";
import { errorText, type Paint, placeText } from "./error-text.ts";
import { formatTable, printable } from "./format.ts";
import { keyText } from "./jobs-history.ts";

const DAY_NAMES: Record<string, string> = {
  mon: "Monday",
  tue: "Tuesday",
  wed: "Wednesday",
  thu: "Thursday",
  fri: "Friday",
  sat: "Saturday",
  sun: "Sunday",
};

/** {weekly: {on: [mon, thu], at: "06:00"}} -> "every Monday and Thursday at 06:00". */
export function scheduleText(schedule: Job["schedule"]): string {
  if (!schedule) return "by hand only";
  if (schedule.daily !== undefined) {
    return `every day at ${typeof schedule.daily === "string" ? schedule.daily : schedule.daily.at}`;
  }
  if (schedule.weekly) {
    const days = [schedule.weekly.on].flat().map((day) => DAY_NAMES[day]!);
    return `every ${and(days)} at ${schedule.weekly.at}`;
  }
  if (schedule.monthly) {
    const days = [schedule.monthly.on].flat().map(dayOfMonth);
    return `on ${and(days)} of each month at ${schedule.monthly.at}`;
  }
  const match = schedule.dayMatch === undefined ? "" : ` (days: ${schedule.dayMatch})`;
  return `cron ${schedule.cron}${match}`;
}

function dayOfMonth(day: number | string): string {
  if (typeof day === "string") return day === "last" ? "the last day" : `the ${day}`;
  const ending =
    day % 10 === 1 && day !== 11 ? "st" : day % 10 === 2 && day !== 12 ? "nd" : day % 10 === 3 && day !== 13 ? "rd" : "th";
  return `the ${day}${ending}`;
}

function and(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

export interface ValidationText {
  dir: string;
  jobs: readonly { name: string; file: string }[];
  errors: readonly WireError[];
  warnings: readonly WireError[];
}

export function validationText({ dir, jobs, errors, warnings }: ValidationText, paint: Paint): string {
  const lines = errors.map((error) => errorText(error, paint));
  for (const warning of warnings) {
    const place = placeText(warning.where);
    const at = place === null ? "" : `${place}: `;
    lines.push(`${paint("yellow", "warning")}: ${printable(at)}${printable(warning.message)}`);
    for (const hint of warning.hints ?? []) lines.push(`  ${paint("cyan", "fix")}: ${printable(hint)}`);
  }
  const files = new Set(errors.map(({ where }) => where?.file)).size;
  const jobCount = `${jobs.length} ${jobs.length === 1 ? "job" : "jobs"}`;
  if (errors.length > 0) {
    lines.push(
      `${paint("red", "invalid")}: ${errors.length} ${errors.length === 1 ? "problem" : "problems"} in ${files} of the files in ${printable(dir)}`,
    );
  } else if (jobs.length === 0) lines.push(`${printable(dir)} has no job files (.yaml, .yml, .json)`);
  else lines.push(`${paint("green", "valid")}: ${jobCount} (${jobs.map(({ name }) => name).join(", ")})`);
  return lines.join("\n");
}

/** What `jobs list --json` prints, one per job. */
export interface JobLine {
  job: string;
  file: string;
  description: string | null;
  schedule: string;
  timezone: string;
  paused: boolean;
  /** ISO instant. */
  next: string | null;
  /** Local time of `next` in the job's zone. */
  next_local: string | null;
  last: { state: string; run_key: string; ended_at: string | null } | null;
}

export function jobListText(jobs: readonly JobLine[], paint: Paint): string {
  if (jobs.length === 0) return "no jobs";
  const rows = jobs.map((job) => [
    job.job,
    job.schedule,
    job.timezone,
    job.paused ? "paused" : (job.next_local ?? "-"),
    job.last === null ? "-" : `${job.last.state} ${keyText(job.last.run_key)}`,
  ]);
  const [head, ...body] = formatTable([["JOB", "SCHEDULE", "ZONE", "NEXT", "LAST"], ...rows]).split("\n");
  return [paint("bold", head!), ...body].join("\n");
}

/** One job in words: rows of name and value. */
export function jobText(job: JobLine, settings: readonly [string, string][], paint: Paint): string {
  const rows: [string, string][] = [
    ["file", job.file],
    ...(job.description === null ? [] : [["about", job.description] as [string, string]]),
    ["schedule", `${job.schedule} (${job.timezone})${job.paused ? ", paused" : ""}`],
    ["next", job.next === null ? "-" : `${job.next_local} (${job.next})`],
    ["last", job.last === null ? "-" : `${job.last.state} ${keyText(job.last.run_key)}`],
    ...settings,
  ];
  return `${paint("bold", job.job)}\n${formatTable(rows, "  ", 200)}`;
}
