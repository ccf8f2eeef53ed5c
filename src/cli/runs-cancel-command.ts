/** `runs cancel`: asks a run to stop where it can be resumed, and waits until it has. */
import { BatchPredictError } from "../core/errors.ts";
import { type FoundRun, idOf, processOf, type RunView } from "../history/run-view.ts";
import { isTerminal } from "../schedule/states.ts";
import { BUSY_EXIT, pause, signalExit } from "./job-steps.ts";
import { isGoing, type OpenHistory, refuse, withHistory } from "./runs-history.ts";
import { watchSignals } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

const LOOK_EVERY_MS = 100;

export async function runsCancelCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  return withHistory(terminal, flags, async (history) => {
    const found = history.find(args[0]!);
    const before = history.view(found);
    if (before.state !== "scheduled" && !isGoing(before)) {
      refuse(
        found,
        `is not going on: it is ${before.state}`,
        ...(before.resumable ? [`batchpredict runs clean ${idOf(found)} removes what it left`] : []),
      );
    }
    if (before.state === "committing") {
      throw new BatchPredictError("BP_BUSY", `run ${idOf(found)} is publishing its output, which is never stopped half-way`, {
        hints: ["it is done in a moment: batchpredict runs show tells how it ended"],
        exitCode: BUSY_EXIT,
      });
    }
    return stop(terminal, history, found);
  });
}

async function stop(terminal: Terminal, history: OpenHistory, found: FoundRun): Promise<number> {
  const id = idOf(found);
  const row = found.row && (history.ledger?.cancel(id, history.nowMs()) ?? found.row);
  const current: FoundRun = { ...found, row };
  const identity = processOf(current, history.table.look);
  if (row === null && identity === null) {
    refuse(found, "runs on another machine or in another container, where its process cannot be reached", "stop it there");
  }
  // Proven by pid, start time, boot and host a moment ago: no other process can have got its number.
  if (identity !== null) history.table.signal(identity.pid, "SIGTERM");
  if (identity !== null) terminal.say(`asked process ${identity.pid} to stop; waiting for its end`);
  const watch = watchSignals({ say: () => {} });
  try {
    while (!hasStopped(history, id, identity !== null && history.table.look(identity) === "alive")) {
      if (!(await pause(LOOK_EVERY_MS, watch.signal))) return signalExit(watch);
    }
  } finally {
    watch.release();
  }
  return tell(terminal, history.view(history.find(id)));
}

/** A run of a job may go back to the queue or to another process meanwhile; then its row speaks. */
function hasStopped(history: OpenHistory, id: string, alive: boolean): boolean {
  if (alive) return false;
  const { row } = history.find(id);
  return row === null || isTerminal(row.state) || !isGoing(history.view({ row, record: null }));
}

function tell(terminal: Terminal, after: RunView): number {
  const stopped = after.state === "cancelled" || after.state === "interrupted" || after.state === "scheduled";
  if (terminal.json) terminal.printJson(after);
  const how = stopped ? "stopped" : `ended before it could be stopped: ${after.state}`;
  const next = after.resumable ? `; go on with it: batchpredict runs resume ${after.run_id}` : "";
  terminal.say(`run ${after.run_id} ${how}${stopped && !after.resumable ? "; nothing was kept" : next}`);
  return stopped ? 0 : 1;
}
