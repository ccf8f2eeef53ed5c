/**
 * One process per run. It leads a process group of its own, so that it survives the scheduler and can be ended as a whole, and
 * writes to a log file of its own, so that nothing is lost when nobody reads.
 */
import { spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import { BatchPredictError } from "../../core/errors.ts";
import type { Fence } from "../run-row.ts";

/** By the name of the package: where this code lies in it depends on how it was built. */
const BINARY = path.join(
  path.dirname(createRequire(import.meta.url).resolve("batchpredict/package.json")),
  "bin/batchpredict.js",
);

export interface LaunchOptions {
  /** What lets the child touch the run. */
  fence: Fence;
  /** Absolute. */
  jobFile: string;
  stateDir: string;
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
}

export interface Launched {
  pid: number;
  /** Resolves when the process is gone; never rejects. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Our process may end before it does. */
  release(): void;
}

export type LaunchRun = (options: LaunchOptions) => Launched;

/** The hidden flag of `run` by which a child learns which run it does. */
export function fenceText({ id, attempt, owner }: Fence): string {
  return `${id}:${attempt}:${owner}`;
}

/** null: not written by us */
export function parseFence(text: string): Fence | null {
  const [id, attempt, ...owner] = text.split(":");
  if (!id || !/^\d+$/.test(attempt ?? "") || owner.length === 0) return null;
  return { id, state: "claimed", attempt: Number(attempt), owner: owner.join(":") };
}

export function logFileOf(stateDir: string, runId: string): string {
  return path.join(stateDir, "logs", `${runId}.log`);
}

/** @throws BP_INTERNAL when the system gives no process; fs errors of the log file as they are */
export function launchRun({ fence, jobFile, stateDir, cwd, env }: LaunchOptions): Launched {
  const log = openLog(stateDir, fence.id);
  try {
    const args = [BINARY, "run", jobFile, "--recorded-run", fenceText(fence), "--state-dir", stateDir, "--color", "never"];
    const child = spawn(process.execPath, args, { cwd, env: { ...env }, detached: true, stdio: ["ignore", log, log] });
    const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
      child.once("exit", (code, signal) => resolve({ code, signal }));
      child.once("error", () => resolve({ code: null, signal: null }));
    });
    if (child.pid === undefined) {
      throw new BatchPredictError("BP_INTERNAL", "no process could be started for the run", {
        hints: ["look for limits on processes and memory (ulimit -u, free -m)"],
        exitCode: 1,
      });
    }
    return { pid: child.pid, exited, release: () => child.unref() };
  } finally {
    fs.closeSync(log);
  }
}

/** Appends: the attempts of one run share a file. Private to its user, as everything in the state folder. */
function openLog(stateDir: string, runId: string): number {
  const file = logFileOf(stateDir, runId);
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  return fs.openSync(file, "a", 0o600);
}
