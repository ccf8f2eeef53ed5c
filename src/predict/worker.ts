/** What a predict worker does, without the thread around it. */
import type { Data } from "apache-arrow";
import type { BindingPlan } from "../core/binding-plan.ts";
import type { Chunk, ChunkReject, DecodedChunk } from "../core/chunk.ts";
import { BatchPredictError } from "../core/errors.ts";
import { failpoint, losspoint } from "../core/failpoint.ts";
import type { OutputPlan } from "../core/output-plan.ts";
import type { ChunkReader, ReaderOptions } from "../core/source.ts";
import { allocateTensor, type TensorArray } from "../core/tensor-types.ts";
import { type LoadedModel, loadSignature } from "../model/load-signature.ts";
import { checkRowAlignment } from "../model/row-alignment.ts";
import { openSession, type PredictSession } from "../model/session.ts";
import { openReader } from "../sources/registry.ts";
import { takeRows } from "../values/arrow-take.ts";
import { fillConstant } from "../values/constant.ts";
import { WireEncoder } from "../values/wire-batch.ts";
import { FeedBuilder } from "./feeds.ts";
import { type Inferred, inferChunk } from "./infer-chunk.ts";
import { findDependence, probe, rowShapes } from "./probe.ts";
import type { ChunkResult, FromWorker, LearnRequest, WorkerSetup } from "./protocol.ts";
import { resultBatch } from "./result-batch.ts";
import { overridesOf, type SessionAhead } from "./session-ahead.ts";

/** Bisecting is meant for a few poisoned rows; a chunk that needs more calls than this does not fit the model. */
const MAX_EXTRA_RUNS = 4096;

export class PredictWorker {
  #setup: WorkerSetup | null = null;
  #model: LoadedModel | null = null;
  #session: PredictSession | null = null;
  #reader: ChunkReader | null = null;
  #feeds: FeedBuilder | null = null;
  readonly #ahead: SessionAhead | null;
  readonly #encoder = new WireEncoder();
  #run: { outputs: OutputPlan; batchSize: number; fixedBatch: number | null } | null = null;

  /** @param ahead a session that may be the one that `setup` wants */
  constructor(ahead: SessionAhead | null = null) {
    this.#ahead = ahead;
  }

  async setup(setup: WorkerSetup): Promise<FromWorker> {
    this.#setup = setup;
    const ahead = await this.#ahead?.take(setup);
    const model = ahead?.model ?? (await loadSignature(setup.modelPath));
    if (model.signature.sha256 !== setup.modelSha256) {
      throw new BatchPredictError("BP_MODEL_CHANGED", "the model file was replaced while the run started", {
        where: { file: setup.modelPath },
        expected: `SHA-256 ${setup.modelSha256}`,
        actual: `SHA-256 ${model.signature.sha256}`,
        hints: ["run again: the run then uses the new model from its first row"],
      });
    }
    const overrides = overridesOf(setup, model.signature);
    const options = { threads: setup.threads, overrides, kernel: setup.kernel !== false };
    this.#session = ahead?.session ?? (await openSession(model, options));
    this.#reader = await openBoundReader(setup);
    this.#feeds = new FeedBuilder(setup.plan, fillConstant);
    this.#model = model;
    return { kind: "ready" };
  }

  /** Before the set-up: which columns the job's own module makes of the first rows. */
  async learn({ source, transform, chunk, kernel }: LearnRequest): Promise<FromWorker> {
    const { learnTransform } = await import("../transform/open-transform.ts");
    return { kind: "learned", learned: await learnTransform(source, transform, chunk, { kernel }) };
  }

  async probe(chunk: Chunk | null, fixedBatch: number | null, outputs: string[]): Promise<FromWorker> {
    const { session, feeds, reader, plan } = this.#ready();
    let decoded: DecodedChunk | null = null;
    try {
      decoded = chunk ? await reader.read(chunk) : null;
    } catch {
      // The run meets the same error at the same place, with its position; the probe only needs shapes.
    }
    const call = await probe(session, feeds, decoded, outputs, fixedBatch);
    checkRowAlignment(call.results, call.rows);
    const perRow = new Set(
      [...plan.inputs, ...plan.constants.filter((constant) => constant.perRow)].map((binding) => binding.input),
    );
    const dependence = await findDependence(session, call, perRow);
    if (dependence === "order") throw ignoresRows(outputs);
    return { kind: "probed", probe: { outputs: rowShapes(call), dependence, runtimeVersion: session.runtimeVersion } };
  }

  begin(run: { outputs: OutputPlan; batchSize: number; fixedBatch: number | null }): void {
    this.#run = run;
  }

  /** @returns the result, and its buffers, to be transferred */
  async predict(chunk: Chunk): Promise<{ result: ChunkResult; transfer: ArrayBuffer[] }> {
    const { session, feeds, reader, plan } = this.#ready();
    const run = this.#run!;
    const started = performance.now();
    const decoded = await reader.read(chunk);
    const decodedAt = performance.now();
    failpoint("worker-decoded");
    const inferred = await inferChunk(session, feeds, decoded, {
      outputs: run.outputs.outputs,
      batchSize: run.batchSize,
      fixedBatch: run.fixedBatch,
      onError: plan.onError,
      maxExtraRuns: MAX_EXTRA_RUNS,
    });
    const inferredAt = performance.now();
    const good = await this.#dropFailed(chunk, decoded, inferred, run.outputs, reader);
    const batch = resultBatch(plan, run.outputs, good.kept, good.outputs, good.rows, good.sourceRows);
    // Only what inference wrote is nobody else's: kept columns may be views into what the reader uses again.
    const { wire, transfer } = this.#encoder.encode(batch, new Set(good.outputs.flatMap(bufferOf)));
    const times = { decodeMs: decodedAt - started, inferMs: inferredAt - decodedAt, encodeMs: performance.now() - inferredAt };
    const { rowsRead, lines, bytes, counts } = decoded;
    const { rows, rejects, sourceRows } = good;
    failpoint("worker-done");
    const { length } = losspoint("drop-result-rows") ? { length: rows - 1 } : { length: rows };
    const result = {
      index: chunk.index,
      rowsRead,
      rows: length,
      lines,
      bytes,
      counts,
      rejects,
      columns: wire,
      sourceRows,
      times,
    };
    return { result, transfer };
  }

  /** Records and line feeds of a chunk that is not predicted here. */
  async count(chunk: Chunk): Promise<FromWorker> {
    const { rowsRead, lines } = await this.#ready().reader.read(chunk);
    return { kind: "counted", index: chunk.index, rows: chunk.kind === "rows" ? chunk.rowEnd - chunk.rowStart : rowsRead, lines };
  }

  async close(): Promise<void> {
    await this.#reader?.close();
    await this.#session?.release();
    await this.#ahead?.release();
  }

  #ready(): { session: PredictSession; feeds: FeedBuilder; reader: ChunkReader; model: LoadedModel; plan: BindingPlan } {
    if (!this.#session || !this.#feeds || !this.#reader || !this.#model || !this.#setup) {
      throw new BatchPredictError("BP_INTERNAL", "a predict worker got work before its set-up");
    }
    return { session: this.#session, feeds: this.#feeds, reader: this.#reader, model: this.#model, plan: this.#setup.plan };
  }

  /** Rows that inference refused join the rejects of decoding, in row order, and leave the columns. */
  async #dropFailed(
    chunk: Chunk,
    decoded: DecodedChunk,
    inferred: Inferred,
    outputs: OutputPlan,
    reader: ChunkReader,
  ): Promise<GoodRows> {
    const { failed } = inferred;
    if (failed.length === 0) {
      const { kept, rows, sourceRows, rejects } = decoded;
      return { kept, outputs: inferred.outputs, rows, sourceRows, rejects };
    }
    const rowInChunk = (row: number): number => decoded.sourceRows?.[row] ?? row;
    const rejects: ChunkReject[] = [...decoded.rejects];
    for (const { row, reject } of failed) {
      const place = await reader.locate(chunk, rowInChunk(row));
      rejects.push({ rowInChunk: rowInChunk(row), ...place, column: null, columnIndex: null, ...reject });
    }
    rejects.sort((a, b) => a.rowInChunk - b.rowInChunk);
    const bad = new Set(failed.map(({ row }) => row));
    const good = Uint32Array.from({ length: decoded.rows }, (_, row) => row).filter((row) => !bad.has(row));
    return {
      kept: decoded.kept.map((data) => takeRows(data, good)),
      outputs: outputs.outputs.map((output, at) => takeElements(inferred.outputs[at]!, output, good)),
      rows: good.length,
      sourceRows: good.map(rowInChunk),
      rejects,
    };
  }
}

/** Without a module of the job nothing of it is loaded: rows go straight from the source into tensors. */
async function openBoundReader({ source, plan, transform, kernel = true, windowBytes }: WorkerSetup): Promise<ChunkReader> {
  const options: ReaderOptions = windowBytes === undefined ? { kernel } : { kernel, windowBytes };
  if (!transform) return openReader(source, plan, options);
  const { openTransformReader } = await import("../transform/open-transform.ts");
  return openTransformReader(source, plan, transform.file, transform.columns, options);
}

function ignoresRows(outputs: string[]): BatchPredictError {
  return new BatchPredictError("BP_MODEL_ROWS", "the model's results do not belong to its input rows", {
    expected: "results that move with their rows when the rows come in another order",
    actual: `the same results in the same order for reversed rows (outputs ${outputs.join(", ")})`,
    hints: [
      "a model for batch prediction must give one entry per input row, in the order of the rows (this one sorts or selects)",
    ],
  });
}

function bufferOf(values: TensorArray): ArrayBufferLike[] {
  return Array.isArray(values) ? [] : [values.buffer];
}

interface GoodRows {
  kept: Data[];
  outputs: TensorArray[];
  rows: number;
  sourceRows: Uint32Array | null;
  rejects: ChunkReject[];
}

function takeElements(values: TensorArray, { type, rowSize }: OutputPlan["outputs"][number], rows: Uint32Array): TensorArray {
  const taken = allocateTensor(type, rows.length * rowSize);
  rows.forEach((row, at) => {
    for (let element = 0; element < rowSize; element++) taken[at * rowSize + element] = values[row * rowSize + element] as never;
  });
  return taken;
}
