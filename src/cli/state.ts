/** The state folder of a command: where it is, and the ledger in it. */
import fs from "node:fs";
import path from "node:path";
import { uuidv7 } from "uuidv7";
import { ENVIRONMENT } from "../config/run-flags.ts";
import type { Host } from "../core/host.ts";
import { type Ledger, openLedger } from "../schedule/ledger.ts";

/** @returns absolute */
export function stateDirOf(flags: Record<string, unknown>, host: Host): string {
  const given = (flags.stateDir as string | undefined) ?? host.env[ENVIRONMENT.stateDir.name];
  return path.resolve(host.cwd, given || ".batchpredict");
}

/** @throws BP_STATE */
export function openState(flags: Record<string, unknown>, host: Host): Ledger {
  return openLedger({ stateDir: stateDirOf(flags, host), newId: uuidv7 });
}

/** For commands that only look: they make no folder. null: nothing was ever recorded. @throws BP_STATE */
export function openStateIfThere(flags: Record<string, unknown>, host: Host): Ledger | null {
  return fs.existsSync(path.join(stateDirOf(flags, host), "ledger.db")) ? openState(flags, host) : null;
}

export function jobsDirOf(flags: Record<string, unknown>): string {
  return (flags.jobsDir as string | undefined) ?? "jobs";
}
