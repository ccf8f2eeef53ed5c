/** `runs list` and `runs show`: what happened, and what is going on. */
import { allRuns } from "../history/find-run.ts";
import { journalIdOf } from "../history/record.ts";
import { type FoundRun, lastAttempt, leftoversOfRun, type RunView, VIEW_STATES } from "../history/run-view.ts";
import { errorJson } from "../report/error-json.ts";
import { type RunDetail, runsText, runText } from "../report/runs-text.ts";
import { committedRows } from "../sinks/leftovers.ts";
import { countOf } from "./jobs-history-command.ts";
import { oneOf } from "./one-of.ts";
import { logOf } from "./run-log.ts";
import { type OpenHistory, withHistory } from "./runs-history.ts";
import type { Terminal } from "./terminal.ts";

export async function runsListCommand(terminal: Terminal, _args: string[], flags: Record<string, unknown>): Promise<number> {
  const count = countOf(flags.count, 20, "-n");
  const states = flags.state === undefined ? null : String(flags.state).split(",");
  for (const state of states ?? []) oneOf(VIEW_STATES, "--state", state);
  const job = (flags.job as string | undefined) ?? null;
  return withHistory(terminal, flags, async (history) => {
    const views: RunView[] = [];
    for (const found of allRuns(history, job)) {
      if (views.length === count) break;
      const view = history.view(found);
      if (states === null || states.includes(view.state)) views.push(view);
    }
    if (terminal.json) terminal.printJson(views.map((view) => withError(view, terminal.debug)));
    else terminal.print(runsText(views, terminal.paint));
    return 0;
  });
}

export async function runsShowCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  return withHistory(terminal, flags, async (history) => {
    const found = history.find(args[0]!);
    const detail = await detailOf(history, found);
    if (terminal.json) terminal.printJson(withError(detail, terminal.debug));
    else terminal.print(runText(detail, terminal.paint));
    return 0;
  });
}

function withError<View extends RunView>(view: View, debug: boolean): object {
  return { ...view, error: view.error && errorJson(view.error, debug) };
}

async function detailOf(history: OpenHistory, found: FoundRun): Promise<RunDetail> {
  const view = history.view(found);
  const attempt = lastAttempt(found);
  const begin = attempt?.begin ?? null;
  const summary = attempt?.end?.summary ?? null;
  const left = leftoversOfRun(found);
  const header = left?.content?.header ?? null;
  const hashInJournal = header?.fingerprint?.["the model"]?.replace("SHA-256 ", "") ?? null;
  return {
    ...view,
    logical_date: found.row?.logicalDate ?? null,
    argv: begin?.argv ?? null,
    cwd: begin?.cwd ?? null,
    env: begin?.env ?? {},
    redacted: begin?.redacted ?? false,
    job_file: begin?.job_file ?? null,
    settings_sha256: begin?.settings_sha256 ?? null,
    versions: begin?.version_of ?? null,
    inputs: begin?.inputs ?? [],
    model: begin && { path: begin.model, sha256: summary?.model.sha256 || hashInJournal },
    format: begin?.output.format ?? null,
    table: begin?.output.table ?? null,
    output_bytes: summary?.output?.bytes ?? null,
    rejects: summary?.rejects ?? null,
    rows_per_second: summary?.rows_per_second ?? null,
    peak_memory_bytes: summary?.peak_memory_bytes ?? null,
    resumed_from_row: summary?.resumed_from_row ?? null,
    stages: summary?.stages ?? null,
    warnings: summary?.warnings ?? [],
    attempts: (found.record?.attempts ?? []).map(({ begin: { at, process }, end }) => ({
      started_at: at,
      ended_at: end?.at ?? null,
      status: end?.summary.status ?? null,
      pid: process.pid,
    })),
    log: logOf(history.stateDir, view.run_id),
    left: left && {
      journal_run_id: journalIdOf(found.record!),
      files: left.files,
      bytes: left.files.reduce((sum, { bytes }) => sum + bytes, 0),
      committed_rows: view.resumable ? await committedRows(begin!.output, left) : null,
    },
    resume: view.resumable ? `batchpredict runs resume ${view.run_id}` : null,
    retry:
      view.state === "failed" || view.state === "interrupted" || view.state === "cancelled"
        ? `batchpredict runs retry ${view.run_id}`
        : null,
  };
}
