/**
 * Everything that is decided before the first row: model, source, binding, sizes, the shapes the model really gives, output
 * columns. Writes nothing. `plan` prints it, `run` obeys it.
 */
import type { Readable } from "node:stream";
import { type PlannedBinding, planBinding } from "../binding/plan-binding.ts";
import { outputNames, planOutputs } from "../binding/plan-outputs.ts";
import { nameByModel } from "../config/names-of-model.ts";
import type { Chunk } from "../core/chunk.ts";
import { BatchPredictError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import type { ModelSignature } from "../core/model-signature.ts";
import type { OutputPlan } from "../core/output-plan.ts";
import type { ResolvedRun, RunSettings } from "../core/settings.ts";
import { isTextFormat, type Source, type SourceColumn, sourceFormatOfName } from "../core/source.ts";
import type { TensorType } from "../core/tensor-types.ts";
import type { TransformFile } from "../core/transform.ts";
import { loadSignature } from "../model/load-signature.ts";
import { PredictPool } from "../predict/pool.ts";
import type { ProbeResult } from "../predict/protocol.ts";
import { openSource } from "../sources/registry.ts";
import { FIRST_CHUNK_BYTES, type SizingFacts } from "./machine.ts";
import { MIN_WINDOW_BYTES } from "./memory-estimate.ts";
import { memoryLimitOf, planMemory, type RunSizing, wantsSmallHeaps } from "./memory-plan.ts";
import { openTransform } from "./open-transform.ts";
import { modelAhead, workersAhead } from "./workers-ahead.ts";

export interface PreparedRun {
  resolved: ResolvedRun;
  signature: ModelSignature;
  source: Source;
  /** What binding saw: the source's columns, or those behind the job's transform. */
  columns: SourceColumn[];
  /** The job's preprocessing module. */
  transform: TransformFile | null;
  binding: PlannedBinding;
  sizing: RunSizing;
  facts: SizingFacts;
  probe: ProbeResult;
  outputs: OutputPlan;
  /** One worker is running; `run` grows it. */
  pool: PredictPool;
  /** From the first chunk on; the one the probe looked at is given again. */
  chunks: AsyncIterator<Chunk>;
  /** Chunks may be cut by a guess; see ByteChunk.guessed. */
  mayGuess: boolean;
  /** Stops workers and closes files, whatever became of the run. */
  close(): Promise<void>;
}

/**
 * @param workersAtOnce a run follows: the other workers load while the first one probes
 * @throws any error before the first row: BP_MODEL_*, BP_INPUT_*, BP_SOURCE_*, BP_BINDING, BP_INTERRUPTED
 */
export async function prepareRun(
  given: ResolvedRun,
  host: Host,
  signal: AbortSignal,
  workersAtOnce = false,
): Promise<PreparedRun> {
  const limit = memoryLimitOf(given.settings, given.origins, host.containerMemoryBytes ?? null);
  const pool = new PredictPool(null, { smallHeaps: wantsSmallHeaps(limit), ahead: host.threadsAhead });
  // Workers' libraries take longer to load than a plan takes to make: both at once.
  const { csv, inputFormat, workers, model, inputs } = given.settings;
  pool.warm(workersAtOnce && limit === null ? workersAhead({ workers, model, inputs, cores: host.cores }) : 1, {
    format: inputFormat ?? sourceFormatOfName(inputs[0] ?? ""),
    ...modelAhead(model, given.settings.modelSha256, host.env.BATCHPREDICT_KERNEL !== "off"),
  });
  const options = { csv, preview: false, ...(inputFormat ? { format: inputFormat } : {}) };
  let source: Source | null = null;
  let iterator: AsyncIterator<Chunk> | null = null;
  const close = async (): Promise<void> => {
    await pool.stop();
    // A plan looks at the first chunk only: the file behind the others is open until the iterator is told.
    await iterator?.return?.();
    await source?.close();
  };
  try {
    const { signature } = await loadSignature(given.settings.model);
    const names = (values: readonly { name: string }[]): string[] => values.map(({ name }) => name);
    const resolved = nameByModel(given, names(signature.inputs), names(signature.outputs));
    const { settings } = resolved;
    checkHash(signature, settings.modelSha256);
    throwIfStopped(signal);
    source = await openSource(settings.inputs, options, () => stoppable(host.stdin() as Readable, signal));
    throwIfStopped(signal);
    const { description } = source;
    const kernel = host.env.BATCHPREDICT_KERNEL !== "off";
    const machine = { modelBytes: signature.sizeBytes, cores: host.cores };
    const transform = await openTransform({ resolved, source, facts: machine, kernel, signal, limited: limit !== null });
    const columns = transform?.described ?? description.columns;
    const binding = planBinding(signature, columns, settings);
    binding.notices.unshift(...(description.notices ?? []));
    const wanted = outputNames(signature, settings);
    const facts: SizingFacts = {
      modelBytes: signature.sizeBytes,
      fixedBatch: binding.fixedBatch,
      plan: binding.plan,
      source: description,
      cores: host.cores,
    };
    const sizing = planMemory({
      // Of a transform the first chunk was cut already.
      settings: transform && limit !== null ? { ...settings, chunkBytes: transform.chunkBytes } : settings,
      origins: resolved.origins,
      facts,
      memory: { source: description, sink: settings.outputFormat, outputs: declaredOutputs(signature, wanted), kernel },
      limit,
      ...(host.env.BATCHPREDICT_COMMIT_ROWS ? { commitRows: Number(host.env.BATCHPREDICT_COMMIT_ROWS) } : {}),
    });
    pool.prepare({
      modelPath: settings.model,
      modelSha256: signature.sha256,
      threads: sizing.threads,
      source: description,
      plan: binding.plan,
      ...(transform ? { transform: { file: transform.file, columns: transform.columns } } : {}),
      kernel,
      ...(limit === null ? {} : { windowBytes: Math.max(sizing.chunkBytes, MIN_WINDOW_BYTES) }),
    });
    // What the other shards' chunks are must be the same to all of them.
    const firstChunkBytes = resolved.settings.chunkBytes === "auto" ? FIRST_CHUNK_BYTES : sizing.chunkBytes;
    const mayGuess = settings.shard === null;
    const first = pool.grow(1);
    if (workersAtOnce) pool.grow(sizing.workers).catch(() => {});
    await first;
    throwIfStopped(signal);
    iterator =
      transform?.iterator ??
      source
        .chunks({ chunkBytes: sizing.chunkBytes, firstChunkBytes, limited: limit !== null, mayGuess, signal })
        [Symbol.asyncIterator]();
    const firstChunk = transform?.firstChunk ?? (await iterator.next());
    const probe = await pool.probe(firstChunk.done ? null : firstChunk.value, binding.fixedBatch, wanted);
    throwIfStopped(signal);
    if (probe.dependence === "neighbours") {
      binding.notices.push(
        "this model's predictions of a row change with the rows around it: other batch sizes give other results (--batch-size 1 makes them independent)",
      );
    }
    const keptNames = binding.plan.keep.map((column) => column.name);
    const outputs = planOutputs(signature, probe.outputs, keptNames, settings, settings.outputFormat === "sqlite");
    const chunks = fromFirst(firstChunk, iterator, isTextFormat(description.format), settings.shard);
    return {
      resolved,
      signature,
      source,
      columns,
      transform: transform?.file ?? null,
      binding,
      sizing,
      facts,
      probe,
      outputs,
      pool,
      chunks,
      mayGuess,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

export function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw interrupted();
}

export function interrupted(): BatchPredictError {
  return new BatchPredictError("BP_INTERRUPTED", "the run was stopped before it was done", {
    hints: ["nothing was written under the output's name; run the same command to do it again"],
  });
}

/** A pipe may stay silent for as long as it likes: whoever waits for it then learns of the stop at once. */
function stoppable(stdin: Readable, signal: AbortSignal): Readable {
  const stop = (): void => {
    stdin.destroy(interrupted());
  };
  // Nobody may be reading at that moment, and an error without a listener ends the process.
  stdin.on("error", () => {});
  stdin.once("close", () => signal.removeEventListener("abort", stop));
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  return stdin;
}

function checkHash(signature: ModelSignature, wanted: string | null): void {
  if (wanted === null || wanted.toLowerCase() === signature.sha256) return;
  throw new BatchPredictError("BP_MODEL_CHANGED", "the model file is not the one the job names", {
    where: { file: signature.path },
    expected: `SHA-256 ${wanted.toLowerCase()}`,
    actual: `SHA-256 ${signature.sha256}`,
    hints: ["put the right model in place, or change model.sha256 in the job file"],
    exitCode: 2,
  });
}

/** What the file says of each output's row; dimensions that only a run tells count as one. */
function declaredOutputs(signature: ModelSignature, wanted: readonly string[]): { type: TensorType; rowSize: number }[] {
  return signature.outputs
    .filter(({ name }) => wanted.includes(name))
    .map(({ type, shape }) => ({
      type,
      rowSize: shape
        .slice(1)
        .reduce<number>((size, dimension) => size * (typeof dimension === "number" ? Math.max(1, dimension) : 1), 1),
    }));
}

/** Of no rows: the sink learns its schema from it. */
function emptyChunk(text: boolean, index: number): Chunk {
  if (text) return { kind: "bytes", index, file: 0, byteStart: 0, byteEnd: 0, inline: new Uint8Array(0) };
  return { kind: "rows", index, file: 0, unit: -1, rowStart: 0, rowEnd: 0 };
}

/**
 * The chunk the probe looked at, then the others. An input without rows, and a shard that no chunk belongs to, still gives one
 * chunk: an empty one.
 */
function fromFirst(
  first: IteratorResult<Chunk>,
  rest: AsyncIterator<Chunk>,
  text: boolean,
  shard: RunSettings["shard"],
): AsyncIterator<Chunk> {
  const { index: part, count } = shard ?? { index: 1, count: 1 };
  let pending: IteratorResult<Chunk> | null = first;
  let length = 0;
  let ours = false;
  return {
    next: async () => {
      const next = pending ?? (await rest.next());
      pending = null;
      if (!next.done) {
        length = next.value.index + 1;
        ours ||= next.value.index % count === part - 1;
        return next;
      }
      if (ours) return next;
      ours = true;
      return { done: false, value: emptyChunk(text, length + ((((part - 1 - length) % count) + count) % count)) };
    },
    return: async () => {
      await rest.return?.();
      return { done: true, value: undefined };
    },
  };
}
