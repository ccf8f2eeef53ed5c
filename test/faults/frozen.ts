/** Runs of the real binary that are frozen at a named place, so that a test can change the world under them and then let them go on. */
import type { spawn } from "node:child_process";
import fs from "node:fs";
import { batchpredict, type Finished, type Workdir } from "../cli/batchpredict.ts";
import { run, writeFlowers } from "../cli/iris.ts";

/** Rows of the input: more than thirty chunks of 8 KiB, several commits. */
export const ROWS = 9_000;
export const SMALL = ["--chunk-bytes", "8KiB", "--workers", "1"] as const;
export const COMMITS = { BATCHPREDICT_COMMIT_ROWS: "1000" };
/** With a stop, /proc tells when it is reached. */
export const CAN_FREEZE = process.platform === "linux";

export interface Frozen {
  readonly pid: number;
  /** Lets it go on. @returns how it ended */
  thaw(): Promise<Finished>;
  /** @returns how it ended */
  kill(signal: NodeJS.Signals): Promise<Finished>;
}

/** @param place name:n of core/failpoint.ts @throws with what the run said when it ends before */
export async function freeze(cwd: string, args: readonly string[], place: string): Promise<Frozen> {
  let child: ReturnType<typeof spawn> | null = null;
  let over: Finished | null = null;
  const ended = batchpredict(args, {
    cwd,
    env: { ...COMMITS, BATCHPREDICT_FAILPOINT: `${place}:stop` },
    onStart: (started) => {
      child = started;
    },
  }).then((finished) => {
    over = finished;
    return finished;
  });
  const { pid, kill } = child! as ReturnType<typeof spawn>;
  const signal = (name: NodeJS.Signals): Promise<Finished> => {
    kill.call(child, name);
    return ended;
  };
  while (stateOf(pid!) !== "T") {
    if (over !== null) throw new Error(`the run ended before it came to ${place}: ${(over as Finished).stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { pid: pid!, thaw: () => signal("SIGCONT"), kill: signal };
}

function stateOf(pid: number): string {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
  } catch {
    return "gone";
  }
}

/** A run over `input` as all tests here make it. */
export function score(input: string, output: string, ...more: string[]): string[] {
  return [...run(input, output, ...SMALL), "--quiet", ...more];
}

/** ROWS rows with an id of their own and numbers that do not repeat soon, so that a Parquet file does not shrink to nothing. */
export function writeInput(dir: Workdir, name = "in.csv", rows = ROWS): string {
  return writeFlowers(dir, name, rows, (row, record) =>
    [row, ((row * 7919) % 9973) / 8, ...record.split(",").slice(2)].join(","),
  );
}

/** The rows of a CSV in another format, made by the binary itself. */
export async function convert(dir: Workdir, csv: string, ending: string): Promise<string> {
  const file = dir.file(`in.${ending}`);
  const finished = await batchpredict(score(csv, file, "--keep", "*"), { cwd: dir.path, env: COMMITS });
  if (finished.code !== 0) throw new Error(finished.stderr);
  return file;
}
