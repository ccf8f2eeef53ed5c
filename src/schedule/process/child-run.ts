/** A claimed run in a process of its own: started, on record, and settled when it ends without having told the ledger how. */
import type { Ledger } from "../ledger.ts";
import type { Fence, RunRow } from "../run-row.ts";
import { isActive } from "../states.ts";
import { timeoutStep } from "../timeouts.ts";
import type { Launched, LaunchRun } from "./launch-run.ts";
import type { ProcessTable } from "./process-table.ts";
import { RUN_LEASE_MS } from "./recorded-run.ts";

export interface ChildContext {
  ledger: Ledger;
  table: ProcessTable;
  launch: LaunchRun;
  nowMs(): number;
  random(): number;
  stateDir: string;
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
}

export interface Child {
  pid: number;
  /** The run as it is once the process is gone; never rejects. */
  ended: Promise<RunRow | null>;
  /** Our process may end before it does; it settles its run by itself. */
  release(): void;
}

/** @throws when no process can be started; the run is settled as crashed before */
export function startChild(context: ChildContext, fence: Fence, jobFile: string): Child {
  const { ledger, table, launch, nowMs, stateDir, cwd, env } = context;
  let launched: Launched;
  try {
    launched = launch({ fence, jobFile, stateDir, cwd, env });
  } catch (error) {
    settleIfSilent(context, fence, error instanceof Error ? error.message : String(error));
    throw error;
  }
  // On record before the child can say so itself: from here on its death is seen at once, whoever looks.
  ledger.running(fence, table.identify(launched.pid), nowMs(), nowMs() + RUN_LEASE_MS);
  const ended = launched.exited.then(({ code, signal }) => {
    try {
      return settleIfSilent(context, fence, signal ?? `exit code ${code}`);
    } catch {
      // The next tick of any scheduler finds the dead process.
      return null;
    }
  });
  return { pid: launched.pid, ended, release: launched.release };
}

/** For callers without a planner: asks a run whose time is over to stop, and ends its process group when it does not. Never throws. */
export function keepTime({ ledger, table, nowMs }: ChildContext, runId: string): void {
  try {
    const run = ledger.run(runId);
    const step = run && isActive(run.state) ? timeoutStep(run, nowMs()) : null;
    if (run === null || step === null) return;
    const action = step === "kill" ? { kind: "kill" as const, run } : { kind: "stop" as const, run, reason: "timeout" as const };
    const { stop, kill } = ledger.apply([action], { owner: run.owner ?? "", nowMs: nowMs() });
    for (const { process } of stop) if (process) table.signal(process.pid, "SIGTERM");
    for (const { process } of kill) if (process) table.signalGroup(process.pid, "SIGKILL");
  } catch {
    // A ledger that is busy for a moment: the next look tries again.
  }
}

function settleIfSilent({ ledger, nowMs, random }: ChildContext, fence: Fence, detail: string): RunRow | null {
  const run = ledger.run(fence.id);
  if (run === null || !isActive(run.state)) return run;
  // With a stop on record its reason decides what becomes of the run; it was killed for not obeying.
  const outcome = run.stop === null ? { kind: "crashed" as const, detail } : { kind: "interrupted" as const };
  return ledger.settle({ ...fence, state: run.state }, outcome, nowMs(), random) ?? ledger.run(fence.id);
}
