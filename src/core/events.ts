/** What a run tells while it goes: the library's async iterator yields these, the CLI draws them. */
import type { WireError } from "./errors.ts";

export interface RunProgress {
  rowsRead: number;
  rowsPredicted: number;
  rowsRejected: number;
  /** Estimate or exact; null when unknown. */
  rowsTotal: number | null;
  bytesRead: number;
  bytesTotal: number | null;
  rowsPerSecond: number;
  etaSeconds: number | null;
  elapsedSeconds: number;
}

export type RunStatus = "succeeded" | "failed" | "cancelled";

/** The fixed part of `run --json`; snake_case because it is printed as it is. */
export interface RunSummary {
  run_id: string;
  status: RunStatus;
  job: string | null;
  rows: { read: number; predicted: number; rejected: number };
  seconds: number;
  rows_per_second: number;
  bytes_read: number;
  peak_memory_bytes: number;
  /** Resident memory as planned, and its limit; null before anything was planned. */
  memory?: { limit_bytes: number | null; limit_origin: string | null; planned_bytes: number } | null;
  output: { path: string; format: string; bytes: number } | null;
  rejects: { path: string; rows: number } | null;
  model: { path: string; sha256: string };
  onnxruntime_version: string;
  batch_size: number;
  workers: number;
  resumed_from_row: number | null;
  /** Where the time went: the first three summed over all workers, the waits are the main thread's. */
  stages: {
    chunks: number;
    decode_ms: number;
    infer_ms: number;
    encode_ms: number;
    wait_for_workers_ms: number;
    wait_for_sink_ms: number;
  } | null;
  warnings: string[];
  error?: WireError;
}

export type RunEvent =
  | { type: "notice"; message: string }
  | { type: "warning"; message: string }
  | { type: "started"; runId: string; rowsTotal: number | null; workers: number; batchSize: number }
  | { type: "progress"; progress: RunProgress }
  | { type: "finished"; summary: RunSummary };
