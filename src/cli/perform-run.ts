/** One run, shown on the terminal while it goes and told about when it ends. */
import { uuidv7 } from "uuidv7";
import type { JobFile } from "../config/read-job.ts";
import { toWire } from "../core/errors.ts";
import type { RunEvent, RunSummary } from "../core/events.ts";
import type { Host } from "../core/host.ts";
import type { ResolvedRun } from "../core/settings.ts";
import { summaryText } from "../report/summary-text.ts";
import { type RunOptions, runResolved } from "../run/run.ts";
import { type ProgressView, progressMode, progressView } from "./progress.ts";
import { recordHistory } from "./record-history.ts";
import { releaseAtExit } from "./release-at-exit.ts";
import { resolveFlags } from "./resolve-flags.ts";
import { SIGNAL_EXIT, type StopSignal } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

export type PerformOptions = Pick<RunOptions, "signal" | "dryRun" | "runId" | "beforePublish" | "onTold">;

/** Never throws for what is wrong with the run: that is in the summary. @throws BP_USAGE, BP_CONFIG, BP_JOB_FILE when it cannot be resolved */
export function performRun(
  terminal: Terminal,
  host: Host,
  job: JobFile | null,
  flags: Record<string, unknown>,
  options: PerformOptions,
): Promise<RunSummary> {
  const progress = progressMode(flags.progress as string | undefined);
  const resolved: ResolvedRun = resolveFlags(job, flags, host);
  const runId = options.runId ?? uuidv7();
  const record = options.dryRun
    ? null
    : recordHistory(terminal, host, { resolved, job, runId, inLedger: options.runId !== undefined });
  let view: ProgressView | null = null;
  const onEvent = (event: RunEvent): void => {
    if (event.type === "notice") terminal.notice(event.message);
    else if (event.type === "warning") terminal.warn(event.message);
    else if (event.type === "started") view = progressView(progress, terminal);
    else if (event.type === "progress") view?.update(event.progress);
    else view?.stop();
    record?.(event);
  };
  return runResolved(resolved, host, { onTold: releaseAtExit, ...options, runId, onEvent });
}

/** What was found before there was a run to speak of. */
export function failedSummary(error: unknown, runId: string, job: string): RunSummary {
  const wire = toWire(error);
  return {
    run_id: runId,
    status: "failed",
    job,
    rows: { read: 0, predicted: 0, rejected: 0 },
    seconds: 0,
    rows_per_second: 0,
    bytes_read: 0,
    peak_memory_bytes: 0,
    output: null,
    rejects: null,
    model: { path: "", sha256: "" },
    onnxruntime_version: "",
    batch_size: 0,
    workers: 0,
    resumed_from_row: null,
    stages: null,
    warnings: [],
    error: { exitCode: 2, ...wire },
  };
}

/** @returns the exit code */
export function tellEnd(terminal: Terminal, summary: RunSummary, signal: StopSignal | null, dryRun = false): number {
  const { error, ...document } = summary;
  if (error) {
    const code = terminal.fail(error, document);
    return summary.status === "cancelled" && signal !== null ? SIGNAL_EXIT[signal] : code;
  }
  if (terminal.json) terminal.printJson(document);
  terminal.say(dryRun ? "dry run: everything fits; nothing was written" : summaryText(summary, terminal.paint));
  return 0;
}
