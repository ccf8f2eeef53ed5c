/** Runs of every kind together: what the ledger knows of jobs and what the records know of all of them. */
import { BatchPredictError } from "../core/errors.ts";
import { suggest } from "../core/suggest.ts";
import type { Ledger } from "../schedule/ledger.ts";
import type { RunRow } from "../schedule/run-row.ts";
import { readRecord, recordIds } from "./records.ts";
import { type FoundRun, idOf, lastAttempt } from "./run-view.ts";

export interface HistorySource {
  /** Absolute. */
  stateDir: string;
  /** null: no job was ever on record. */
  ledger: Pick<Ledger, "history"> | null;
}

/** A ledger row costs microseconds; years of a daily job are a few thousand. */
const LEDGER_ROWS = 10_000;
/** The shortest end of an id that is taken for one: beginnings are times, so neighbours share them. */
const SHORTEST_ENDING = 4;

/** Newest first. @param job null: of all, and of none */
export function allRuns({ stateDir, ledger }: HistorySource, job: string | null): FoundRun[] {
  const rows = new Map((ledger?.history(job, { limit: LEDGER_ROWS }) ?? []).map((row) => [row.id, row]));
  const found: FoundRun[] = [];
  for (const id of recordIds(stateDir)) {
    const record = readRecord(stateDir, id);
    if (record === null || (job !== null && record.attempts.at(-1)!.begin.job !== job)) continue;
    found.push({ row: take(rows, id), record });
  }
  for (const row of rows.values()) found.push({ row, record: null });
  return found
    .map((run) => ({ run, beganMs: beganMs(run) }))
    .sort((a, b) => b.beganMs - a.beganMs || (idOf(a.run) < idOf(b.run) ? 1 : -1))
    .map(({ run }) => run);
}

function take(rows: Map<string, RunRow>, id: string): RunRow | null {
  const row = rows.get(id) ?? null;
  rows.delete(id);
  return row;
}

function beganMs(run: FoundRun): number {
  return run.row ? (run.row.startedMs ?? run.row.createdMs) : Date.parse(lastAttempt(run)!.begin.at);
}

/** @param text an id, or enough of its beginning or end @throws BP_RUN_NOT_FOUND, BP_USAGE when several fit */
export function findRun(source: HistorySource, text: string): FoundRun {
  const rows = source.ledger?.history(null, { limit: LEDGER_ROWS }) ?? [];
  const ids = [...new Set([...recordIds(source.stateDir), ...rows.map(({ id }) => id)])].sort();
  const wanted = text.toLowerCase();
  const fits = ids.filter(
    (id) => id === wanted || id.startsWith(wanted) || (wanted.length >= SHORTEST_ENDING && id.endsWith(wanted)),
  );
  const id = fits.find((each) => each === wanted) ?? (fits.length === 1 ? fits[0]! : null);
  if (wanted === "" || fits.length === 0) throw notFound(text, ids);
  if (id === null) {
    throw new BatchPredictError("BP_USAGE", `"${text}" fits ${fits.length} runs`, {
      expected: "one run",
      actual: fits.slice(-5).join(", ") + (fits.length > 5 ? ", ..." : ""),
      hints: ["give more of the id; its last characters tell runs of the same minute apart"],
      exitCode: 2,
    });
  }
  return { row: rows.find((row) => row.id === id) ?? null, record: readRecord(source.stateDir, id) };
}

function notFound(text: string, ids: readonly string[]): BatchPredictError {
  const near = suggest(text, ids);
  const known = near.length > 0 ? near : ids.slice(-3).reverse();
  return new BatchPredictError("BP_RUN_NOT_FOUND", `no run "${text}"`, {
    hints: [
      ...(near.length > 0
        ? [`did you mean ${near.join(" or ")}?`]
        : known.length > 0
          ? [`the newest are ${known.join(", ")}`]
          : []),
      "batchpredict runs list shows them; --state-dir names another history",
    ],
    exitCode: 2,
  });
}
