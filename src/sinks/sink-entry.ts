/** The sink's thread: opens, obeys requests one after the other, and ends by itself after finish or abort. */
import { parentPort, workerData } from "node:worker_threads";
import { toWire } from "../core/errors.ts";
import type { RunRecord, Sink, SinkOptions, SinkResult } from "../core/sink.ts";
import { openSink } from "./registry.ts";
import type { SinkAnswer, SinkRequest } from "./sink-protocol.ts";

const port = parentPort!;

function answer(action: () => SinkResult | null): boolean {
  let message: SinkAnswer;
  try {
    message = { ok: true, result: action() };
  } catch (error) {
    message = { ok: false, error: toWire(error) };
  }
  port.postMessage(message);
  return message.ok;
}

function obey(sink: Sink): void {
  // Rows after a failed write would leave a gap, so they get the same answer.
  let failure: unknown = null;
  const finish = (record: RunRecord): SinkResult => {
    if (failure !== null) throw failure;
    return sink.finish(record);
  };
  port.on("message", (request: SinkRequest) => {
    switch (request.kind) {
      case "write":
        answer(() => {
          if (failure !== null) throw failure;
          try {
            sink.write(request.batch);
          } catch (error) {
            failure = error;
            throw error;
          }
          return null;
        });
        return;
      case "finish":
        if (answer(() => finish(request.record))) port.close();
        return;
      case "abort":
        sink.abort();
        answer(() => null);
        port.close();
    }
  });
}

try {
  const sink = await openSink(workerData as SinkOptions);
  const opened = answer(() => {
    try {
      sink.open();
    } catch (error) {
      sink.abort();
      throw error;
    }
    return null;
  });
  if (opened) obey(sink);
} catch (error) {
  answer(() => {
    throw error;
  });
}
