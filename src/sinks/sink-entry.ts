/** The sink's thread: opens, obeys requests one after the other, and ends by itself after finish, suspend or abort. */
import fs from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { toWire } from "../core/errors.ts";
import type { RunRecord, Sink, SinkOpened, SinkOptions, SinkResult } from "../core/sink.ts";
import { openSink, preloadSink } from "./registry.ts";
import type { SinkAnswer, SinkReply, SinkRequest, SinkThreadData } from "./sink-protocol.ts";

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
        return;
      default:
    }
  });
}

async function open(options: SinkOptions): Promise<void> {
  try {
    const sink = await openSink(options);
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
    // Nothing is left to do for a run that was published already, or whose output could not be opened.
    if (opened && (found as SinkOpened | null)?.done === null) obey(sink);
    else port.close();
  } catch (error) {
    answer(() => {
      throw error;
    });
    port.close();
  }
}

port.once("message", (request: SinkRequest) => {
  if (request.kind === "open") void open(request.options);
  else port.close();
});
// What fails to load fails again, with its words, when it is opened.
void preloadSink((workerData as SinkThreadData).format).catch(() => {});
