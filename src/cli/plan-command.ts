import { planText } from "../report/plan-text.ts";
import { planReport } from "../run/plan-report.ts";
import { prepareRun } from "../run/prepare-run.ts";
import { nodeHost } from "./node-host.ts";
import { jobOf, resolveFlags } from "./resolve-flags.ts";
import { watchSignals } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

export async function planCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const watch = watchSignals(terminal);
  try {
    const resolved = resolveFlags(await jobOf(args[0], flags, host), flags, host, { outputOptional: true });
    const prepared = await prepareRun(resolved, host, watch.signal);
    try {
      const report = await planReport(prepared);
      if (terminal.json) terminal.printJson(report);
      else terminal.print(planText(report, terminal.paint));
      return 0;
    } finally {
      await prepared.close();
    }
  } finally {
    watch.release();
    if (!process.stdin.destroyed && flags.input !== undefined) process.stdin.destroy();
  }
}
