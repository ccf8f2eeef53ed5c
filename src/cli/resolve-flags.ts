import type { JobFile } from "../config/read-job.ts";
import { resolveRun } from "../config/resolve.ts";
import type { RunFlags } from "../config/run-flags.ts";
import type { Host } from "../core/host.ts";
import type { ResolvedRun } from "../core/settings.ts";

/** Stands in for the output of a command that writes none, so that everything else is checked as for a run. */
const NO_OUTPUT = "predictions.parquet";

/**
 * Job, flags and environment as one resolved run.
 * @param job from load-job.ts, which a run without a job need not load (it brings YAML and the job schema)
 * @throws BP_USAGE, BP_JOB_FILE, BP_CONFIG with every problem at once
 */
export function resolveFlags(
  job: JobFile | null,
  flags: Record<string, unknown>,
  host: Host,
  { outputOptional = false }: { outputOptional?: boolean } = {},
): ResolvedRun {
  const given = flags as RunFlags;
  const standIn = outputOptional && given.output === undefined && job?.job.output?.path === undefined;
  const resolved = resolveRun(standIn ? { ...given, output: NO_OUTPUT } : given, job, host.env, host.cwd);
  if (!standIn) return resolved;
  return { settings: { ...resolved.settings, output: "" }, origins: { ...resolved.origins, output: "not given" } };
}

/** A job by name, loaded only when one is named. */
export async function jobOf(jobName: string | undefined, flags: Record<string, unknown>, host: Host): Promise<JobFile | null> {
  return jobName === undefined ? null : (await import("./load-job.ts")).loadJob(jobName, flags, host);
}
