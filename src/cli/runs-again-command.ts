/** `runs resume` and `runs retry`: the same work again, behind what is done or from the start. */
import fs from "node:fs";
import path from "node:path";
import { ENVIRONMENT } from "../config/run-flags.ts";
import { type FoundRun, idOf, lastAttempt } from "../history/run-view.ts";
import { commandText } from "../report/runs-text.ts";
import type { RunRow } from "../schedule/run-row.ts";
import { keptJob } from "./job-steps.ts";
import { nodeHost } from "./node-host.ts";
import { runSlot } from "./recorded-run.ts";
import { refuse, refuseWhileGoing, withHistory } from "./runs-history.ts";
import { watchSignals } from "./signals.ts";
import { openState } from "./state.ts";
import type { Terminal } from "./terminal.ts";

export async function runsResumeCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const run = await withHistory(terminal, flags, async (history) => {
    const found = history.find(args[0]!);
    const view = history.view(found);
    refuseWhileGoing(history, found, view, "resumed");
    if (view.state === "succeeded") refuse(found, "is done: there is nothing to resume", `batchpredict runs show ${idOf(found)}`);
    if (!view.resumable) {
      const why = found.record === null ? "has no record of its output" : "has left no journal beside its output";
      refuse(found, `cannot be resumed: it ${why}`, `do it from the first row: batchpredict runs retry ${idOf(found)}`);
    }
    return { found, stateDir: history.stateDir };
  });
  return again(terminal, run.found, run.stateDir, flags, "resume");
}

export async function runsRetryCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const run = await withHistory(terminal, flags, async (history) => {
    const found = history.find(args[0]!);
    const view = history.view(found);
    refuseWhileGoing(history, found, view, "retried");
    if (view.state === "succeeded") refuse(found, "has succeeded: there is nothing to retry", ...successHints(found));
    const later = found.row?.supersededBy;
    if (later) refuse(found, `was done again already by run ${later}`, `batchpredict runs show ${later}`);
    return { found, stateDir: history.stateDir };
  });
  return again(terminal, run.found, run.stateDir, flags, "retry");
}

function successHints({ row }: FoundRun): string[] {
  if (row === null) return ["give its command again to do it once more"];
  return [`do it once more with batchpredict jobs run ${row.job} --date ${row.runKey}`];
}

function again(
  terminal: Terminal,
  found: FoundRun,
  stateDir: string,
  flags: Record<string, unknown>,
  what: "resume" | "retry",
): Promise<number> {
  if (found.row !== null) return sameSlot(terminal, found, found.row, flags);
  return sameCommand(terminal, found, stateDir, flags, what);
}

/** Under the same key, lock and history: what an interrupted attempt left is gone on with by itself. */
async function sameSlot(terminal: Terminal, found: FoundRun, row: RunRow, flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const recorded = lastAttempt(found)?.begin.job_file ?? null;
  const named = flags.jobsDir === undefined && recorded !== null && fs.existsSync(recorded) ? recorded : row.job;
  const file = keptJob(named, flags, host);
  const slot = { runKey: row.runKey, logicalDate: row.logicalDate, localTime: row.localTime, utcMs: row.scheduledMs, note: null };
  const ledger = openState(flags, host);
  const watch = watchSignals(terminal);
  try {
    return await runSlot({ terminal, host, ledger, file, flags, watch }, slot, { again: false, wait: false, trigger: "retry" });
  } finally {
    watch.release();
    ledger.close();
  }
}

/** In this process, as if it were typed again where it was typed first. */
async function sameCommand(
  terminal: Terminal,
  found: FoundRun,
  stateDir: string,
  flags: Record<string, unknown>,
  what: "resume" | "retry",
): Promise<number> {
  const { begin } = lastAttempt(found)!;
  const id = idOf(found);
  if (begin.redacted)
    refuse(found, "cannot be done again from here: its command held a secret, which was not stored", "type the command again");
  if (begin.argv.includes("--recorded-run") || begin.argv[0] === "runs") {
    refuse(
      found,
      "belongs to a job whose ledger is not here",
      "name its folder with --state-dir",
      "or batchpredict jobs run JOB --date D",
    );
  }
  if (!fs.existsSync(begin.cwd)) refuse(found, `was started in ${begin.cwd}, which is gone`, "give its command again elsewhere");
  // It said once to drop what was left; now that is what it is about.
  const argv = what === "resume" ? begin.argv.filter((arg) => arg !== "--fresh") : begin.argv;
  terminal.notice(`${what === "resume" ? "resuming" : "retrying"} run ${id} in ${begin.cwd}: ${commandText(argv)}`);
  const stateFolder = path.resolve(stateDir);
  process.chdir(begin.cwd);
  for (const { name } of Object.values(ENVIRONMENT)) delete process.env[name];
  Object.assign(process.env, begin.env);
  if (!argv.some((arg) => arg.startsWith("--state-dir"))) process.env[ENVIRONMENT.stateDir.name] = stateFolder;
  // How it is told is for this time to say.
  const shape = [
    ...(terminal.json ? ["--json"] : []),
    ...(terminal.quiet ? ["--quiet"] : []),
    ...(flags.progress === "auto" ? [] : ["--progress", String(flags.progress)]),
  ];
  process.argv.splice(2, Number.POSITIVE_INFINITY, ...argv);
  const { main } = await import("./main.ts");
  return main([...argv, ...shape]);
}
