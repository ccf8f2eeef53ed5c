/** How a thread of ours is started, now or ahead of time. */
import { type ResourceLimits, Worker } from "node:worker_threads";

/** Names of package.json's `imports`. */
export type ThreadEntry = "#predict-worker" | "#sink-worker";

/** What a thread is started with: it loads what such a format takes before it is told anything. */
export interface ThreadData {
  format?: string;
  /** Path of the model that it will most likely load. */
  model?: string;
}

export interface ThreadSettings {
  data: ThreadData;
  limits: ResourceLimits;
}

/** Threads that were started before it was known what for. */
export interface ThreadsAhead {
  /** A living thread with just these settings, which is the caller's from now on; null: none is left. */
  take(entry: ThreadEntry, settings: ThreadSettings): Worker | null;
}

export function startThread(entry: ThreadEntry, settings: ThreadSettings, ahead?: ThreadsAhead): Worker {
  return (
    ahead?.take(entry, settings) ??
    new Worker(new URL(import.meta.resolve(entry)), {
      workerData: settings.data,
      resourceLimits: settings.limits,
      // Flags of the process are not for our threads: --input-type, for one, would keep them from starting.
      execArgv: [],
    })
  );
}
