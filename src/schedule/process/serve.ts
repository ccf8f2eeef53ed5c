/** Keeps a scheduler going: who may, what wakes it, when it ends. Knows timers and folders; decides nothing about runs. */
import fs from "node:fs";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { SchedulerHolder } from "../ledger.ts";
import { RENEW_EVERY_MS, type Scheduler } from "./scheduler.ts";

/** A standby looks this often; with the lease it takes over within 30 s of the last word of the other. */
const STANDBY_EVERY_MS = 2_500;
/** How long `--once` goes without a look at timeouts and stops while its runs go on. */
const ONCE_LOOK_MS = 1_000;

export interface ServeOptions {
  scheduler: Scheduler;
  /** Absolute; watched for changes. */
  jobsDir: string;
  standby: boolean;
  /** The wish to end. */
  stop: AbortSignal;
  /** Between two looks of a standby. Default: sleeps. @returns false: asked to stop */
  pause?(pauseMs: number, stop: AbortSignal): Promise<boolean>;
  onHolder(holder: SchedulerHolder): void;
  onActive(): void;
}

/** busy: another holds it and we may not wait, or it was taken from us; `left`: runs that go on without us. */
export type Served = { end: "stopped"; left: number } | { end: "busy"; holder: SchedulerHolder | null };

export async function serve(options: ServeOptions): Promise<Served> {
  const { scheduler, standby, stop } = options;
  for (;;) {
    const waited = await wait(options);
    if (waited !== null) return waited;
    options.onActive();
    await live(options);
    if (stop.aborted) return { end: "stopped", left: await scheduler.stop() };
    if (!standby) return { end: "busy", holder: scheduler.take() };
  }
}

/** @returns null: it is ours */
async function wait({ scheduler, standby, stop, onHolder, pause = sleepFor }: ServeOptions): Promise<Served | null> {
  let told: string | null = null;
  for (;;) {
    const holder = scheduler.take();
    if (holder === null) return null;
    if (!standby) return { end: "busy", holder };
    if (told !== holder.owner) onHolder(holder);
    told = holder.owner;
    if (!(await pause(STANDBY_EVERY_MS, stop))) return { end: "stopped", left: 0 };
  }
}

/** Until asked to stop, or until another scheduler has taken over. */
async function live({ scheduler, jobsDir, stop }: ServeOptions): Promise<void> {
  const over = new AbortController();
  const end = (): void => over.abort();
  stop.addEventListener("abort", end, { once: true });
  const renew = setInterval(() => {
    try {
      if (!scheduler.renew()) end();
    } catch {
      // A ledger that is busy for a moment: the lease allows for two more tries.
    }
  }, RENEW_EVERY_MS);
  const watcher = watch(jobsDir, () => scheduler.wake());
  try {
    if (stop.aborted) return;
    scheduler.tick();
    await new Promise<void>((resolve) => over.signal.addEventListener("abort", () => resolve(), { once: true }));
  } finally {
    clearInterval(renew);
    watcher?.close();
    stop.removeEventListener("abort", end);
  }
}

/** Everything that is due now, to its end. @returns busy, or that it was done */
export async function serveOnce(scheduler: Scheduler, stop: AbortSignal): Promise<Served | { end: "done" }> {
  const holder = scheduler.take();
  if (holder !== null) return { end: "busy", holder };
  scheduler.tick();
  while (scheduler.children > 0 && !stop.aborted) {
    await Promise.race([scheduler.anyExit(), sleepFor(ONCE_LOOK_MS, stop)]);
    await nextTurn();
    if (!stop.aborted) scheduler.tick();
  }
  const left = await scheduler.stop();
  return stop.aborted ? { end: "stopped", left } : { end: "done" };
}

/** A hint only; where watching does not work, the safety tick looks. */
function watch(folder: string, onChange: () => void): fs.FSWatcher | null {
  try {
    return fs.watch(folder, { persistent: false }, onChange).on("error", () => {});
  } catch {
    return null;
  }
}

async function sleepFor(pauseMs: number, stop: AbortSignal): Promise<boolean> {
  try {
    await sleep(pauseMs, undefined, { signal: stop });
    return true;
  } catch {
    return false;
  }
}
