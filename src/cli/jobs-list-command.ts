/** `jobs list`, `show`, `pause`, `resume`. */
import type { JobFile } from "../config/read-job.ts";
import { BatchPredictError, type WireError } from "../core/errors.ts";
import { type JobLine, jobListText, jobText, scheduleText, validationText } from "../report/jobs-text.ts";
import { jobDefinition } from "../schedule/definition.ts";
import type { Ledger } from "../schedule/ledger.ts";
import { loadJobFolder } from "../schedule/process/job-folder.ts";
import { historyEntry, localText } from "../schedule/process/views.ts";
import { nextSlots } from "../schedule/slots.ts";
import { jobContext, keptJob } from "./job-steps.ts";
import { nodeHost } from "./node-host.ts";
import { openState, openStateIfThere } from "./state.ts";
import type { Terminal } from "./terminal.ts";

export async function jobsListCommand(terminal: Terminal, _args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const ledger = openStateIfThere(flags, host);
  try {
    const { dir, jobs, problems } = loadJobFolder(jobContext(flags, host));
    const lines = jobs.map(({ file }) => lineOf(file, ledger, host.date().getTime()));
    if (terminal.json) terminal.printJson(lines);
    else terminal.print(jobListText(lines, terminal.paint));
    if (problems.length > 0) tellProblems(terminal, dir, problems);
    return problems.length > 0 ? 2 : 0;
  } finally {
    ledger?.close();
  }
}

function tellProblems(terminal: Terminal, dir: string, errors: WireError[]): void {
  terminal.complain(validationText({ dir, jobs: [], errors, warnings: [] }, terminal.paint));
}

export async function jobsShowCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const file = keptJob(args[0]!, flags, host);
  const ledger = openStateIfThere(flags, host);
  try {
    const line = lineOf(file, ledger, host.date().getTime());
    const { job } = file;
    if (terminal.json) terminal.printJson({ ...line, definition: job });
    else {
      const definition = jobDefinition(file.name, file.timeZone, job);
      terminal.print(
        jobText(
          line,
          [
            ["model", job.model.path],
            ["input", [job.input.path].flat().join(", ")],
            ["output", `${job.output.path}${job.output.ifExists ? ` (${job.output.ifExists})` : ""}`],
            ["catchup", definition.catchup],
            ["overlap", definition.overlap],
            ["retries", definition.retries.max === 0 ? "none" : `up to ${definition.retries.max}`],
            ["timeout", job.timeout ?? "none"],
            ...(job.expect ? [["expect", expectText(job.expect)] as [string, string]] : []),
          ],
          terminal.paint,
        ),
      );
    }
    return 0;
  } finally {
    ledger?.close();
  }
}

function expectText({ by, minRows, maxRows }: NonNullable<JobFile["job"]["expect"]>): string {
  return [
    ...(by === undefined ? [] : [`done by ${by}`]),
    ...(minRows === undefined ? [] : [`at least ${minRows} rows`]),
    ...(maxRows === undefined ? [] : [`at most ${maxRows} rows`]),
  ].join(", ");
}

export async function jobsPauseCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  return withJob(terminal, args[0]!, flags, (ledger, file, nowMs) => {
    const changed = ledger.pause(file.name, nowMs);
    terminal.say(changed ? `${file.name} is paused: its slots are skipped until jobs resume` : `${file.name} was paused already`);
    return { job: file.name, paused: true, changed };
  });
}

export async function jobsResumeCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  return withJob(terminal, args[0]!, flags, (ledger, file, nowMs) => {
    const changed = ledger.resume(file.name, nowMs);
    terminal.say(
      changed
        ? `${file.name} goes on with its next slot; what the pause skipped is not made up for`
        : `${file.name} was not paused`,
    );
    return { job: file.name, paused: false, changed };
  });
}

function withJob(
  terminal: Terminal,
  name: string,
  flags: Record<string, unknown>,
  act: (ledger: Ledger, file: JobFile, nowMs: number) => object,
): number {
  const host = nodeHost();
  const file = keptJob(name, flags, host);
  if (!file.job.schedule) {
    throw new BatchPredictError("BP_USAGE", `job ${file.name} has no schedule to pause`, {
      where: { file: file.shown },
      hints: ["add schedule: to the job file"],
    });
  }
  const ledger = openState(flags, host);
  try {
    const nowMs = host.date().getTime();
    ledger.register(jobDefinition(file.name, file.timeZone, file.job), nowMs);
    const document = act(ledger, file, nowMs);
    if (terminal.json) terminal.printJson(document);
    return 0;
  } finally {
    ledger.close();
  }
}

function lineOf(file: JobFile, ledger: Ledger | null, nowMs: number): JobLine {
  const { job, name, shown, timeZone } = file;
  const next = job.schedule ? nextSlots(job.schedule, timeZone, nowMs, 1)[0] : undefined;
  const last = ledger?.history(name, { limit: 1 })[0];
  const entry = last ? historyEntry(last) : null;
  return {
    job: name,
    file: shown,
    description: job.description ?? null,
    schedule: scheduleText(job.schedule),
    timezone: timeZone,
    paused: (ledger?.job(name)?.pausedMs ?? null) !== null,
    next: next ? new Date(next.utcMs).toISOString().replace(".000Z", "Z") : null,
    next_local: next ? localText(next.utcMs, timeZone) : null,
    last: entry && { state: entry.state, run_key: entry.run_key, ended_at: entry.ended_at },
  };
}
