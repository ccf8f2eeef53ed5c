/** What the main thread and the sink's thread say to each other. One answer per request, in order. */
import type { WireError } from "../core/errors.ts";
import type { RunRecord, SinkBatch, SinkFormat, SinkOpened, SinkOptions, SinkResult } from "../core/sink.ts";

/** What the thread is started with: it loads the format's library before it is told to open anything. */
export interface SinkThreadData {
  format: SinkFormat;
}

export type SinkRequest =
  | { kind: "open"; options: SinkOptions }
  | { kind: "dismiss" }
  | { kind: "write"; batch: SinkBatch }
  | { kind: "commit" }
  | { kind: "finish"; record: RunRecord }
  | { kind: "suspend" }
  | { kind: "abort" };

export interface Suspended {
  resumable: boolean;
  bytes: number;
}

export type SinkReply = SinkOpened | SinkResult | Suspended | null;

export type SinkAnswer = { ok: true; result: SinkReply } | { ok: false; error: WireError };
