export { BatchPredictError, ERROR_CODES, type ErrorCode, type ErrorPlace, type WireError } from "./core/errors.ts";
export type { RunEvent, RunProgress, RunStatus, RunSummary } from "./core/events.ts";
export type { Transform, TransformBatch, TransformedBatch, TransformInput, TransformOutput } from "./core/transform.ts";
export { inspect, plan, run } from "./library/library.ts";
export type { Columns, PlanOptions, RunRequest } from "./library/options.ts";
export type { DataReport, ModelReport } from "./run/inspect.ts";
export type { PlanReport } from "./run/plan-report.ts";
export type { RunHandle } from "./run/run-handle.ts";
