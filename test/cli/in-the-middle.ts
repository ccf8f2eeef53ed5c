/** A run that is caught at work: it reads a pipe that stays open, so that it cannot end before the test has seen what it came for. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { BINARY, stateOutside } from "./batchpredict.ts";
import { FEATURES, HEADER, MODEL, RECORDS } from "./iris.ts";

/** More than one commit of every sink (98,304 rows), and what waits in front of it. */
const PIPED_ROWS = 170_000;

export interface Caught {
  child: ChildProcessWithoutNullStreams;
  stderr(): string;
  /** Resolves with the next text on stderr. */
  nextText(): Promise<string>;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stderr: string }>;
}

export function start(cwd: string, args: readonly string[], env: Record<string, string> = {}): Caught {
  const child = spawn(process.execPath, [BINARY, ...args], {
    cwd,
    env: { ...process.env, ...stateOutside(args), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {});
  const ended = new Promise<Awaited<Caught["ended"]>>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, stderr }));
  });
  const nextText = (): Promise<string> => new Promise((resolve) => child.stderr.once("data", resolve));
  return { child, stderr: () => stderr, nextText, ended };
}

/** Rows through a pipe that is not closed; small chunks, so that few rows wait for more. */
export function startPiped(cwd: string, output: string, ...more: string[]): Caught {
  const args = ["run", "-m", MODEL, "-i", "-", "-o", output, ...FEATURES, "--chunk-bytes", "65536", ...more];
  const caught = start(cwd, args);
  caught.child.stdin.write(`${HEADER}\n${`${RECORDS.join("\n")}\n`.repeat(PIPED_ROWS / RECORDS.length)}`);
  return caught;
}

/** Polls until it is so. @throws with what the run said when it ends before */
export async function until(caught: Caught, isSo: () => boolean): Promise<void> {
  let over = false;
  void caught.ended.then(() => {
    over = true;
  });
  while (!isSo()) {
    if (over) throw new Error(`the run ended before the test caught it: ${caught.stderr()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Bytes of the output under construction; 0 while there is none. */
export function partialBytes(folder: string): number {
  const sizes = readdirSync(folder)
    .filter((name) => name.endsWith(".partial"))
    .map((name) => statSync(path.join(folder, name), { throwIfNoEntry: false })?.size ?? 0);
  return Math.max(0, ...sizes);
}
