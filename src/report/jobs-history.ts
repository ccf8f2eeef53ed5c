/** What became of the runs of a job: table for people, gaps with the command that fills them. Pure. */
import type { Paint } from "./error-text.ts";
import { formatCount, formatSeconds, formatTable, printable } from "./format.ts";

/** One line of `jobs history --json`; snake_case because it is printed as it is. Instants are ISO 8601 in UTC. */
export interface HistoryEntry {
  run_id: string;
  job: string;
  run_key: string;
  logical_date: string;
  state: string;
  reason: string | null;
  trigger: string;
  attempt: number;
  scheduled_at: string | null;
  started_at: string | null;
  ended_at: string | null;
  rows: { read: number; predicted: number; rejected: number } | null;
}

const SYMBOLS: Record<string, string> = {
  succeeded: "✓",
  failed: "✗",
  missed: "○",
  skipped: "–",
  cancelled: "■",
  interrupted: "◐",
  running: "▶",
  committing: "▶",
  claimed: "…",
  scheduled: "…",
};

const COLORS: Record<string, Parameters<Paint>[0]> = {
  succeeded: "green",
  failed: "red",
  missed: "red",
  skipped: "dim",
  cancelled: "yellow",
  running: "cyan",
  committing: "cyan",
};

export function stateText(state: string): string {
  return `${SYMBOLS[state] ?? "?"} ${state}`;
}

export function historyText(entries: readonly HistoryEntry[], paint: Paint): string {
  if (entries.length === 0) return "no runs yet";
  const rows = entries.map((entry) => [
    stateText(entry.state),
    keyText(entry.run_key),
    entry.trigger,
    entry.attempt > 1 ? `attempt ${entry.attempt}` : "",
    entry.started_at === null ? "-" : shortInstant(entry.started_at),
    duration(entry),
    entry.rows === null ? "-" : rowsText(entry.rows),
    entry.reason ?? "",
    entry.run_id,
  ]);
  const head = ["STATE", "RUN KEY", "TRIGGER", "", "STARTED (UTC)", "TOOK", "ROWS", "REASON", "RUN"];
  const [first, ...lines] = formatTable([head, ...rows]).split("\n");
  const painted = lines.map((line, at) => {
    const { state } = entries[at]!;
    const color = COLORS[state];
    const shown = stateText(state);
    return color === undefined ? line : line.replace(shown, () => paint(color, shown));
  });
  return [paint("bold", first!), ...painted].join("\n");
}

/** A run by hand has a key of its own that says nothing to people. */
export function keyText(runKey: string): string {
  return runKey.startsWith("hand~") ? "by hand" : runKey;
}

function rowsText({ predicted, rejected }: NonNullable<HistoryEntry["rows"]>): string {
  return rejected > 0 ? `${formatCount(predicted)} (${formatCount(rejected)} rejected)` : formatCount(predicted);
}

function duration({ started_at, ended_at }: HistoryEntry): string {
  if (started_at === null || ended_at === null) return "-";
  return formatSeconds(Math.max(0, Date.parse(ended_at) - Date.parse(started_at)) / 1000);
}

/** "2026-11-21T02:30:00.123Z" -> "2026-11-21 02:30:00". */
export function shortInstant(iso: string): string {
  return iso.slice(0, 19).replace("T", " ");
}

/** A slot of the past without a success. */
export interface Gap {
  job: string;
  run_key: string;
  logical_date: string;
  /** What became of it, if anything. */
  state: string | null;
  reason: string | null;
}

/** One command per unbroken row of dates. */
export function backfillCommands(gaps: readonly Gap[]): string[] {
  const byJob = new Map<string, string[]>();
  for (const { job, logical_date } of gaps) byJob.set(job, [...(byJob.get(job) ?? []), logical_date]);
  return [...byJob].map(([job, dates]) => {
    const sorted = [...dates].sort();
    return `batchpredict jobs backfill ${job} --from ${sorted[0]} --to ${sorted.at(-1)}`;
  });
}

export function gapsText(gaps: readonly Gap[], paint: Paint): string {
  if (gaps.length === 0) return `${paint("green", "no gaps")}: every slot has its output`;
  const rows = gaps.map(({ job, run_key, state, reason }) => [
    job,
    run_key,
    state === null ? "never ran" : stateText(state),
    reason ?? "",
  ]);
  const table = formatTable([["JOB", "RUN KEY", "STATE", "REASON"], ...rows]);
  const commands = backfillCommands(gaps).map((command) => `  ${printable(command)}`);
  return `${table}\nfill ${gaps.length === 1 ? "it" : "them"} with (what has succeeded is left alone):\n${commands.join("\n")}`;
}

/** One line of `jobs next --json`. */
export interface NextSlot {
  job: string;
  logical_date: string;
  local: string;
  utc: string;
  note: string | null;
}

export function nextText(slots: readonly NextSlot[], paint: Paint): string {
  if (slots.length === 0) return "no slot to come: the job has no schedule";
  const rows = slots.map(({ logical_date, local, utc, note }) => [logical_date, local, utc, note ?? ""]);
  const [head, ...lines] = formatTable([["LOGICAL DATE", "LOCAL", "UTC", ""], ...rows], "", 90).split("\n");
  return [paint("bold", head!), ...lines].join("\n");
}
