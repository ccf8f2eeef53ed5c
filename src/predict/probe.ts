/**
 * One small call before the run: what the model really returns. Declared output shapes are a common lie of exporters, and an
 * output that does not follow the rows must be found before anything is written.
 */
import type { DecodedChunk } from "../core/chunk.ts";
import type { TensorArray } from "../core/tensor-types.ts";
import type { Feed, FeedBuilder, Feeds } from "./feeds.ts";
import type { Runner } from "./infer-chunk.ts";
import type { ProbeResult } from "./protocol.ts";

/** More than one row, so that "one entry per row" can be told from "one entry"; odd, so that a fixed 2 or 4 cannot pass for it. */
const PROBE_ROWS = 3;
/** Some models fail on few rows (TopK over the batch): a second try with more shows what they return. */
const MORE_ROWS = 1024;
/** Other positions in a batch move last bits (measured: up to 4e-5); real dependence moves far more. */
const SAME_WITHIN = 1e-3;

export interface ProbedCall {
  rows: number;
  results: Record<string, Feed>;
  feeds: Feeds;
  /** Fed from the data, not from zeros. */
  real: boolean;
}

/**
 * First with a few real rows, then with more, then, when these fail in the model (or there are none), with zeros.
 * @param outputs the model outputs to ask for
 * @throws what the runtime threw for the zeros when all fail
 */
export async function probe(
  session: Runner,
  feeds: FeedBuilder,
  decoded: DecodedChunk | null,
  outputs: string[],
  fixedBatch: number | null,
): Promise<ProbedCall> {
  for (const wanted of fixedBatch === null ? [PROBE_ROWS, MORE_ROWS] : [fixedBatch]) {
    if (!decoded || decoded.rows === 0) break;
    const present = Math.min(decoded.rows, wanted);
    const rows = fixedBatch ?? Math.max(PROBE_ROWS, present);
    try {
      const fed = feeds.build(decoded, 0, present, rows);
      return { rows, results: await session.run(fed, outputs), feeds: fed, real: true };
    } catch {
      // A bad first row is the run's business, not the probe's: it will be rejected or reported with its position.
    }
  }
  const rows = fixedBatch ?? PROBE_ROWS;
  const fed = feeds.zeros(rows);
  return { rows, results: await session.run(fed, outputs), feeds: fed, real: false };
}

/** `rows`: each result follows its own row. `order`: results ignore which row stands where. `neighbours`: a row's result depends on the others. */
export type Dependence = "rows" | "order" | "neighbours";

/**
 * The same rows once more in reverse: what belongs to a row must move with it. And the first row beside copies of itself: what it gets
 * must not change with the company (attention over the batch moves with its rows, and yet mixes them).
 * Needs at least two rows that differ; says "rows" where that cannot be told. Costs two calls.
 */
export async function findDependence(session: Runner, call: ProbedCall, perRowInputs: ReadonlySet<string>): Promise<Dependence> {
  const { rows, results } = call;
  if (!call.real || rows < 2) return "rows";
  const names = Object.keys(results);
  const again = async (rowFrom: (row: number) => number): Promise<Record<string, Feed> | null> => {
    const fed = Object.entries(call.feeds).map(([name, feed]): [string, Feed] => [
      name,
      perRowInputs.has(name) ? rearranged(feed, rows, rowFrom) : feed,
    ]);
    return session.run(Object.fromEntries(fed), names).catch(() => null);
  };
  const reverse = (row: number): number => rows - 1 - row;
  const reversed = await again(reverse);
  if (reversed === null) return "rows";
  if (!names.every((name) => same(rearranged(reversed[name]!, rows, reverse).data, results[name]!.data))) {
    return names.every((name) => same(reversed[name]!.data, results[name]!.data)) ? "order" : "neighbours";
  }
  const beside = await again(() => 0);
  if (beside === null) return "rows";
  return names.every((name) => same(firstRow(beside[name]!, rows), firstRow(results[name]!, rows))) ? "rows" : "neighbours";
}

function rearranged(feed: Feed, rows: number, rowFrom: (row: number) => number): Feed {
  const { data } = feed;
  const rowSize = data.length / rows;
  const copy = data.slice() as TensorArray;
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < rowSize; at++) copy[row * rowSize + at] = data[rowFrom(row) * rowSize + at] as never;
  }
  return { ...feed, data: copy };
}

function firstRow({ data }: Feed, rows: number): TensorArray {
  return data.slice(0, data.length / rows) as TensorArray;
}

function same(a: TensorArray, b: TensorArray): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) {
    const left = a[at]!;
    const right = b[at]!;
    if (left === right || Object.is(left, right)) continue;
    if (typeof left !== "number" || typeof right !== "number") return false;
    if (Math.abs(left - right) > SAME_WITHIN * Math.max(1, Math.abs(left))) return false;
  }
  return true;
}

export function rowShapes({ results }: ProbedCall): ProbeResult["outputs"] {
  return Object.fromEntries(Object.entries(results).map(([name, { type, dims }]) => [name, { type, rowShape: dims.slice(1) }]));
}
