/** Whole processes, timed in alternation, so that a machine whose speed drifts treats all alike. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";

export interface Contestant {
  name: string;
  command: string[];
  /** Removed before each run. */
  output: string;
  /** A Node program reports through the hook, a Python one by itself. */
  node: boolean;
}

export interface Sample {
  seconds: number;
  cpuSeconds: number;
  peakBytes: number;
}

export interface Measured extends Sample {
  name: string;
  samples: Sample[];
}

/** @returns medians of `runs` runs each, after one warm-up; a contestant that fails has NaN */
export async function measure(contestants: Contestant[], runs: number, scratch: string): Promise<Measured[]> {
  const samples = new Map<string, Sample[]>(contestants.map(({ name }) => [name, []]));
  for (let run = -1; run < runs; run++) {
    for (const contestant of contestants) {
      const sample = await once(contestant, scratch);
      if (run >= 0) samples.get(contestant.name)!.push(sample);
    }
  }
  return contestants.map(({ name }) => {
    const all = samples.get(name)!;
    const median = (key: keyof Sample): number => middle(all.map((sample) => sample[key]));
    return { name, samples: all, seconds: median("seconds"), cpuSeconds: median("cpuSeconds"), peakBytes: median("peakBytes") };
  });
}

export function middle(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function once({ command, output, node }: Contestant, scratch: string): Promise<Sample> {
  rmSync(output, { force: true });
  const usage = path.join(scratch, "usage.json");
  rmSync(usage, { force: true });
  const [program = "", ...args] = command;
  const started = performance.now();
  // Node reads such a file before any program begins, 40 ms for a system's whole list: that is about the machine, not about a contestant.
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...env, BENCH_USAGE_FILE: usage } });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  const seconds = (performance.now() - started) / 1000;
  if (code !== 0) return { seconds: Number.NaN, cpuSeconds: Number.NaN, peakBytes: Number.NaN };
  const text = node ? (existsSync(usage) ? readFileSync(usage, "utf8") : "{}") : (stdout.trim().split("\n").at(-1) ?? "{}");
  return { seconds, ...(JSON.parse(text) as Omit<Sample, "seconds">) };
}
