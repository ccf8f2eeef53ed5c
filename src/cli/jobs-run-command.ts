/** `jobs run` and `jobs backfill`: slots done by hand, under the same lock and in the same history as the scheduler's. */
import { uuidv7 } from "uuidv7";
import type { JobFile } from "../config/read-job.ts";
import { wallTimeOf } from "../config/zoned-time.ts";
import { BatchPredictError } from "../core/errors.ts";
import { handSlot } from "../schedule/ledger.ts";
import { nextSlots, previousSlot, type Slot, slotsOnDates } from "../schedule/slots.ts";
import { checkDate, keptJob } from "./job-steps.ts";
import { nodeHost } from "./node-host.ts";
import { runSlot } from "./recorded-run.ts";
import { watchSignals } from "./signals.ts";
import { openState } from "./state.ts";
import type { Terminal } from "./terminal.ts";
import { isWatched, runWatched, timeoutMsOf } from "./time-limit.ts";

export async function jobsRunCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const file = keptJob(args[0]!, flags, host);
  const slot = slotOf(file, flags.date as string | undefined, host.date().getTime());
  const timeoutMs = timeoutMsOf(file);
  if (timeoutMs !== null && !isWatched(host)) return runWatched(terminal, host, flags, timeoutMs);
  const ledger = openState(flags, host);
  const watch = watchSignals(terminal);
  try {
    const options = { again: flags.ifNeeded !== true, wait: flags.wait === true };
    return await runSlot({ terminal, host, ledger, file, flags, watch }, slot, options);
  } finally {
    watch.release();
    ledger.close();
  }
}

/**
 * The slot that a date or a run key means; without one, the newest that is due. A job without a schedule has one slot for each
 * date, and today is the default.
 * @throws BP_USAGE
 */
export function slotOf(file: JobFile, date: string | undefined, nowMs: number): Slot {
  const { schedule } = file.job;
  if (date !== undefined) checkDate(date);
  if (!schedule) {
    const day = date ?? new Date(wallTimeOf(nowMs, file.timeZone)).toISOString().slice(0, 10);
    return { ...handSlot("", day, `${day}T00:00`, nowMs), runKey: day };
  }
  if (date === undefined) {
    return previousSlot(schedule, file.timeZone, nowMs + 1) ?? { ...handSlot(uuidv7(), "", "", nowMs), ...today(file, nowMs) };
  }
  const day = date.slice(0, 10);
  const slots = slotsOnDates(schedule, file.timeZone, day, day);
  const found = slots.filter((slot) => date.length === 10 || slot.runKey === date || slot.localTime === date);
  if (found.length === 1) return found[0]!;
  if (found.length > 1) {
    const keys = found.map(({ runKey }) => runKey);
    throw new BatchPredictError("BP_USAGE", `job ${file.name} has ${found.length} slots on ${day}`, {
      expected: `one of the run keys ${keys.slice(0, 12).join(", ")}${keys.length > 12 ? ", ..." : ""}`,
      hints: [
        `say which: --date ${keys[0]}`,
        `or do them all: batchpredict jobs backfill ${file.name} --from ${day} --to ${day}`,
      ],
    });
  }
  const from = Date.parse(`${day}T00:00:00Z`) - 86_400_000;
  const next = nextSlots(schedule, file.timeZone, from, 1)[0];
  throw new BatchPredictError("BP_USAGE", `job ${file.name} has no slot ${date.length === 10 ? "on" : "at"} ${date}`, {
    hints: [...(next ? [`the next one is ${next.runKey}`] : []), `batchpredict jobs next ${file.name} --from ${day} lists them`],
  });
}

function today(file: JobFile, nowMs: number): Pick<Slot, "logicalDate" | "localTime"> {
  const localTime = new Date(wallTimeOf(nowMs, file.timeZone)).toISOString().slice(0, 16);
  return { logicalDate: localTime.slice(0, 10), localTime };
}
