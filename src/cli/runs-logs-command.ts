/** `runs logs`: what a run told while it went. */
import fs from "node:fs";
import path from "node:path";
import { StringDecoder } from "node:string_decoder";
import { BatchPredictError } from "../core/errors.ts";
import { idOf } from "../history/run-view.ts";
import { errorText } from "../report/error-text.ts";
import { printable } from "../report/format.ts";
import { logFileOf } from "../schedule/process/launch-run.ts";
import { isTerminal, type RunState } from "../schedule/states.ts";
import { pause, signalExit } from "./job-steps.ts";
import { logOf } from "./run-log.ts";
import { type OpenHistory, withHistory } from "./runs-history.ts";
import { watchSignals } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

/** New text wakes us at once; the end of a run writes none, so it is looked for this often. */
const LOOK_EVERY_MS = 500;

export async function runsLogsCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const follow = flags.follow === true;
  if (follow && terminal.json) {
    throw new BatchPredictError("BP_USAGE", "--follow and --json exclude each other", {
      hints: ["--json gives one document, when the log is whole: leave out -f"],
    });
  }
  return withHistory(terminal, flags, async (history) => {
    const found = history.find(args[0]!);
    const id = idOf(found);
    if (follow && found.row !== null && (logOf(history.stateDir, id) !== null || !isTerminal(found.row.state)))
      return followLog(terminal, history, id);
    const log = logOf(history.stateDir, id);
    const view = history.view(found);
    if (terminal.json) {
      const text = log === null ? null : fs.readFileSync(log, "utf8");
      terminal.printJson({
        run_id: id,
        state: view.state,
        log,
        lines: text?.split("\n").slice(0, -1) ?? null,
        error: view.error,
      });
      return 0;
    }
    if (log !== null) {
      new LogPrinter(terminal, log).print();
      return 0;
    }
    terminal.notice(`run ${id} has no log: it told what it did to the terminal it was started from`);
    if (view.error) terminal.print(errorText(view.error, terminal.paint));
    else
      terminal.say(
        `${view.state}${view.note === null ? "" : `: ${printable(view.note)}`}; batchpredict runs show ${id} tells more`,
      );
    return 0;
  });
}

/** Until the run has ended, or its process is gone and nobody is there to start another. */
async function followLog(terminal: Terminal, history: OpenHistory, id: string): Promise<number> {
  const file = logFileOf(history.stateDir, id);
  const watch = watchSignals({ say: () => {} });
  const printer = new LogPrinter(terminal, file);
  try {
    for (;;) {
      // Asked before the rest is read: what the run said last was written before it ended.
      const over = isOver(history, id);
      printer.print();
      if (over) return 0;
      if (!(await changed(file, watch.signal))) return signalExit(watch);
    }
  } finally {
    watch.release();
  }
}

function isOver(history: OpenHistory, id: string): boolean {
  const row = history.ledger?.run(id) ?? null;
  if (row === null) return true;
  return isTerminal(row.state as RunState) || history.view({ row, record: null }).state === "interrupted";
}

/** Resolves when the file may have more. @returns false: asked to stop */
async function changed(file: string, stop: AbortSignal): Promise<boolean> {
  const wake = new AbortController();
  const both = AbortSignal.any([stop, wake.signal]);
  let watcher: fs.FSWatcher | null = null;
  try {
    watcher = fs.watch(fs.existsSync(file) ? file : path.dirname(file), () => wake.abort());
    watcher.on("error", () => {});
  } catch {
    // No folder yet, or no more watches to be had: looking now and then does.
  }
  await pause(LOOK_EVERY_MS, both);
  watcher?.close();
  return !stop.aborted;
}

/** Prints what was added since. Escape codes of a job's own module or of file names do not reach the terminal. */
class LogPrinter {
  readonly #terminal: Terminal;
  readonly #file: string;
  readonly #decoder = new StringDecoder("utf8");
  #position = 0;

  constructor(terminal: Terminal, file: string) {
    this.#terminal = terminal;
    this.#file = file;
  }

  print(): void {
    if (!fs.existsSync(this.#file)) return;
    const fd = fs.openSync(this.#file, "r");
    try {
      const block = Buffer.alloc(1 << 16);
      for (;;) {
        const length = fs.readSync(fd, block, 0, block.length, this.#position);
        if (length === 0) return;
        this.#position += length;
        this.#terminal.write(printable(this.#decoder.write(block.subarray(0, length))));
      }
    } finally {
      fs.closeSync(fd);
    }
  }
}
