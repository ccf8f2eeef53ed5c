import path from "node:path";
import { readJob } from "../config/read-job.ts";
import { resolveRun } from "../config/resolve.ts";
import type { RunFlags } from "../config/run-flags.ts";
import type { Host } from "../core/host.ts";
import type { ResolvedRun } from "../core/settings.ts";

/** Stands in for the output of a command that writes none, so that everything else is checked as for a run. */
const NO_OUTPUT = "predictions.parquet";

/**
 * Job, flags and environment as one resolved run.
 * @throws BP_USAGE, BP_JOB_FILE, BP_CONFIG with every problem at once
 */
export function resolveFlags(
  jobName: string | undefined,
  flags: Record<string, unknown>,
  host: Host,
  { outputOptional = false }: { outputOptional?: boolean } = {},
): ResolvedRun {
  const jobsDir = path.resolve(host.cwd, (flags.jobsDir as string | undefined) ?? "jobs");
  const job = jobName === undefined ? null : readJob(jobName, { jobsDir, cwd: host.cwd, env: host.env, now: host.date() });
  const given = flags as RunFlags;
  const standIn = outputOptional && given.output === undefined && job?.job.output?.path === undefined;
  const resolved = resolveRun(standIn ? { ...given, output: NO_OUTPUT } : given, job, host.env, host.cwd);
  if (!standIn) return resolved;
  return { settings: { ...resolved.settings, output: "" }, origins: { ...resolved.origins, output: "not given" } };
}
