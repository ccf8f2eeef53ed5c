/** What the main thread and the sink's thread say to each other. One answer per request, in order. */
import type { WireError } from "../core/errors.ts";
import type { RunRecord, SinkBatch, SinkResult } from "../core/sink.ts";

export type SinkRequest = { kind: "write"; batch: SinkBatch } | { kind: "finish"; record: RunRecord } | { kind: "abort" };

/** The first answer is that of opening. */
export type SinkAnswer = { ok: true; result: SinkResult | null } | { ok: false; error: WireError };
