import type { JobFile } from "../config/read-job.ts";
import type { RunSummary } from "../core/events.ts";
import { checkExpectation } from "../schedule/process/expectation.ts";

/** What a run of the job must hold before it publishes; a part of the input need not hold what the job expects of the whole. */
export function expectationOf(job: JobFile, flags: Record<string, unknown>): (rows: RunSummary["rows"]) => void {
  const whole = flags.limit === undefined && flags.whereRows === undefined && flags.shard === undefined;
  return (rows) => {
    if (whole) checkExpectation(job, rows);
  };
}
