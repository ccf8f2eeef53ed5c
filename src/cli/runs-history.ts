/** The history as a command finds it: records, ledger, processes of this machine. */
import { BatchPredictError, toWire } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { findRun } from "../history/find-run.ts";
import { type FoundRun, idOf, processOf, type RunView, viewOf } from "../history/run-view.ts";
import type { Ledger } from "../schedule/ledger.ts";
import { nodeProcessTable, type ProcessTable } from "../schedule/process/process-table.ts";
import { BUSY_EXIT } from "./job-steps.ts";
import { nodeHost } from "./node-host.ts";
import { openStateIfThere, stateDirOf } from "./state.ts";
import type { Terminal } from "./terminal.ts";

export interface OpenHistory {
  host: Host;
  stateDir: string;
  ledger: Ledger | null;
  table: ProcessTable;
  nowMs(): number;
  find(id: string): FoundRun;
  view(found: FoundRun): RunView;
}

/** Commands that only look go on without a ledger that cannot be opened, and say so. */
export async function withHistory<T>(
  terminal: Terminal,
  flags: Record<string, unknown>,
  act: (history: OpenHistory) => Promise<T>,
): Promise<T> {
  const host = nodeHost();
  const stateDir = stateDirOf(flags, host);
  let ledger: Ledger | null = null;
  try {
    ledger = openStateIfThere(flags, host);
  } catch (error) {
    terminal.warn(`runs of jobs are not shown: ${toWire(error).message}`);
  }
  const table = nodeProcessTable();
  const nowMs = (): number => host.date().getTime();
  try {
    return await act({
      host,
      stateDir,
      ledger,
      table,
      nowMs,
      find: (id) => findRun({ stateDir, ledger }, id),
      view: (found) => viewOf(found, table.look, nowMs()),
    });
  } finally {
    ledger?.close();
  }
}

export function isGoing(view: RunView): boolean {
  return view.state === "running" || view.state === "claimed" || view.state === "committing";
}

/** @param what "resumed" @throws BP_BUSY with exit code 75 when a process is at it */
export function refuseWhileGoing(history: OpenHistory, found: FoundRun, view: RunView, what: string): void {
  if (!isGoing(view) && view.note !== ELSEWHERE) return;
  const identity = processOf(found, history.table.look);
  throw new BatchPredictError("BP_BUSY", `run ${view.run_id} is going on and cannot be ${what}`, {
    actual: `${view.state}, ${identity ? `process ${identity.pid}` : "by a process that this machine cannot see"}`,
    hints: [`batchpredict runs cancel ${view.run_id} stops it where it can be resumed`],
    exitCode: BUSY_EXIT,
  });
}

const ELSEWHERE = "another process goes on with it";

/** @throws BP_RUN_STATE, exit code 2 */
export function refuse(found: FoundRun, why: string, ...hints: string[]): never {
  throw new BatchPredictError("BP_RUN_STATE", `run ${idOf(found)} ${why}`, { hints, exitCode: 2 });
}
