/** `runs clean`: what dead runs left beside their outputs, and history that is old. */
import { parseDuration } from "../config/units.ts";
import { BatchPredictError } from "../core/errors.ts";
import { clean } from "../history/clean.ts";
import { idOf } from "../history/run-view.ts";
import { cleanedText } from "../report/clean-text.ts";
import { refuseWhileGoing, withHistory } from "./runs-history.ts";
import type { Terminal } from "./terminal.ts";

/** Days of history that `runs clean` leaves; without it the newest 1,000 runs are kept. */
const KEPT_FOR = "90d";

export async function runsCleanCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const keptMs = durationOf((flags.olderThan as string | undefined) ?? KEPT_FOR);
  return withHistory(terminal, flags, async (history) => {
    const named = args.map((id) => history.find(id));
    for (const found of named) refuseWhileGoing(history, found, history.view(found), "cleaned");
    const cleaned = await clean(history, {
      ids: named.length === 0 ? null : named.map(idOf),
      endedBeforeMs: named.length === 0 || flags.olderThan !== undefined ? history.nowMs() - keptMs : null,
      act: flags.dryRun !== true,
      look: history.table.look,
    });
    if (terminal.json) terminal.printJson(cleaned);
    else terminal.print(cleanedText(cleaned, terminal.paint));
    return 0;
  });
}

/** @throws BP_USAGE */
function durationOf(text: string): number {
  const ms = parseDuration(text);
  if (ms !== null) return ms;
  throw new BatchPredictError("BP_USAGE", `--older-than: "${text}" is no duration`, {
    expected: "a number and its unit: s, m, h or d",
    actual: `"${text}"`,
    hints: ["for example --older-than 30d"],
  });
}
