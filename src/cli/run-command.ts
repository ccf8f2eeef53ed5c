import { nodeHost } from "./node-host.ts";
import { performRun, tellEnd } from "./perform-run.ts";
import { jobOf } from "./resolve-flags.ts";
import { watchSignals } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

export async function runCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  if (flags.recordedRun !== undefined) return (await import("./recorded-run.ts")).childRunCommand(terminal, args, flags);
  const host = nodeHost();
  const watch = watchSignals(terminal);
  try {
    const job = await jobOf(args[0], flags, host);
    const dryRun = flags.dryRun === true;
    const limit = job?.job.timeout !== undefined && !dryRun ? await import("./time-limit.ts") : null;
    const timeoutMs = limit?.timeoutMsOf(job) ?? null;
    if (limit && timeoutMs !== null && !limit.isWatched(host)) {
      watch.release();
      return await limit.runWatched(terminal, host, flags, timeoutMs);
    }
    if (job?.job.schedule && !dryRun) {
      const { isPlain, runByHand } = await import("./recorded-run.ts");
      const code = isPlain(flags) ? await runByHand(terminal, host, args[0]!, flags, watch) : null;
      if (code !== null) return code;
    }
    const beforePublish = job?.job.expect ? (await import("./expectation-of.ts")).expectationOf(job, flags) : undefined;
    const timeUp = timeoutMs === null ? null : AbortSignal.timeout(timeoutMs);
    limit?.tellWatcher("begun");
    const performed = await performRun(terminal, host, job, flags, {
      signal: timeUp ? AbortSignal.any([watch.signal, timeUp]) : watch.signal,
      dryRun,
      ...(beforePublish ? { beforePublish } : {}),
    });
    limit?.tellWatcher("ended");
    const late = performed.status === "cancelled" && timeUp?.aborted === true && watch.received() === null;
    const summary =
      late && limit && timeoutMs !== null
        ? { ...performed, error: limit.timeoutError(timeoutMs, "it was asked to stop", performed.error ?? null) }
        : performed;
    if (flags.junit !== undefined || host.env.GITHUB_STEP_SUMMARY)
      (await import("./ci.ts")).tellCi(terminal, host, flags, summary);
    return tellEnd(terminal, summary, watch.received(), dryRun);
  } finally {
    watch.release();
    // An unread pipe or terminal on stdin would keep the process alive.
    if (!process.stdin.destroyed && flags.input !== undefined) process.stdin.destroy();
  }
}
