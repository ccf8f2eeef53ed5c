/** The sink's thread: opens, obeys requests one after the other, and ends by itself after finish, suspend or abort. */
import fs from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { toWire } from "../core/errors.ts";
import type { RunRecord, Sink, SinkOpened, SinkOptions, SinkResult } from "../core/sink.ts";
import { openSink } from "./registry.ts";
import type { SinkAnswer, SinkReply, SinkRequest } from "./sink-protocol.ts";

const port = parentPort!;
/** Owners on other machines are known to live by the age of their journal alone (see process-owner.ts). */
const TOUCH_MS = 20_000;

function answer(action: () => SinkReply): boolean {
  let message: SinkAnswer;
  try {
    message = { ok: true, result: action() };
  } catch (error) {
    message = { ok: false, error: toWire(error) };
  }
  port.postMessage(message);
  return message.ok;
}

function keepTouching(journal: string): void {
  const touch = (): void => {
    try {
      fs.utimesSync(journal, new Date(), new Date());
    } catch {
      // Gone at the end of the run; the next commit notices when it should not be.
    }
  };
  setInterval(touch, TOUCH_MS).unref();
}

function obey(sink: Sink): void {
  // Rows after a failed write would leave a gap, so they get the same answer.
  let failure: unknown = null;
  const finish = (record: RunRecord): SinkResult => {
    if (failure !== null) throw failure;
    return sink.finish(record);
  };
  const guarded = (action: () => void): void => {
    answer(() => {
      if (failure !== null) throw failure;
      try {
        action();
      } catch (error) {
        failure = error;
        throw error;
      }
      return null;
    });
  };
  port.on("message", (request: SinkRequest) => {
    switch (request.kind) {
      case "write":
        guarded(() => sink.write(request.batch));
        return;
      case "commit":
        guarded(() => sink.commit());
        return;
      case "finish":
        if (answer(() => finish(request.record))) port.close();
        return;
      case "suspend":
        answer(() => sink.suspend());
        port.close();
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
  let found: SinkOpened | null = null;
  const opened = answer(() => {
    try {
      found = sink.open();
    } catch (error) {
      sink.abort();
      throw error;
    }
    keepTouching(found.journal);
    return found;
  });
  // Nothing is left to do for a run that was published already.
  if (opened && (found as SinkOpened | null)?.done === null) obey(sink);
} catch (error) {
  answer(() => {
    throw error;
  });
}
