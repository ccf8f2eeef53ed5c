/** Runs of every kind for people: the list, and one of them in full. Pure. */
import type { RunView } from "../history/run-view.ts";
import { errorText, type Paint } from "./error-text.ts";
import { formatBytes, formatCount, formatSeconds, formatTable, printable } from "./format.ts";
import { keyText, shortInstant, stateText } from "./jobs-history.ts";

const COLORS: Record<string, Parameters<Paint>[0]> = {
  succeeded: "green",
  failed: "red",
  missed: "red",
  interrupted: "yellow",
  cancelled: "yellow",
  running: "cyan",
  committing: "cyan",
};

export function runsText(runs: readonly RunView[], paint: Paint): string {
  if (runs.length === 0) return "no runs";
  const rows = runs.map((run) => [
    stateText(run.state),
    run.job === null ? "-" : `${run.job}${run.run_key === null ? "" : ` ${keyText(run.run_key)}`}`,
    run.started_at === null ? "-" : shortInstant(run.started_at),
    run.seconds === null ? "-" : formatSeconds(run.seconds),
    rowsText(run),
    run.output === null ? "-" : fileName(run.output),
    whatElse(run),
    run.run_id,
  ]);
  const head = ["STATE", "JOB", "STARTED (UTC)", "TOOK", "ROWS", "OUTPUT", "", "RUN"];
  const [first, ...lines] = formatTable([head, ...rows], "", 90).split("\n");
  const painted = lines.map((line, at) => {
    const { state } = runs[at]!;
    const color = COLORS[state];
    return color === undefined ? line : line.replace(stateText(state), () => paint(color, stateText(state)));
  });
  return [paint("bold", first!), ...painted].join("\n");
}

function rowsText({ rows, progress }: RunView): string {
  if (rows !== null) {
    return `${formatCount(rows.predicted)}${rows.rejected > 0 ? ` (${formatCount(rows.rejected)} rejected)` : ""}`;
  }
  return progress === null ? "-" : progressText(progress);
}

function progressText({ rows_read, rows_total }: NonNullable<RunView["progress"]>): string {
  if (rows_total === null || rows_total === 0) return `${formatCount(rows_read)} so far`;
  return `${formatCount(rows_read)} of ~${formatCount(rows_total)} (${Math.min(100, Math.floor((100 * rows_read) / rows_total))}%)`;
}

function whatElse({ process: owner, reason, note }: RunView): string {
  return [owner === null ? null : `process ${owner.pid}`, reason, note].filter((part) => part !== null).join("; ");
}

function processText({ pid, host }: NonNullable<RunView["process"]>): string {
  return `${pid} on ${host}`;
}

function fileName(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1);
}

/** What `runs show --json` prints. */
export interface RunDetail extends RunView {
  logical_date: string | null;
  /** As typed; null: nothing but the ledger's row is known. */
  argv: string[] | null;
  cwd: string | null;
  env: Record<string, string>;
  redacted: boolean;
  job_file: string | null;
  settings_sha256: string | null;
  versions: { batchpredict: string; node: string } | null;
  inputs: string[];
  model: { path: string; sha256: string | null } | null;
  format: string | null;
  table: string | null;
  output_bytes: number | null;
  rejects: { path: string; rows: number } | null;
  rows_per_second: number | null;
  peak_memory_bytes: number | null;
  resumed_from_row: number | null;
  stages: Record<string, number> | null;
  warnings: string[];
  attempts: { started_at: string; ended_at: string | null; status: string | null; pid: number }[];
  log: string | null;
  left: { journal_run_id: string; files: { path: string; bytes: number }[]; bytes: number; committed_rows: number | null } | null;
  resume: string | null;
  retry: string | null;
}

export function runText(run: RunDetail, paint: Paint): string {
  const color = COLORS[run.state];
  const state = color === undefined ? stateText(run.state) : paint(color, stateText(run.state));
  const rows: [string, string | null][] = [
    ["reason", run.error ? null : run.reason],
    ["note", run.note],
    [
      "job",
      run.job && `${run.job}${run.run_key === null ? "" : ` ${keyText(run.run_key)}`}${run.trigger ? ` (${run.trigger})` : ""}`,
    ],
    ["started", run.started_at && `${shortInstant(run.started_at)} UTC${run.attempt > 1 ? `, attempt ${run.attempt}` : ""}`],
    ["ended", run.ended_at && `${shortInstant(run.ended_at)} UTC`],
    ["process", run.process && processText(run.process)],
    ["command", run.argv && commandText(run.argv)],
    ["in", run.cwd],
    [
      "with",
      Object.entries(run.env)
        .map(([name, value]) => `${name}=${value}`)
        .join(" ") || null,
    ],
    ["job file", run.job_file],
    ["settings", run.settings_sha256 && `sha256 ${run.settings_sha256.slice(0, 16)}`],
    ["input", run.inputs.join(", ") || null],
    ["model", run.model && `${run.model.path}${run.model.sha256 ? ` (sha256 ${run.model.sha256.slice(0, 16)})` : ""}`],
    ["output", outputText(run)],
    ["rejects", run.rejects && `${run.rejects.path} (${formatCount(run.rejects.rows)} rows)`],
    [
      "rows",
      run.rows &&
        `${formatCount(run.rows.read)} read, ${formatCount(run.rows.predicted)} predicted, ${formatCount(run.rows.rejected)} rejected`,
    ],
    ["resumed", run.resumed_from_row === null ? null : `from row ${formatCount(run.resumed_from_row)}`],
    ["progress", run.progress && `${progressText(run.progress)} at ${shortInstant(run.progress.at)} UTC`],
    ["time", timeText(run)],
    [
      "stages",
      run.stages &&
        Object.entries(run.stages)
          .map(([name, value]) => `${name} ${formatCount(value)}`)
          .join(", "),
    ],
    ["versions", run.versions && `batchpredict ${run.versions.batchpredict}, Node ${run.versions.node}`],
    ["log", run.log],
    ["left", leftText(run)],
    ["resume", run.resume],
    ["retry", run.resume ? null : run.retry],
  ];
  const table = formatTable(
    rows.filter((row): row is [string, string] => row[1] !== null && row[1] !== ""),
    "  ",
    2000,
  );
  const warnings = run.warnings.map((text) => `${paint("yellow", "warning:")} ${printable(text)}`);
  return [`${state} ${paint("bold", run.run_id)}`, table, ...warnings, ...(run.error ? [errorText(run.error, paint)] : [])].join(
    "\n",
  );
}

function outputText({ output, format, table, output_bytes }: RunDetail): string | null {
  if (output === null) return null;
  const more = [format, table && `table ${table}`, output_bytes === null ? null : formatBytes(output_bytes)].filter(Boolean);
  return `${output}${more.length > 0 ? ` (${more.join(", ")})` : ""}`;
}

function timeText({ seconds, rows_per_second, peak_memory_bytes }: RunDetail): string | null {
  if (seconds === null) return null;
  const more = rows_per_second === null ? "" : `, ${formatCount(rows_per_second)} rows/s`;
  return `${formatSeconds(seconds)}${more}${peak_memory_bytes ? `, peak memory ${formatBytes(peak_memory_bytes)}` : ""}`;
}

function leftText({ left }: RunDetail): string | null {
  if (left === null || left.files.length === 0) return null;
  const rows = left.committed_rows === null ? "" : `, ${formatCount(left.committed_rows)} rows are done`;
  return `${left.files.length} ${left.files.length === 1 ? "file" : "files"} beside the output, ${formatBytes(left.bytes)}${rows}`;
}

/** As a shell takes it. */
export function commandText(argv: readonly string[]): string {
  return ["batchpredict", ...argv].map(shellWord).join(" ");
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
