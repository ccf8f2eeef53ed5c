/**
 * One process of many on one state folder: a scheduler, or a run that it started. All parts are the real ones (ledger on disk, process
 * table, planner, fences, leases); only the clock goes sixty times as fast, so that a slot of the calendar, a minute, comes every second.
 */
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { uuidv7 } from "uuidv7";
import { openLedger } from "../../../src/schedule/ledger.ts";
import { JobFolderReader } from "../../../src/schedule/process/job-folder.ts";
import { fenceText, type LaunchRun, parseFence } from "../../../src/schedule/process/launch-run.ts";
import { Outbox } from "../../../src/schedule/process/outbox.ts";
import { nodeProcessTable } from "../../../src/schedule/process/process-table.ts";
import { executeRecorded } from "../../../src/schedule/process/recorded-run.ts";
import { Scheduler } from "../../../src/schedule/process/scheduler.ts";
import { CLOCK_RATE, clockOf, FOLDERS } from "./clock.ts";

const [mode, dir = "", begunMs = "", fenceGiven = ""] = process.argv.slice(2);
const nowMs = clockOf(Number(begunMs));
const table = nodeProcessTable();
const at = (folder: keyof typeof FOLDERS): string => path.join(dir, FOLDERS[folder]);
const ledger = openLedger({ stateDir: at("state"), newId: uuidv7, busyMs: 60_000 });

if (mode === "scheduler") await beScheduler();
else await beRun();
ledger.close();

async function beScheduler(): Promise<void> {
  let over = false;
  process.once("SIGTERM", () => {
    over = true;
  });
  const scheduler = new Scheduler({
    ledger,
    folder: new JobFolderReader({ jobsDir: at("jobs"), cwd: dir, env: {} }),
    table,
    launch,
    outbox: new Outbox({
      ledger,
      notifyOf: () => undefined,
      env: {},
      userAgent: "",
      nowMs,
      random: Math.random,
      onFailure: () => {},
    }),
    alarm: { set: () => {}, stop: () => {} },
    owner: uuidv7(),
    nowMs,
    random: Math.random,
    maxActive: 8,
    stateDir: at("state"),
    cwd: dir,
    env: {},
    onNews: (news) => {
      if (news.type === "trouble") tell("trouble", `${news.doing}: ${(news.error as Error).message}`);
      if (news.type === "jobs") for (const { message } of news.problems) tell("trouble", message);
      if (news.type === "recovered") tell("recovered", `${news.run.job} ${news.run.runKey} ${news.state}`);
    },
  });
  let held = false;
  while (!over) {
    const holds = scheduler.take() === null;
    if (holds && !held) tell("seat", `${process.pid} ${nowMs()}`);
    held = holds;
    if (holds) scheduler.tick();
    await sleep(3_000 / CLOCK_RATE);
  }
  await scheduler.stop(10_000);
}

function launch({ fence }: Parameters<LaunchRun>[0]): ReturnType<LaunchRun> {
  const args = [process.argv[1]!, "run", dir, begunMs, fenceText(fence)];
  const child = spawn(process.execPath, args, { cwd: dir, detached: true, stdio: "ignore" });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: null, signal: null }));
  });
  if (child.pid === undefined) throw new Error("no process");
  return { pid: child.pid, exited, release: () => child.unref() };
}

/** Publishes one file under the name of its slot, as a real output is: whole, never over that of another run; now and then it dies at it. */
async function beRun(): Promise<void> {
  const stop = new AbortController();
  process.once("SIGTERM", () => stop.abort());
  const fence = parseFence(fenceGiven)!;
  const run = ledger.run(fence.id)!;
  const name = `${run.job}-${run.runKey}`;
  const output = path.join(at("out"), name);
  const context = { ledger, table, nowMs, random: Math.random };
  await executeRecorded(context, fence, { stop: stop.signal, stopMeans: "requeue" }, async ({ signal, beforePublish }) => {
    const rows = { read: 1, predicted: 1, rejected: 0 };
    const summary = { run_id: run.id, rows, output: { path: output, format: "csv", bytes: 0 } } as never as object;
    if (fs.existsSync(output) && fs.readFileSync(output, "utf8") === run.id) return { ...summary, status: "succeeded" } as never;
    await sleep(Math.random() * 100);
    mayDie();
    if (signal.aborted) return { ...summary, status: "cancelled" } as never;
    const partial = `${output}.${process.pid}`;
    fs.writeFileSync(partial, run.id);
    beforePublish(rows);
    mayDie();
    try {
      fs.linkSync(partial, output);
      tell("published", name);
    } catch {
      tell("double", `${name} ${run.id}`);
    }
    fs.unlinkSync(partial);
    mayDie();
    return { ...summary, status: "succeeded" } as never;
  });
}

function mayDie(): void {
  if (Math.random() < 0.02) process.kill(process.pid, "SIGKILL");
}

/** One short write to a file opened for appending: lines of many processes do not mix. */
function tell(what: string, text: string): void {
  fs.appendFileSync(path.join(at("log"), what), `${text}\n`);
}
