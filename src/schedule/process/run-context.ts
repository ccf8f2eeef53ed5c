/** What a recorded run puts into the templates of its job file. */
import { type JobContext, type JobFile, readJob } from "../../config/read-job.ts";
import type { Ledger } from "../ledger.ts";
import type { RunRow } from "../run-row.ts";
import { previousSlot } from "../slots.ts";

/** @param file as read with templates kept @throws BP_JOB_FILE when the file has changed for the worse or a template cannot be filled */
export function readForRun(file: JobFile, run: RunRow, ledger: Ledger, context: JobContext): JobFile {
  const { schedule } = file.job;
  const before = schedule && !run.runKey.startsWith("hand~") ? previousSlot(schedule, file.timeZone, run.scheduledMs) : null;
  const interval = before ? { start: new Date(before.utcMs), end: new Date(run.scheduledMs) } : null;
  return readJob(file.path, {
    ...context,
    templates: {
      logicalDate: run.logicalDate,
      ts: new Date(run.scheduledMs),
      ...(interval ? { interval } : {}),
      previousSuccess: ledger.previousSuccess(run.job, run.logicalDate)?.logicalDate ?? null,
      runId: run.id,
    },
  });
}
