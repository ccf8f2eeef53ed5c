/** What a scheduler tells while it goes, one line per event, and its status. Pure. */
import type { Paint } from "./error-text.ts";
import { formatCount, formatSeconds, printable } from "./format.ts";
import { type HistoryEntry, keyText, shortInstant, stateText } from "./jobs-history.ts";

export function endedText(run: HistoryEntry, paint: Paint): string {
  const color = run.state === "succeeded" ? "green" : run.state === "failed" ? "red" : "yellow";
  const seconds = run.started_at && run.ended_at ? (Date.parse(run.ended_at) - Date.parse(run.started_at)) / 1000 : null;
  const details = [
    ...(run.rows ? [`${formatCount(run.rows.predicted)} rows`] : []),
    ...(seconds === null ? [] : [formatSeconds(Math.max(0, seconds))]),
    ...(run.reason === null ? [] : [run.reason]),
  ].join(", ");
  const name = `${printable(run.job)} ${keyText(run.run_key)}`;
  return `${paint(color, stateText(run.state))} ${name}${details === "" ? "" : ` (${details})`}`;
}

export interface StatusReport {
  running: boolean;
  holder: { owner: string; host: string; pid: number; since: string; lease_until: string; process: string } | null;
  active: readonly HistoryEntry[];
  queued: number;
  outbox: { due: number; given_up: number };
}

export function statusText({ running, holder, active, queued, outbox }: StatusReport, paint: Paint): string {
  const head = running
    ? `${paint("green", "running")}: process ${holder!.pid} on ${printable(holder!.host)} since ${shortInstant(holder!.since)} UTC`
    : `${paint("yellow", "not running")}: batchpredict scheduler start`;
  const lines = active.map((run) => `  ${stateText(run.state)} ${printable(run.job)} ${run.run_key} (run ${run.run_id})`);
  const messages = `${outbox.due} messages to deliver${outbox.given_up > 0 ? `, ${outbox.given_up} given up` : ""}`;
  return [head, ...lines, `  ${queued} queued, ${messages}`].join("\n");
}
