/**
 * Named places at which a process can be made to die, for tests of what survives: BATCHPREDICT_FAILPOINT=name[:n] sends SIGKILL to the
 * process the n-th time (default: the first) one of its threads comes to that place; name:n:stop sends SIGSTOP, so that a test can
 * change the world under a run that it then lets go on. Costs one comparison where none is set.
 */

/** In the order in which a run comes by. Listed in ARCHITECTURE.md. */
export const FAILPOINTS = [
  "journal-created", // the output is taken, nothing is made yet
  "sink-opened", // temporary file or staging table is there
  "chunk-handed-out", // main thread, before a worker gets it
  "worker-decoded", // predict worker, between decoding and inference
  "worker-done", // predict worker, result not yet posted
  "chunk-accounted", // main thread, before the sink gets it
  "sink-took", // sink thread, rows buffered
  "commit-begun", // before anything of the commit is written
  "commit-written", // data written, checkpoint not yet
  "commit-done", // checkpoint written
  "finish-begun", // all rows taken, last unit not flushed
  "finish-counted", // counted again, nothing published
  "publish-noted", // journal says that publishing began
  "publish-rejects", // rejects are visible, predictions not yet (SQLite: the other way round)
  "published", // predictions are visible, the journal is still there
  "told", // the summary is out, the journal is still there
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

const [name = "", count = "1", action = "kill"] = (process.env.BATCHPREDICT_FAILPOINT ?? "").split(":");
let left = Number(count);

export function failpoint(place: Failpoint): void {
  if (place === name && --left === 0) process.kill(process.pid, action === "stop" ? "SIGSTOP" : "SIGKILL");
}

/** Places where a batch can be made to vanish (BATCHPREDICT_FAILPOINT=drop-...), to prove that the accounting notices. */
export type Losspoint = "drop-chunk" | "drop-result-rows" | "drop-batch" | "drop-sink-rows";

export function losspoint(place: Losspoint): boolean {
  return place === name && --left === 0;
}

/** For tests of workers that run out of memory: BATCHPREDICT_WORKER_HEAP_MB=n bounds the heap of each. */
export function workerHeapLimit(): { maxOldGenerationSizeMb?: number } {
  const megabytes = Number(process.env.BATCHPREDICT_WORKER_HEAP_MB);
  return megabytes > 0 ? { maxOldGenerationSizeMb: megabytes } : {};
}
