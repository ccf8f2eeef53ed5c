/**
 * Runs the rows of one chunk through the session in batches. A batch that fails is bisected to the rows that fail; the rest
 * is predicted. Cost of one bad row in a batch of B: about 2 log2(B) extra runs.
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
  /** One array per planned output: rows * rowSize elements. Rows that failed hold zeros and are to be dropped. */
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

  const runRows = async (rowStart: number, rowEnd: number): Promise<unknown> => {
    const padTo = options.fixedBatch ?? rowEnd - rowStart;
    let returned: Record<string, Feed>;
    try {
      returned = await session.run(feeds.build(decoded, rowStart, rowEnd, padTo), names);
    } catch (error) {
      return error;
    }
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

  const bisect = async (rowStart: number, rowEnd: number, error: unknown): Promise<void> => {
    if (rowEnd - rowStart === 1) {
      failed.push({ row: rowStart, reject: inferenceReject(error) });
      return;
    }
    const middle = (rowStart + rowEnd) >> 1;
    for (const [start, end] of [
      [rowStart, middle],
      [middle, rowEnd],
    ] as const) {
      if (options.onError === "fail" && failed.length > 0) return;
      extraRuns++;
      if (extraRuns > options.maxExtraRuns) {
        throw new BatchPredictError("BP_INFERENCE", "inference fails on too many rows to tell them apart", {
          actual: `${failed.length} failing rows after ${options.maxExtraRuns} extra calls in one chunk; the last: ${reasonOf(error)}`,
          hints: ["the model does not fit this data: check types and value ranges with `batchpredict plan`"],
        });
      }
      const again = await runRows(start, end);
      if (again !== null) await bisect(start, end, again);
    }
  };

  for (let rowStart = 0; rowStart < decoded.rows; rowStart += step) {
    const rowEnd = Math.min(rowStart + step, decoded.rows);
    const error = await runRows(rowStart, rowEnd);
    if (error !== null) await bisect(rowStart, rowEnd, error);
    if (options.onError === "fail" && failed.length > 0) break;
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
