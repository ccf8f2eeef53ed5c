/** What the main thread and the sink's thread say to each other. One answer per request, in order. */
import type { WireError } from "../core/errors.ts";
import type { RunRecord, SinkBatch, SinkOpened, SinkResult } from "../core/sink.ts";

export type SinkRequest =
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

/** The first answer is that of opening. */
export type SinkAnswer = { ok: true; result: SinkReply } | { ok: false; error: WireError };
