import path from "node:path";
import { type JobFile, readJob } from "../config/read-job.ts";
import type { Host } from "../core/host.ts";

/** @param jobName a name in the jobs folder, or a path; undefined: no job @throws BP_JOB_FILE */
export function loadJob(jobName: string | undefined, flags: Record<string, unknown>, host: Host): JobFile | null {
  if (jobName === undefined) return null;
  const jobsDir = path.resolve(host.cwd, (flags.jobsDir as string | undefined) ?? "jobs");
  return readJob(jobName, { jobsDir, cwd: host.cwd, env: host.env, now: host.date() });
}
