/** Runs with a place in the ledger: the child of a scheduler, `run JOB` by hand, `jobs run`. */
import { uuidv7 } from "uuidv7";
import type { JobFile } from "../config/read-job.ts";
import { wallTimeOf } from "../config/zoned-time.ts";
import { BatchPredictError, toWire } from "../core/errors.ts";
import type { RunSummary } from "../core/events.ts";
import type { Host } from "../core/host.ts";
import { jobDefinition } from "../schedule/definition.ts";
import { handSlot, type Ledger, type RunRequest, type Started } from "../schedule/ledger.ts";
import { parseFence } from "../schedule/process/launch-run.ts";
import { Outbox } from "../schedule/process/outbox.ts";
import { nodeProcessTable } from "../schedule/process/process-table.ts";
import { executeRecorded, type RecordedEnd, RUN_LEASE_MS } from "../schedule/process/recorded-run.ts";
import { recoverDead } from "../schedule/process/recover-dead.ts";
import { readForRun } from "../schedule/process/run-context.ts";
import type { Fence, RunRow } from "../schedule/run-row.ts";
import type { Trigger } from "../schedule/states.ts";
import { PACKAGE_VERSION } from "../version.ts";
import { tellCi } from "./ci.ts";
import { expectationOf } from "./expectation-of.ts";
import { BUSY_EXIT, jobContext, keptJob, pause, runNotFound, signalExit, TIMEOUT_EXIT, untilIdle } from "./job-steps.ts";
import { nodeHost } from "./node-host.ts";
import { failedSummary, performRun, tellEnd } from "./perform-run.ts";
import { releaseAtExit } from "./release-at-exit.ts";
import { SIGNAL_EXIT, type SignalWatch, watchSignals } from "./signals.ts";
import { openState } from "./state.ts";
import type { Terminal } from "./terminal.ts";
import { tellWatcher, timeoutError } from "./time-limit.ts";

const UNATTENDED: readonly Trigger[] = ["schedule", "catchup", "backfill", "retry"];

export interface RecordedRun {
  terminal: Terminal;
  host: Host;
  ledger: Ledger;
  /** Templates as they stand. */
  file: JobFile;
  flags: Record<string, unknown>;
  watch: SignalWatch;
}

/** `run FILE --recorded-run ID:ATTEMPT:OWNER`: what the scheduler starts. */
export async function childRunCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const fence = parseFence(String(flags.recordedRun));
  if (fence === null || args[0] === undefined) {
    throw new BatchPredictError("BP_USAGE", "--recorded-run is for the scheduler's own use", {
      hints: ["batchpredict jobs run JOB --date YYYY-MM-DD does a slot again by hand"],
    });
  }
  const ledger = openState(flags, host);
  const watch = watchSignals(terminal);
  try {
    const run = ledger.run(fence.id);
    if (run === null) throw runNotFound(fence.id);
    const file = keptJob(args[0], flags, host);
    const end = await attemptRun({ terminal, host, ledger, file, flags, watch }, run, fence, "requeue");
    return end === null ? taken(terminal, run) : exitCodeOf(terminal, end, watch);
  } finally {
    watch.release();
    ledger.close();
  }
}

/**
 * `run JOB` of a job that has a schedule: the same lock and history, under a key of its own.
 * @returns null when there is no ledger to be had: the run is then an ordinary one
 */
export async function runByHand(
  terminal: Terminal,
  host: Host,
  jobName: string,
  flags: Record<string, unknown>,
  watch: SignalWatch,
): Promise<number | null> {
  let ledger: Ledger;
  try {
    ledger = openState(flags, host);
  } catch (error) {
    terminal.warn(`this run is not recorded: ${toWire(error).message}`);
    return null;
  }
  try {
    const file = keptJob(jobName, flags, host);
    const nowMs = host.date().getTime();
    const localTime = new Date(wallTimeOf(nowMs, file.timeZone)).toISOString().slice(0, 16);
    const slot = handSlot(uuidv7(), localTime.slice(0, 10), localTime, nowMs);
    return await runSlot({ terminal, host, ledger, file, flags, watch }, slot, { again: true, wait: false });
  } finally {
    ledger.close();
  }
}

/** Flags that say how fast or how loud, not what: all others make another run of it, which is not the job's own. */
const HARMLESS = ["jobsDir", "stateDir", "batchSize", "workers", "threads", "chunkBytes", "progress", "junit", "fresh"];
const COMMON = ["json", "quiet", "color", "debug", "dryRun", "memoryLimit"];

/** A run that only lies in part on what its job says (`--limit 100 -o sample.csv`) is nobody's slot and takes nobody's place. */
export function isPlain(flags: Record<string, unknown>): boolean {
  return Object.entries(flags).every(([name, value]) => value === undefined || HARMLESS.includes(name) || COMMON.includes(name));
}

/** Claims the slot, runs it here, and again as the job's `retries` allow. @returns the exit code */
export async function runSlot(
  recorded: RecordedRun,
  slot: RunRequest["slot"],
  { again, wait, trigger = recorded.host.env.CI ? "ci" : "manual" }: { again: boolean; wait: boolean; trigger?: Trigger },
): Promise<number> {
  const { terminal, host, ledger, file, watch } = recorded;
  const definition = jobDefinition(file.name, file.timeZone, file.job);
  const table = nodeProcessTable();
  const owner = uuidv7();
  ledger.register(definition, host.date().getTime());
  const request: RunRequest = { job: file.name, slot, trigger, timeoutMs: definition.timeoutMs, again };
  for (;;) {
    const nowMs = host.date().getTime();
    const started: Started = ledger.start(request, owner, table.self(), nowMs, nowMs + RUN_LEASE_MS);
    if (started.kind === "done") return alreadyDone(terminal, started.run);
    if (started.kind === "busy") {
      if (recoverDead(ledger, started.run, definition.retries, table.look, nowMs)) continue;
      if (!wait) throw busy(started.run);
      terminal.say(`waiting for ${describe(started.run)}`);
      if (!(await untilIdle(ledger, started.run.id, watch.signal))) return signalExit(watch);
      continue;
    }
    const end = await attemptRun(recorded, started.run, started.fence);
    if (end === null) return taken(terminal, started.run);
    await tellOthers(recorded, started.run.id);
    const { run } = end;
    if (run?.state !== "scheduled" || run.reason !== "retry" || watch.received() !== null)
      return exitCodeOf(terminal, end, watch);
    exitCodeOf(terminal, end, watch);
    const pauseMs = Math.max(0, run.notBeforeMs - host.date().getTime());
    terminal.say(
      `trying again in ${Math.ceil(pauseMs / 1000)} s (failure ${run.failures} of ${definition.retries.max} that may be retried)`,
    );
    if (!(await pause(pauseMs, watch.signal))) return signalExit(watch);
  }
}

async function attemptRun(
  recorded: RecordedRun,
  run: RunRow,
  fence: Fence,
  stopMeans: "requeue" | "cancel" = "cancel",
): Promise<RecordedEnd | null> {
  const { terminal, host, ledger, file, flags, watch } = recorded;
  const context = { ledger, table: nodeProcessTable(), nowMs: () => host.date().getTime(), random: Math.random };
  tellWatcher("begun");
  const end = await executeRecorded(
    context,
    fence,
    { stop: watch.signal, stopMeans },
    async ({ signal, onSettled, beforePublish }) => {
      try {
        const job = readForRun(file, run, ledger, { ...jobContext(flags, host) });
        const perform = (given: Record<string, unknown>): Promise<RunSummary> =>
          performRun(terminal, host, job, given, {
            signal,
            runId: run.id,
            onTold: (release) => onSettled(() => releaseAtExit(release)),
            beforePublish: (rows) => {
              expectationOf(job, given)(rows);
              beforePublish(rows);
              tellWatcher("publishing");
            },
          });
        const summary = await perform(flags);
        if (summary.error?.code !== "BP_RESUME_MISMATCH" || !UNATTENDED.includes(run.trigger)) return summary;
        // Nobody is there to say --fresh, and the job's own lock says that no other run of it goes on: what was left half done stays undone.
        terminal.notice(`${summary.error.message}: dropped, as under --fresh`);
        return await perform({ ...flags, fresh: true });
      } catch (error) {
        return failedSummary(error, run.id, run.job);
      }
    },
  );
  tellWatcher("ended");
  if (end) tellCi(terminal, host, flags, end.summary);
  return end;
}

/** Messages of runs by hand need no scheduler to be sent; what cannot be sent now waits for one. */
async function tellOthers({ terminal, host, ledger, file }: RecordedRun, runId: string): Promise<void> {
  await new Outbox({
    ledger,
    notifyOf: (job) => (job === file.name ? file.job.notify : undefined),
    only: runId,
    env: host.env,
    userAgent: `batchpredict/${PACKAGE_VERSION}`,
    nowMs: () => host.date().getTime(),
    random: Math.random,
    onFailure: (entry, detail) => terminal.warn(`the message "${entry.event}" was not delivered: the receiver ${detail}`),
  }).drain();
}

function exitCodeOf(terminal: Terminal, { summary, stopped, run }: RecordedEnd, watch: SignalWatch): number {
  if (stopped === "timeout" && summary.status !== "succeeded") {
    const error = timeoutError(run?.timeoutMs ?? 0, "it was asked to stop", summary.error ?? null);
    tellEnd(terminal, { ...summary, error }, null);
    return TIMEOUT_EXIT;
  }
  const code = tellEnd(terminal, summary, watch.received());
  if (summary.status === "succeeded") return code;
  return summary.status === "cancelled" && watch.received() === null ? SIGNAL_EXIT.SIGTERM : code;
}

function alreadyDone(terminal: Terminal, run: RunRow): number {
  if (terminal.json) {
    const rows = run.rows;
    terminal.printJson({ run_id: run.id, status: "succeeded", job: run.job, run_key: run.runKey, rows, nothing_to_do: true });
  }
  terminal.say(`nothing to do: ${run.job} ${run.runKey} has succeeded (run ${run.id})`);
  return 0;
}

function taken(terminal: Terminal, run: RunRow): number {
  terminal.warn(`${describe(run)} is no longer ours: another process has it`);
  return BUSY_EXIT;
}

function busy(run: RunRow): BatchPredictError {
  return new BatchPredictError("BP_BUSY", `${describe(run)} is going on`, {
    actual: `${run.state} since ${new Date(run.startedMs ?? run.claimedMs ?? run.createdMs).toISOString()}, process ${run.process?.pid ?? "unknown"}`,
    hints: ["jobs run waits for it with --wait", "batchpredict scheduler status shows what is going on"],
    exitCode: BUSY_EXIT,
  });
}

function describe(run: RunRow): string {
  return `${run.job} ${run.runKey} (run ${run.id})`;
}
