/** `jobs backfill`: every slot of a range of dates that has no success, oldest first, one process each. Run again, it goes on. */
import { uuidv7 } from "uuidv7";
import { BatchPredictError } from "../core/errors.ts";
import { formatCount } from "../report/format.ts";
import { stateText } from "../report/jobs-history.ts";
import { jobDefinition } from "../schedule/definition.ts";
import { type BackfillStep, planBackfill } from "../schedule/gaps.ts";
import { type ChildContext, keepTime, startChild } from "../schedule/process/child-run.ts";
import { launchRun, logFileOf } from "../schedule/process/launch-run.ts";
import { nodeProcessTable } from "../schedule/process/process-table.ts";
import { RUN_LEASE_MS } from "../schedule/process/recorded-run.ts";
import type { RunRow } from "../schedule/run-row.ts";
import { slotsOnDates } from "../schedule/slots.ts";
import { BUSY_EXIT, checkDate, keptJob, pause, signalExit, untilIdle } from "./job-steps.ts";
import { nodeHost } from "./node-host.ts";
import { type SignalWatch, watchSignals } from "./signals.ts";
import { openState, stateDirOf } from "./state.ts";
import type { Terminal } from "./terminal.ts";

/** How often a run is held against its timeout. */
const TIMEOUT_LOOK_MS = 1_000;

interface Result {
  run_key: string;
  state: string;
  reason: string | null;
  run_id: string | null;
}

export async function jobsBackfillCommand(terminal: Terminal, args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const from = needed(flags.from, "--from");
  const to = needed(flags.to, "--to");
  if (from > to) throw new BatchPredictError("BP_USAGE", `--from ${from} is later than --to ${to}`, { hints: ["exchange them"] });
  const file = keptJob(args[0]!, flags, host);
  const definition = jobDefinition(file.name, file.timeZone, file.job);
  if (!definition.schedule) {
    throw new BatchPredictError("BP_USAGE", `job ${file.name} has no schedule, so it has no slots to fill`, {
      hints: [`batchpredict jobs run ${file.name} --date ${from} runs it for a date`],
    });
  }
  const ledger = openState(flags, host);
  const watch = watchSignals(terminal);
  try {
    const nowMs = (): number => host.date().getTime();
    ledger.register(definition, nowMs());
    const slots = slotsOnDates(definition.schedule, definition.timeZone, from, to);
    const byKey = new Map<string, RunRow>();
    for (const { runKey } of slots) {
      const row = ledger.byKey(file.name, runKey);
      if (row) byKey.set(runKey, row);
    }
    const steps = planBackfill(definition, byKey, from, to, nowMs());
    terminal.say(planned(file.name, steps));
    const context: ChildContext = {
      ledger,
      table: nodeProcessTable(),
      launch: launchRun,
      nowMs,
      random: Math.random,
      stateDir: stateDirOf(flags, host),
      cwd: host.cwd,
      env: host.env,
    };
    const results: Result[] = [];
    for (const step of steps) {
      if (step.what === "done" || step.what === "future") {
        results.push(resultOf(step.slot.runKey, step.run, step.what === "future" ? "future" : "succeeded"));
        continue;
      }
      const run = await fill(context, file, definition.timeoutMs, step, watch, terminal);
      results.push(resultOf(step.slot.runKey, run, "scheduled"));
      if (run) terminal.say(`${stateText(run.state)} ${run.runKey}${told(run, stateDirOf(flags, host))}`);
      if (watch.received() !== null) break;
    }
    if (terminal.json) terminal.printJson({ job: file.name, from, to, runs: results });
    return end(terminal, file.name, from, to, results, watch);
  } finally {
    watch.release();
    ledger.close();
  }
}

async function fill(
  context: ChildContext,
  file: ReturnType<typeof keptJob>,
  timeoutMs: number | null,
  { slot }: BackfillStep,
  watch: SignalWatch,
  terminal: Terminal,
): Promise<RunRow | null> {
  const { ledger, table, nowMs } = context;
  const owner = uuidv7();
  while (watch.received() === null) {
    const request = { job: file.name, slot, trigger: "backfill" as const, timeoutMs, again: false };
    const started = ledger.start(request, owner, table.self(), nowMs(), nowMs() + RUN_LEASE_MS);
    if (started.kind === "done") return started.run;
    if (started.kind === "busy") {
      terminal.say(`waiting for ${started.run.job} ${started.run.runKey} (run ${started.run.id})`);
      await untilIdle(ledger, started.run.id, watch.signal);
      continue;
    }
    const child = startChild(context, started.fence, file.path);
    const stop = (): void => table.signal(child.pid, "SIGTERM");
    watch.signal.addEventListener("abort", stop);
    const timer = setInterval(() => keepTime(context, started.run.id), TIMEOUT_LOOK_MS);
    const run = await child.ended;
    clearInterval(timer);
    watch.signal.removeEventListener("abort", stop);
    if (run?.state !== "scheduled" || run.reason === "interrupted") return run;
    await pause(Math.max(0, run.notBeforeMs - nowMs()), watch.signal);
  }
  return ledger.byKey(file.name, slot.runKey);
}

function needed(value: unknown, flag: string): string {
  if (typeof value !== "string")
    throw new BatchPredictError("BP_USAGE", `${flag} is missing`, { hints: [`for example ${flag} 2026-11-21`] });
  checkDate(value, flag);
  return value.slice(0, 10);
}

function planned(job: string, steps: readonly BackfillStep[]): string {
  const count = (what: BackfillStep["what"]): number => steps.filter((step) => step.what === what).length;
  const parts = [
    `${formatCount(count("run") + count("open"))} to run`,
    `${formatCount(count("done"))} done already`,
    ...(count("future") > 0 ? [`${formatCount(count("future"))} not due yet`] : []),
  ];
  return `backfill of ${job}: ${formatCount(steps.length)} slots, ${parts.join(", ")}`;
}

function resultOf(runKey: string, run: RunRow | null, otherwise: string): Result {
  return { run_key: runKey, state: run?.state ?? otherwise, reason: run?.reason ?? null, run_id: run?.id ?? null };
}

function told(run: RunRow, stateDir: string): string {
  if (run.state === "succeeded") return run.rows ? ` ${formatCount(run.rows.predicted)} rows` : "";
  const error = run.error ? ` ${run.error.code}: ${run.error.message}` : "";
  return `${run.reason ? ` (${run.reason})` : ""}${error}; log: ${logFileOf(stateDir, run.id)}`;
}

function end(terminal: Terminal, job: string, from: string, to: string, results: Result[], watch: SignalWatch): number {
  const bad = results.filter(({ state }) => state !== "succeeded" && state !== "future");
  const again = `batchpredict jobs backfill ${job} --from ${from} --to ${to}`;
  if (watch.received() !== null) {
    terminal.say(`stopped; the same command goes on: ${again}`);
    return signalExit(watch);
  }
  if (bad.length === 0) {
    terminal.say(`${terminal.paint("green", "done")}: every slot from ${from} to ${to} has its output`);
    return 0;
  }
  const keys = bad.map(({ run_key }) => run_key);
  terminal.complain(
    `${terminal.paint("red", "incomplete")}: ${bad.length} of ${results.length} slots have no output: ${keys.slice(0, 10).join(", ")}${keys.length > 10 ? ", ..." : ""}\n  mend the cause, then run it again: ${again}`,
  );
  return bad.every(({ state }) => state === "running") ? BUSY_EXIT : 1;
}
