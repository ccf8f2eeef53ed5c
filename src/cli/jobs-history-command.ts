/** `jobs next`, `history`, `gaps`: what is to come, what was, what is missing. */
import { BatchPredictError } from "../core/errors.ts";
import { backfillCommands, gapsText, historyText, nextText } from "../report/jobs-history.ts";
import { jobDefinition } from "../schedule/definition.ts";
import { throwProblems } from "../schedule/process/job-folder.ts";
import { gapOf, historyEntry, nextEntry } from "../schedule/process/views.ts";
import { nextSlots } from "../schedule/slots.ts";
import { jobContext, keptJob } from "./job-steps.ts";
import { nodeHost } from "./node-host.ts";
import { openStateIfThere } from "./state.ts";
import type { Terminal } from "./terminal.ts";

export async function jobsNextCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const count = countOf(flags.count, 10, "-n");
  const file = keptJob(args[0]!, flags, host);
  const fromMs = flags.from === undefined ? host.date().getTime() : instantOfFlag(String(flags.from));
  const slots = file.job.schedule ? nextSlots(file.job.schedule, file.timeZone, fromMs, count) : [];
  const entries = slots.map((slot) => nextEntry(file.name, file.timeZone, slot));
  if (terminal.json) terminal.printJson(entries);
  else terminal.print(nextText(entries, terminal.paint));
  return 0;
}

export async function jobsHistoryCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const limit = countOf(flags.limit, 20, "--limit");
  const ledger = openStateIfThere(flags, host);
  try {
    const job = args[0]!;
    const entries = (ledger?.history(job, { limit }) ?? []).map(historyEntry);
    // A job that is gone still has its history; a name that never was is a slip of the finger.
    if (entries.length === 0) keptJob(job, flags, host);
    if (terminal.json) terminal.printJson(entries);
    else terminal.print(historyText(entries, terminal.paint));
    return 0;
  } finally {
    ledger?.close();
  }
}

export async function jobsGapsCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const sinceMs = flags.since === undefined ? null : instantOfFlag(String(flags.since), "--since");
  const ledger = openStateIfThere(flags, host);
  try {
    const jobs = await definitionsOf(args[0], flags);
    const gaps = jobs.flatMap(({ name }) =>
      ledger?.job(name) ? ledger.gaps(name, sinceMs, host.date().getTime()).map((gap) => gapOf(name, gap)) : [],
    );
    if (terminal.json) terminal.printJson({ gaps, commands: backfillCommands(gaps) });
    else terminal.print(gapsText(gaps, terminal.paint));
    return 0;
  } finally {
    ledger?.close();
  }
}

async function definitionsOf(name: string | undefined, flags: Record<string, unknown>) {
  const host = nodeHost();
  if (name !== undefined) {
    const file = keptJob(name, flags, host);
    return [jobDefinition(file.name, file.timeZone, file.job)];
  }
  const { loadJobFolder } = await import("../schedule/process/job-folder.ts");
  const { jobs, problems } = loadJobFolder(jobContext(flags, host));
  throwProblems(problems);
  return jobs.map(({ file }) => jobDefinition(file.name, file.timeZone, file.job));
}

/** @throws BP_USAGE */
export function countOf(given: unknown, otherwise: number, flag: string): number {
  if (given === undefined) return otherwise;
  const count = /^\d{1,6}$/.test(String(given)) ? Number(given) : 0;
  if (count > 0) return count;
  throw new BatchPredictError("BP_USAGE", `${flag}: "${given}" is no count`, {
    expected: "a whole number from 1 to 999,999",
    hints: [`for example ${flag} 10`],
  });
}

/** A date alone is its first instant in UTC. @throws BP_USAGE */
function instantOfFlag(text: string, flag = "--from"): number {
  const instant = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (!Number.isNaN(instant)) return instant;
  throw new BatchPredictError("BP_USAGE", `${flag}: "${text}" is no instant`, {
    expected: "a date, or an instant with its offset from UTC",
    hints: [`for example ${flag} 2026-11-21, ${flag} 2026-11-21T02:30:00Z or ${flag} 2026-11-21T02:30:00+01:00`],
  });
}
