/**
 * `timeout` of a job where no scheduler watches it. The run is a process of its own, because only from outside can one be ended that
 * hangs inside of the runtime or of a transform: asked at the timeout, killed with its group 10 s later, and the exit code is 124.
 */
import { spawn } from "node:child_process";
import type { JobFile } from "../config/read-job.ts";
import { parseDuration } from "../config/units.ts";
import { BatchPredictError, toWire, type WireError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { STOP_GRACE_MS } from "../schedule/timeouts.ts";
import { TIMEOUT_EXIT } from "./job-steps.ts";
import { openStateIfThere, stateDirOf } from "./state.ts";
import type { Terminal } from "./terminal.ts";

/** In the environment of the run: the process that watches it. */
const WATCHED_BY = "BATCHPREDICT_WATCHED_BY";

export function timeoutMsOf(job: JobFile | null): number | null {
  return job?.job.timeout === undefined ? null : parseDuration(job.job.timeout);
}

/** Whether this process is the run that another watches. */
export function isWatched(host: Host): boolean {
  return host.env[WATCHED_BY] === String(process.ppid);
}

/**
 * The time of an attempt begins and ends with these, so that waiting for another run, or for the next attempt, costs none of it; what
 * is being published has its time once more.
 */
export function tellWatcher(what: "begun" | "publishing" | "ended"): void {
  process.send?.(what);
}

/** The same command in a process of its own. @returns its exit code; 124 when it had to be killed */
export async function runWatched(
  terminal: Terminal,
  host: Host,
  flags: Record<string, unknown>,
  timeoutMs: number,
): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    // A group of its own, to be ended as a whole; Ctrl+C comes to us and is handed on.
    detached: true,
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...host.env, [WATCHED_BY]: String(process.pid) },
  });
  const handOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGINT", handOn).on("SIGTERM", handOn);
  let killed = false;
  const kill = (): void => {
    killed = true;
    try {
      process.kill(-child.pid!, "SIGKILL");
    } catch {
      // It has ended by itself just now.
    }
  };
  let timer: NodeJS.Timeout | undefined;
  child.on("message", (what) => {
    clearTimeout(timer);
    // Longer timers would ring at once: a run of four weeks is left to itself.
    if (what !== "ended") timer = setTimeout(kill, Math.min(timeoutMs + STOP_GRACE_MS, 2 ** 31 - 1));
  });
  try {
    const { code, signal } = await new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve({ code, signal }));
    });
    if (!killed) {
      // As it died, so do we: whoever started us sees the signal itself.
      if (signal !== null) process.off("SIGINT", handOn).off("SIGTERM", handOn).kill(process.pid, signal);
      return code ?? 1;
    }
    settleKilled(terminal, host, flags, child.pid!);
    return terminal.fail(
      timeoutError(timeoutMs, `it did not end within ${STOP_GRACE_MS / 1000} s of being asked to, and was killed`),
    );
  } finally {
    clearTimeout(timer);
    process.off("SIGINT", handOn).off("SIGTERM", handOn);
  }
}

/** A run that has a place in the ledger could not tell how it ended. */
function settleKilled(terminal: Terminal, host: Host, flags: Record<string, unknown>, pid: number): void {
  try {
    const ledger = openStateIfThere(flags, host);
    try {
      const nowMs = host.date().getTime();
      const run = ledger?.active().find((each) => each.process?.pid === pid);
      if (!ledger || !run) return;
      if (run.stop === null) ledger.apply([{ kind: "stop", run, reason: "timeout" }], { owner: run.owner!, nowMs });
      const { id, state, attempt } = run;
      ledger.settle({ id, state, attempt, owner: run.owner! }, { kind: "interrupted" }, nowMs, Math.random);
    } finally {
      ledger?.close();
    }
  } catch (error) {
    terminal.warn(`the history in ${stateDirOf(flags, host)} does not know of this end yet: ${toWire(error).message}`);
  }
}

/** @param error what the run itself says, with how to go on with it */
export function timeoutError(timeoutMs: number, actual: string, error: WireError | null = null): WireError {
  const hints = [
    "give the job a longer timeout",
    ...(error?.hints ?? ["what was committed is gone on with by the same command"]),
  ];
  const message = `the run took longer than its timeout of ${timeoutMs / 1000} s`;
  return toWire(new BatchPredictError("BP_INTERRUPTED", message, { actual, hints, exitCode: TIMEOUT_EXIT }));
}
