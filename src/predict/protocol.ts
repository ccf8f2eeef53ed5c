/** Messages between the main thread and a predict worker. Plain data; errors in wire form; buffers transferred, never copied. */
import type { BindingPlan } from "../core/binding-plan.ts";
import type { Chunk, ChunkReject, ValueCount } from "../core/chunk.ts";
import type { WireError } from "../core/errors.ts";
import type { OutputPlan } from "../core/output-plan.ts";
import type { SourceDescription, SourceFormat } from "../core/source.ts";
import type { TensorType } from "../core/tensor-types.ts";
import type { TransformedColumn, TransformFile } from "../core/transform.ts";
import type { WireBatch } from "../core/wire-batch.ts";
import type { Learned } from "../transform/transform-step.ts";
import type { Dependence } from "./probe.ts";

export interface WorkerSetup {
  modelPath: string;
  /** The file must still be this one when a worker loads it. */
  modelSha256: string;
  /** ONNX Runtime threads of this worker's session. */
  threads: number;
  source: SourceDescription;
  plan: BindingPlan;
  /** The job's preprocessing module, and the columns it was seen to give. */
  transform?: { file: TransformFile; columns: TransformedColumn[] };
  /** false: no WebAssembly kernels (environment BATCHPREDICT_KERNEL=off). */
  kernel?: boolean;
  /** See ReaderOptions. */
  windowBytes?: number;
}

/** What a worker is started with. */
export interface WorkerAhead {
  /** It will predict from a source of (most likely) this format: what that needs is loaded while the run is planned. */
  format?: SourceFormat;
  /** It will most likely load this model. */
  model?: string;
}

export interface LearnRequest {
  source: SourceDescription;
  transform: TransformFile;
  /** The first of the input, or an empty one. */
  chunk: Chunk;
  kernel: boolean;
}

/** Milliseconds spent by stage on one chunk, for profiles. */
export interface StageTimes {
  decodeMs: number;
  inferMs: number;
  encodeMs: number;
}

export interface ProbeResult {
  /** Per output: element type and shape of one row. */
  outputs: Record<string, { type: TensorType; rowShape: number[] }>;
  /** "neighbours": what a row gets depends on the rows it shares a batch with. */
  dependence: Dependence;
  runtimeVersion: string;
}

export interface ChunkResult {
  index: number;
  rowsRead: number;
  /** Rows in `columns`. */
  rows: number;
  lines: number;
  bytes: number;
  rejects: ChunkReject[];
  counts: ValueCount[];
  /** Kept and predicted columns. */
  columns: WireBatch;
  /** Position in the chunk of each row of `columns`; null when none was rejected. */
  sourceRows: Uint32Array | null;
  times: StageTimes;
}

export type ToWorker =
  | { kind: "learn"; request: LearnRequest }
  | { kind: "setup"; setup: WorkerSetup }
  | { kind: "probe"; chunk: Chunk | null; fixedBatch: number | null; outputs: string[] }
  | { kind: "begin"; outputs: OutputPlan; batchSize: number; fixedBatch: number | null }
  | { kind: "chunk"; chunk: Chunk }
  | { kind: "count"; chunk: Chunk }
  | { kind: "stop" };

export type FromWorker =
  | { kind: "learned"; learned: Learned }
  | { kind: "ready" }
  | { kind: "probed"; probe: ProbeResult }
  | { kind: "result"; result: ChunkResult }
  | { kind: "counted"; index: number; rows: number; lines: number }
  /** See WrongCut. */
  | { kind: "wrong-cut"; index: number }
  | { kind: "failed"; index: number | null; error: WireError };
