import type { RunEvent, RunSummary } from "../core/events.ts";
import { summaryText } from "../report/summary-text.ts";
import { runResolved } from "../run/run.ts";
import { nodeHost } from "./node-host.ts";
import { type ProgressView, progressMode, progressView } from "./progress.ts";
import { jobOf, resolveFlags } from "./resolve-flags.ts";
import { SIGNAL_EXIT, watchSignals } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

export async function runCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const progress = progressMode(flags.progress as string | undefined);
  const watch = watchSignals(terminal);
  let view: ProgressView | null = null;
  try {
    const resolved = resolveFlags(await jobOf(args[0], flags, host), flags, host);
    const dryRun = flags.dryRun === true;
    const onEvent = (event: RunEvent): void => {
      if (event.type === "notice") terminal.notice(event.message);
      else if (event.type === "warning") terminal.warn(event.message);
      else if (event.type === "started") view = progressView(progress, terminal);
      else if (event.type === "progress") view?.update(event.progress);
      else view?.stop();
    };
    const summary = await runResolved(resolved, host, { signal: watch.signal, onEvent, dryRun });
    return finish(terminal, summary, watch.received(), dryRun);
  } finally {
    watch.release();
    // An unread pipe or terminal on stdin would keep the process alive.
    if (!process.stdin.destroyed && flags.input !== undefined) process.stdin.destroy();
  }
}

function finish(terminal: Terminal, summary: RunSummary, signal: keyof typeof SIGNAL_EXIT | null, dryRun: boolean): number {
  const { error, ...document } = summary;
  if (error) {
    const code = terminal.fail(error, document);
    return summary.status === "cancelled" && signal !== null ? SIGNAL_EXIT[signal] : code;
  }
  if (terminal.json) terminal.printJson(document);
  terminal.say(dryRun ? "dry run: everything fits; nothing was written" : summaryText(summary, terminal.paint));
  return 0;
}
