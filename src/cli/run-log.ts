/** The log of a run that a scheduler or a backfill started. */
import fs from "node:fs";
import { logFileOf } from "../schedule/process/launch-run.ts";

/** null: the run wrote to its terminal */
export function logOf(stateDir: string, runId: string): string | null {
  const file = logFileOf(stateDir, runId);
  return fs.existsSync(file) ? file : null;
}
