/**
 * Runs the rows of one chunk through the session in batches. A batch that fails is bisected to the rows that fail; the rest
 * is predicted. Cost of one bad row in a batch of B: about 2 log2(B) extra runs.
 *
 * Some models drop a row inside and fail only because others stand beside it: alone, the row gives a number that means nothing
 * (seen with text pipelines of skl2onnx). So where rows fail together and not apart, those that were only run alone are run once
 * more beside a row that is known to be good.
 */
import type { ChunkReject, DecodedChunk } from "../core/chunk.ts";
import { BatchPredictError, toWire } from "../core/errors.ts";
import type { OutputPlan } from "../core/output-plan.ts";
import { allocateTensor, type TensorArray } from "../core/tensor-types.ts";
import { copyInto, type Feed, type FeedBuilder, type Feeds } from "./feeds.ts";

export interface Runner {
  run(feeds: Feeds, outputs: string[]): Promise<Record<string, Feed>>;
}

export interface InferOptions {
  outputs: OutputPlan["outputs"];
  batchSize: number;
  fixedBatch: number | null;
  onError: "fail" | "reject";
  /** Inference calls that bisecting may cost per chunk before the run is given up. */
  maxExtraRuns: number;
}

export interface Inferred {
  /** One array per planned output: rows * rowSize elements. What rows that failed hold is of no meaning: they are to be dropped. */
  outputs: TensorArray[];
  /** Row (in the decoded chunk) and reason of each failure, in order. */
  failed: { row: number; reject: Pick<ChunkReject, "code" | "message" | "actual" | "hints"> }[];
}

export async function inferChunk(
  session: Runner,
  feeds: FeedBuilder,
  decoded: DecodedChunk,
  options: InferOptions,
): Promise<Inferred> {
  const names = options.outputs.map((output) => output.output);
  const results = options.outputs.map((output) => allocateTensor(output.type, decoded.rows * output.rowSize));
  const failed: Inferred["failed"] = [];
  const step = options.fixedBatch ?? options.batchSize;
  let extraRuns = 0;
  let lastError: unknown = null;

  /** Runs that failed although both halves did not. */
  const unclear: [number, number][] = [];
  /** Rows that were predicted alone, beside nothing, after a run that held them failed. */
  const alone: number[] = [];
  let good: { row: number; beside: number } | null = null;
  const trust = (rowStart: number, rowEnd: number): void => {
    const beside = rowEnd - rowStart;
    if (beside > Math.max(1, good?.beside ?? 1)) good = { row: rowStart, beside };
  };

  /** @param companion also in the call, and only asked whether the call fails */
  const runRows = async (rowStart: number, rowEnd: number, companion: number | null): Promise<unknown> => {
    const padTo = options.fixedBatch ?? rowEnd - rowStart + (companion === null ? 0 : 1);
    let returned: Record<string, Feed>;
    try {
      returned = await session.run(feeds.build(decoded, rowStart, rowEnd, padTo, companion ?? rowEnd - 1), names);
    } catch (error) {
      lastError = error;
      return error;
    }
    if (companion !== null) return null;
    options.outputs.forEach((output, at) => {
      const result = returned[output.output];
      checkResult(output, result, padTo);
      const data = result.data;
      const used = (rowEnd - rowStart) * output.rowSize;
      const rows = used === data.length ? data : Array.isArray(data) ? data.slice(0, used) : data.subarray(0, used);
      copyInto(results[at]!, rows, rowStart * output.rowSize);
    });
    return null;
  };

  const runAgain = async (rowStart: number, rowEnd: number, companion: number | null): Promise<unknown> => {
    extraRuns++;
    if (extraRuns > options.maxExtraRuns) {
      throw new BatchPredictError("BP_INFERENCE", "inference fails on too many rows to tell them apart", {
        actual: `${failed.length} failing rows after ${options.maxExtraRuns} extra calls in one chunk; the last: ${reasonOf(lastError)}`,
        hints: ["the model does not fit this data: check types and value ranges with `batchpredict plan`"],
      });
    }
    return runRows(rowStart, rowEnd, companion);
  };

  const bisect = async (rowStart: number, rowEnd: number, error: unknown, companion: number | null): Promise<void> => {
    if (rowEnd - rowStart === 1) {
      failed.push({ row: rowStart, reject: inferenceReject(error) });
      return;
    }
    const middle = (rowStart + rowEnd) >> 1;
    const passed: [number, number][] = [];
    for (const [start, end] of [
      [rowStart, middle],
      [middle, rowEnd],
    ] as const) {
      if (options.onError === "fail" && failed.length > 0) return;
      const again = await runAgain(start, end, companion);
      if (again !== null) await bisect(start, end, again, companion);
      else passed.push([start, end]);
    }
    if (companion !== null) return;
    for (const [start, end] of passed) if (end - start === 1) alone.push(start);
    if (passed.length === 2) unclear.push([rowStart, rowEnd]);
    else for (const [start, end] of passed) trust(start, end);
  };

  /** Whether rows fail for the company they are in, which a run of them alone did not show. */
  const checkBeside = async (companion: number): Promise<void> => {
    const halves = unclear.flatMap(([start, end]): [number, number][] => {
      const middle = (start + end) >> 1;
      return [
        [start, middle],
        [middle, end],
      ];
    });
    const suspects = [
      ...alone.map((row): [number, number] => [row, row + 1]),
      ...halves.filter(([start, end]) => end - start > 1),
    ];
    for (const [start, end] of suspects.sort(([a], [b]) => a - b)) {
      const error = await runAgain(start, end, companion);
      if (error !== null) await bisect(start, end, error, companion);
    }
  };

  for (let rowStart = 0; rowStart < decoded.rows; rowStart += step) {
    const rowEnd = Math.min(rowStart + step, decoded.rows);
    const error = await runRows(rowStart, rowEnd, null);
    if (error === null) trust(rowStart, rowEnd);
    else await bisect(rowStart, rowEnd, error, null);
    if (options.onError === "fail" && failed.length > 0) break;
  }
  if (unclear.length > 0 && good !== null) {
    const found = failed.splice(0);
    await checkBeside((good as { row: number }).row);
    failed.push(...found);
    failed.sort((a, b) => a.row - b.row);
    if (options.onError === "fail") failed.splice(1);
  }
  return { outputs: results, failed };
}

/** The probe saw these shapes on the first rows; a model whose rows depend on the data's values is caught here. */
function checkResult(output: OutputPlan["outputs"][number], result: Feed | undefined, rows: number): asserts result is Feed {
  if (result && result.dims[0] === rows && result.data.length === rows * output.rowSize) return;
  throw new BatchPredictError("BP_MODEL_ROWS", `model output "${output.output}" changed its shape from one batch to another`, {
    expected: `${rows} rows of ${output.rowSize} values`,
    actual: result ? `shape [${result.dims.join(", ")}]` : "no such output",
    hints: ["a model for batch prediction must give one entry per input row"],
  });
}

function inferenceReject(error: unknown): Inferred["failed"][number]["reject"] {
  return {
    code: "BP_INFERENCE",
    message: "the model cannot predict this row",
    actual: reasonOf(error),
    hints: ["put bad rows aside with --on-error reject, or mend the row"],
  };
}

function reasonOf(error: unknown): string {
  const wire = toWire(error);
  return wire.actual ?? wire.message;
}
