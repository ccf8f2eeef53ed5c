/**
 * A run's threads take as long to load their libraries as the command line takes to read its flags: both at once. What the flags most likely
 * mean is found here without their parser; a wrong guess costs a thread's start, and the thread is told to end.
 */
import path from "node:path";
import type { Worker } from "node:worker_threads";
import { SINK_EXTENSIONS } from "../core/sink.ts";
import { sourceFormatOfName } from "../core/source.ts";
import { startThread, type ThreadEntry, type ThreadSettings, type ThreadsAhead } from "../core/thread.ts";
import { heapLimits } from "../core/thread-heap.ts";
import { modelAhead, workersAhead } from "../run/workers-ahead.ts";

export interface Machine {
  cores: number;
  cwd: string;
  /** null: no limit of a container. */
  containerMemoryBytes?: number | null;
  env: Readonly<Record<string, string | undefined>>;
}

export interface LikelyThread {
  entry: ThreadEntry;
  settings: ThreadSettings;
}

/** What says that there will be no such run, or one whose sizes the plan decides. */
const DIFFERENT = ["-h", "--help", "--dry-run", "--memory-limit", "--workers", "--input-format", "--output-format"];
const DIFFERENT_BY_ENVIRONMENT = ["BATCHPREDICT_MEMORY_LIMIT", "BATCHPREDICT_WORKERS", "BATCHPREDICT_WORKER_HEAP_MB"];

/** The threads of `run -m MODEL -i INPUT.. -o OUTPUT ..`; none for anything else. */
export function likelyThreads(argv: readonly string[], machine: Machine): LikelyThread[] {
  if (argv[0] !== "run" || !argv[1]?.startsWith("-") || argv.some((arg) => DIFFERENT.includes(arg.split("=")[0]!))) return [];
  if (machine.containerMemoryBytes || DIFFERENT_BY_ENVIRONMENT.some((name) => machine.env[name])) return [];
  const [model] = valuesOf(argv, "-m", "--model");
  const inputs = valuesOf(argv, "-i", "--input");
  const [output] = valuesOf(argv, "-o", "--output");
  const sink = SINK_EXTENSIONS[path.extname(output ?? "").toLowerCase()];
  if (model === undefined || inputs[0] === undefined || sink === undefined) return [];
  const workers = workersAhead({ workers: "auto", model, inputs, cores: machine.cores });
  const limits = heapLimits(false);
  const kernel = machine.env.BATCHPREDICT_KERNEL !== "off";
  const data = { format: sourceFormatOfName(inputs[0]), ...modelAhead(path.resolve(machine.cwd, model), null, kernel) };
  const predict: LikelyThread = { entry: "#predict-worker", settings: { data, limits } };
  return [
    ...Array.from({ length: workers }, () => predict),
    { entry: "#sink-worker", settings: { data: { format: sink }, limits } },
  ];
}

function valuesOf(argv: readonly string[], short: string, long: string): string[] {
  return argv.flatMap((arg, at) => {
    if (arg.startsWith(`${long}=`)) return [arg.slice(long.length + 1)];
    if (arg !== short && arg !== long) return [];
    const rest = argv.slice(at + 1);
    const end = rest.findIndex((value) => value.startsWith("-") && value !== "-");
    return end < 0 ? rest : rest.slice(0, end);
  });
}

interface Waiting extends LikelyThread {
  thread: Worker;
  failed: boolean;
}

export class StartedThreads implements ThreadsAhead {
  readonly #waiting: Waiting[];

  constructor(likely: readonly LikelyThread[]) {
    this.#waiting = likely.map(({ entry, settings }) => {
      const waiting: Waiting = { entry, settings, thread: startThread(entry, settings), failed: false };
      // Whoever needs the thread starts another one, and hears why it fails.
      const fail = (): void => {
        waiting.failed = true;
      };
      waiting.thread.on("error", fail).on("exit", fail);
      return waiting;
    });
  }

  take(entry: ThreadEntry, settings: ThreadSettings): Worker | null {
    const at = this.#waiting.findIndex(
      (waiting) => waiting.entry === entry && !waiting.failed && JSON.stringify(waiting.settings) === JSON.stringify(settings),
    );
    return at < 0 ? null : this.#waiting.splice(at, 1)[0]!.thread;
  }

  /** Those that nobody took end by themselves, as soon as they have loaded what they are at: no thread of ours is ever cut short. */
  dismiss(): void {
    for (const { entry, thread } of this.#waiting.splice(0))
      thread.postMessage({ kind: entry === "#sink-worker" ? "dismiss" : "stop" });
  }
}
