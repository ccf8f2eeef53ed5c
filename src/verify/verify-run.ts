/** Scores into a folder that is gone afterwards and compares: with expected predictions, and batch 1 with batch N. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { BatchPredictError, fromWire } from "../core/errors.ts";
import type { RunSummary } from "../core/events.ts";
import type { Host } from "../core/host.ts";
import type { ResolvedRun, RunSettings } from "../core/settings.ts";
import type { SourceFormat } from "../core/source.ts";
import { suggest } from "../core/suggest.ts";
import type { Dependence } from "../predict/probe.ts";
import { type PreparedRun, prepareRun } from "../run/prepare-run.ts";
import { runResolved } from "../run/run.ts";
import type { Tolerances } from "./compare-cells.ts";
import { type Alignment, compareTables, type TableComparison } from "./compare-tables.ts";
import { type MatchedColumns, matchColumns } from "./match-columns.ts";
import { readTable, type Table } from "./read-table.ts";

/** Rows that are scored once more, one per call. */
const BATCH_SAMPLE_ROWS = 256;

export interface VerifyRequest {
  resolved: ResolvedRun;
  /** Absolute. */
  expected: string;
  expectedFormat: SourceFormat | null;
  tolerances: Tolerances;
  /** Rows whose labels may differ. */
  labelMismatches: { rows: number } | { percent: number };
}

export interface BatchComparison {
  rows: number;
  batch_size: number;
  max_abs_difference: number;
  max_rel_difference: number;
  label_mismatches: number;
  within_tolerance: boolean;
}

export interface VerifyReport extends TableComparison {
  status: "equal" | "different";
  expected: string;
  matched_by: string;
  rows: TableComparison["rows"] & { read: number; rejected: number };
  tolerances: Tolerances;
  allowed_label_mismatches: number;
  not_compared: { expected: string[]; predicted: string[] };
  /** null: the model takes one number of rows only, or the run went row by row anyway. */
  batch: BatchComparison | null;
  /** "neighbours": what a row gets depends on the rows around it. */
  dependence: Dependence;
  model: { path: string; sha256: string };
  seconds: number;
}

/** @throws BatchPredictError: whatever stops the run, or keeps the two from being compared */
export async function verifyRun(request: VerifyRequest, host: Host, signal: AbortSignal): Promise<VerifyReport> {
  const started = host.nowMs();
  const expected = await readTable(request.expected, request.expectedFormat);
  const folder = await mkdtemp(path.join(tmpdir(), "batchpredict-verify-"));
  try {
    const { key, how } = keysOf(request.resolved, expected);
    const resolved = intoFolder(request.resolved, folder, "predictions", key);
    const prepared = await prepareRun(resolved, host, signal);
    await prepared.close();
    const summary = await score(resolved, host, signal);
    const predicted = await readTable(resolved.settings.output, "arrow");
    const matched = match(prepared, expected, predicted, key);
    const align = alignment(resolved.settings, expected, predicted, key);
    const comparison = compareTables(expected, predicted, matched.compared, align, request.tolerances);
    const batch = await compareBatches(request, prepared, summary, predicted, folder, key, host, signal);
    const allowed = allowedRows(request.labelMismatches, comparison.rows.compared);
    const floats = comparison.columns.filter(({ kind }) => kind === "float");
    const equal =
      comparison.rows.missing === 0 &&
      comparison.rows.extra === 0 &&
      floats.every(({ mismatches }) => mismatches === 0) &&
      comparison.label_mismatches <= allowed &&
      (batch === null || batch.within_tolerance);
    return {
      status: equal ? "equal" : "different",
      expected: request.expected,
      matched_by: how,
      ...comparison,
      rows: { ...comparison.rows, read: summary.rows.read, rejected: summary.rows.rejected },
      tolerances: request.tolerances,
      allowed_label_mismatches: allowed,
      not_compared: { expected: matched.unknown, predicted: matched.unchecked },
      batch,
      dependence: prepared.probe.dependence,
      model: summary.model,
      seconds: (host.nowMs() - started) / 1000,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The user's --key, the job's key or a `row` column, where the expected file has it; else the place of a row. */
function keysOf({ settings: { key }, origins }: ResolvedRun, expected: Table): { key: string[]; how: string } {
  const names = expected.columns.map(({ name }) => name);
  const absent = key.filter((name) => !names.includes(name));
  if (key.length > 0 && absent.length === 0) return { key, how: `key ${key.join(", ")}` };
  if (key.length > 0 && origins.key?.startsWith("flag")) {
    throw new BatchPredictError("BP_CONFIG", `the expected file has no column "${absent[0]}" of the key`, {
      where: { file: expected.path },
      actual: `columns ${names.slice(0, 20).join(", ")}`,
      hints: [
        ...suggest(absent[0]!, names).map((near) => `did you mean --key ${near}?`),
        "name columns that both files have, or leave --key out to compare row by row",
      ],
    });
  }
  return { key: [], how: names.includes("row") ? "the column row" : "the order of rows" };
}

function intoFolder({ settings, origins }: ResolvedRun, folder: string, name: string, key: string[]): ResolvedRun {
  const output = path.join(folder, `${name}.arrow`);
  return {
    origins,
    settings: {
      ...settings,
      job: null,
      output,
      outputFormat: "arrow",
      ifExists: "replace",
      rejects: path.join(folder, `${name}.rejects.csv`),
      stateDir: path.join(folder, "state"),
      fresh: true,
      // Without a kept column the number of the input row is written.
      keep: key,
      key,
    },
  };
}

async function score(resolved: ResolvedRun, host: Host, signal: AbortSignal): Promise<RunSummary> {
  const summary = await runResolved(resolved, host, { signal, onEvent: () => {} });
  if (summary.error) throw fromWire(summary.error);
  return summary;
}

function match({ outputs, columns, resolved }: PreparedRun, expected: Table, predicted: Table, key: string[]): MatchedColumns {
  const aliases = Object.fromEntries((resolved.settings.outputs ?? []).map(({ name, alias }) => [name, alias ?? name]));
  const aside = new Set([...key, ...columns.map(({ name }) => name), "row"]);
  const names = (table: Table): string[] => table.columns.map(({ name }) => name);
  return matchColumns(names(expected), names(predicted), outputs, aliases, aside, expected.path);
}

function alignment({ whereRows, limit, shard }: RunSettings, expected: Table, predicted: Table, key: string[]): Alignment {
  const position = (table: Table, name: string): number => table.columns.findIndex((column) => column.name === name);
  const start = whereRows?.start ?? 0;
  const end = Math.min(whereRows?.end ?? Number.POSITIVE_INFINITY, start + (limit ?? Number.POSITIVE_INFINITY));
  const place = { rowColumn: 0, range: { start, end }, partial: whereRows !== null || limit !== null || shard !== null };
  // The number of the row is the first written column, whatever it had to be called.
  const names = key.length > 0 ? key : position(expected, "row") >= 0 ? ["row"] : null;
  if (names === null) return { key: null, ...place };
  const inPredicted = key.length > 0 ? names.map((name) => position(predicted, name)) : [0];
  return { key: { names, expected: names.map((name) => position(expected, name)), predicted: inPredicted }, ...place };
}

async function compareBatches(
  { resolved, tolerances, labelMismatches }: VerifyRequest,
  { binding, outputs }: PreparedRun,
  { batch_size }: RunSummary,
  predicted: Table,
  folder: string,
  key: string[],
  host: Host,
  signal: AbortSignal,
): Promise<BatchComparison | null> {
  if (binding.fixedBatch !== null || batch_size === 1 || predicted.rows === 0) return null;
  const single = intoFolder(resolved, folder, "row-by-row", key);
  const limit = Math.min(single.settings.limit ?? BATCH_SAMPLE_ROWS, BATCH_SAMPLE_ROWS);
  await score({ ...single, settings: { ...single.settings, batchSize: 1, workers: 1, limit } }, host, signal);
  const alone = await readTable(single.settings.output, "arrow");
  const names = predicted.columns.map(({ name }) => name);
  const { compared } = matchColumns(names, names, outputs, {}, new Set(names), predicted.path);
  // Both begin at the same row of the input, so the rows of the sample are the first ones of the predictions.
  const rows = Math.min(alone.rows, predicted.rows);
  const first = { ...predicted, rows };
  const byPlace = {
    ...alone,
    rows,
    cell: (column: number, row: number): ReturnType<Table["cell"]> => (column < 0 ? row : alone.cell(column, row)),
  };
  const align: Alignment = { key: null, rowColumn: -1, range: { start: 0, end: rows }, partial: false };
  const comparison = compareTables(first, byPlace, compared, align, tolerances);
  const most = (what: "max_abs_difference" | "max_rel_difference"): number =>
    comparison.columns.reduce((max, column) => Math.max(max, column[what]), 0);
  return {
    rows,
    batch_size,
    max_abs_difference: most("max_abs_difference"),
    max_rel_difference: most("max_rel_difference"),
    label_mismatches: comparison.label_mismatches,
    within_tolerance:
      comparison.columns.every(({ kind, mismatches }) => kind !== "float" || mismatches === 0) &&
      comparison.label_mismatches <= allowedRows(labelMismatches, rows),
  };
}

function allowedRows(limit: VerifyRequest["labelMismatches"], compared: number): number {
  return "rows" in limit ? limit.rows : Math.floor((limit.percent * compared) / 100);
}
