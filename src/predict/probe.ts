/**
 * One small call before the run: what the model really returns. Declared output shapes are a common lie of exporters, and an
 * output that does not follow the rows must be found before anything is written.
 */
import type { DecodedChunk } from "../core/chunk.ts";
import type { Feed, FeedBuilder } from "./feeds.ts";
import type { Runner } from "./infer-chunk.ts";
import type { ProbeResult } from "./protocol.ts";

/** More than one row, so that "one entry per row" can be told from "one entry"; odd, so that a fixed 2 or 4 cannot pass for it. */
const PROBE_ROWS = 3;

export interface ProbedCall {
  rows: number;
  results: Record<string, Feed>;
}

/**
 * First with real rows, then, when these fail in the model (or there are none), with zeros.
 * @param outputs every output of the model
 * @throws what the runtime threw for the zeros when both fail
 */
export async function probe(
  session: Runner,
  feeds: FeedBuilder,
  decoded: DecodedChunk | null,
  outputs: string[],
  fixedBatch: number | null,
): Promise<ProbedCall> {
  if (decoded && decoded.rows > 0) {
    const present = Math.min(decoded.rows, fixedBatch ?? PROBE_ROWS);
    const rows = fixedBatch ?? PROBE_ROWS;
    try {
      return { rows, results: await session.run(feeds.build(decoded, 0, present, rows), outputs) };
    } catch {
      // A bad first row is the run's business, not the probe's: it will be rejected or reported with its position.
    }
  }
  const rows = fixedBatch ?? PROBE_ROWS;
  return { rows, results: await session.run(feeds.zeros(rows), outputs) };
}

export function rowShapes({ results }: ProbedCall): ProbeResult["outputs"] {
  return Object.fromEntries(Object.entries(results).map(([name, { type, dims }]) => [name, { type, rowShape: dims.slice(1) }]));
}
