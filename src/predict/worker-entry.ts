/**
 * A predict worker: reads, decodes, binds and infers chunks, one at a time, with one session of its own. It ends only when told
 * to: terminating a thread inside the runtime aborts the whole process.
 */
import { parentPort, workerData } from "node:worker_threads";
import { WrongCut } from "../core/chunk.ts";
import { toWire } from "../core/errors.ts";
import { loadRuntime } from "../model/session.ts";
import { preloadReader } from "../sources/registry.ts";
import type { FromWorker, ToWorker, WorkerAhead } from "./protocol.ts";
import { SessionAhead } from "./session-ahead.ts";
import { PredictWorker } from "./worker.ts";

const port = parentPort;
if (port) {
  const { format, model } = workerData as WorkerAhead;
  const worker = new PredictWorker(model === undefined ? null : new SessionAhead(model));
  const post = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
  const handle = async (message: ToWorker): Promise<void> => {
    try {
      if (message.kind === "setup") post(await worker.setup(message.setup));
      else if (message.kind === "learn") post(await worker.learn(message.request));
      else if (message.kind === "probe") post(await worker.probe(message.chunk, message.fixedBatch, message.outputs));
      else if (message.kind === "begin") worker.begin(message);
      else if (message.kind === "chunk") {
        const { result, transfer } = await worker.predict(message.chunk);
        post({ kind: "result", result }, transfer);
      } else if (message.kind === "count") {
        post(await worker.count(message.chunk));
      } else {
        await worker.close();
        port.close();
      }
    } catch (error) {
      const index = "chunk" in message && message.kind !== "probe" ? message.chunk.index : null;
      if (error instanceof WrongCut && index !== null) post({ kind: "wrong-cut", index });
      else post({ kind: "failed", index, error: toWire(error) });
    }
  };
  // Messages are handled strictly one after the other: a session is not re-entrant and chunk order keeps memory bounded.
  let last = Promise.resolve();
  port.on("message", (message: ToWorker) => {
    last = last.then(() => handle(message));
  });
  // What fails to load fails again, with its words, when it is needed.
  if (format !== undefined) void Promise.all([loadRuntime(), preloadReader(format)]).catch(() => {});
}
