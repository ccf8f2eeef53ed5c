/** The same core as the command line, for programs. */
import path from "node:path";
import { loadJob } from "../cli/load-job.ts";
import { nodeHost } from "../cli/node-host.ts";
import { resolveFlags } from "../cli/resolve-flags.ts";
import type { Host } from "../core/host.ts";
import type { SourceFormat } from "../core/source.ts";
import { type DataReport, inspectFile, type ModelReport } from "../run/inspect.ts";
import { type PlanReport, planReport } from "../run/plan-report.ts";
import { prepareRun } from "../run/prepare-run.ts";
import { runResolved } from "../run/run.ts";
import { RunHandle } from "../run/run-handle.ts";
import { flagsOf, type PlanOptions, type RunRequest } from "./options.ts";

/**
 * Scores a dataset. The run starts at once.
 * @returns events by `for await`, the summary by `await`
 * @throws BatchPredictError at once when the options contradict each other; later failures reject the handle
 */
export function run(options: RunRequest): RunHandle {
  const host = hostOf(options);
  const flags = { ...flagsOf(options), jobsDir: options.jobsDir };
  const resolved = resolveFlags(loadJob(options.job, flags, host), flags, host, {
    outputOptional: options.dryRun ?? false,
  });
  const signal = options.signal ?? new AbortController().signal;
  return new RunHandle((onEvent) => runResolved(resolved, host, { signal, onEvent, dryRun: options.dryRun ?? false }));
}

/** Everything that `run` would decide before the first row; writes nothing. @throws BatchPredictError */
export async function plan(options: PlanOptions): Promise<PlanReport> {
  const host = hostOf(options);
  const flags = { ...flagsOf(options), jobsDir: options.jobsDir };
  const resolved = resolveFlags(loadJob(options.job, flags, host), flags, host, { outputOptional: true });
  const prepared = await prepareRun(resolved, host, options.signal ?? new AbortController().signal);
  try {
    return await planReport(prepared);
  } finally {
    await prepared.close();
  }
}

/** What a model takes and gives, or what a dataset holds. @throws BatchPredictError */
export async function inspect(
  file: string,
  options: { inputFormat?: SourceFormat; cwd?: string } = {},
): Promise<ModelReport | DataReport> {
  const host = hostOf(options);
  return inspectFile(path.resolve(host.cwd, file), options.inputFormat ?? null, host);
}

function hostOf({ cwd }: { cwd?: string }): Host {
  const host = nodeHost();
  return cwd === undefined ? host : { ...host, cwd: path.resolve(host.cwd, cwd) };
}
