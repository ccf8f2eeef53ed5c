/** Runs the real binary in a folder of its own, as a user would. */
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ROOT } from "../corpora.ts";

export const BINARY = path.join(ROOT, "bin/batchpredict.js");

let stateFolder: string | null = null;

/**
 * Runs by flags write their history outside of the working folder, so that a test sees there what a run makes of what it was asked for.
 * `BATCHPREDICT_STATE_DIR: ""` in a test's own environment gives the default place.
 */
export function stateOutside(args: readonly string[], uid = -1): Record<string, string> {
  if (args[0] !== "run" || !args.some((arg) => arg === "-o" || arg === "--output")) return {};
  if (stateFolder === null) {
    const folder = mkdtempSync(path.join(tmpdir(), "batchpredict-state-"));
    // Each user makes a private one in it.
    chmodSync(folder, 0o777);
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    stateFolder = folder;
  }
  return { BATCHPREDICT_STATE_DIR: path.join(stateFolder, `of-${uid}`) };
}

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** stdout as JSON. */
  json<Value = Record<string, unknown>>(): Value;
}

export interface RunSettings {
  cwd?: string;
  env?: Record<string, string>;
  stdin?: Uint8Array | string;
  /** Another user, for tests of permissions that root would pass. */
  uid?: number;
  gid?: number;
  /** Called with the child as soon as it lives, for tests that send signals. */
  onStart?(child: ReturnType<typeof spawn>): void;
}

export function batchpredict(args: readonly string[], settings: RunSettings = {}): Promise<Finished> {
  const child = spawn(process.execPath, [BINARY, ...args], {
    cwd: settings.cwd ?? ROOT,
    env: { ...process.env, NO_COLOR: "1", ...stateOutside(args, settings.uid), ...settings.env },
    stdio: ["pipe", "pipe", "pipe"],
    ...(settings.uid === undefined ? {} : { uid: settings.uid }),
    ...(settings.gid === undefined ? {} : { gid: settings.gid }),
  });
  settings.onStart?.(child);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(settings.stdin ?? "");
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const json = <Value>(): Value => {
        try {
          return JSON.parse(stdout) as Value;
        } catch {
          throw new Error(`not JSON on stdout: ${stdout.slice(0, 500)}\nstderr: ${stderr.slice(0, 2000)}`);
        }
      };
      resolve({ code, signal, stdout, stderr, json });
    });
  });
}

export interface Workdir {
  path: string;
  file(name: string): string;
  remove(): void;
}

export function workdir(): Workdir {
  const folder = mkdtempSync(path.join(tmpdir(), "batchpredict-test-"));
  return {
    path: folder,
    file: (name) => path.join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
