/** `scheduler start`, `--once`, `status`. */
import type { Server } from "node:http";
import path from "node:path";
import { uuidv7 } from "uuidv7";
import { BatchPredictError, toWire } from "../core/errors.ts";
import { prometheusText } from "../report/prometheus.ts";
import { type StatusReport, statusText } from "../report/scheduler-text.ts";
import type { SchedulerHolder } from "../schedule/ledger.ts";
import { type Alarm, cronAlarm } from "../schedule/process/alarm.ts";
import { figuresOf, serveFigures, writeTextfile } from "../schedule/process/figures.ts";
import { JobFolderReader } from "../schedule/process/job-folder.ts";
import { launchRun } from "../schedule/process/launch-run.ts";
import { Outbox } from "../schedule/process/outbox.ts";
import { nodeProcessTable } from "../schedule/process/process-table.ts";
import { Scheduler } from "../schedule/process/scheduler.ts";
import { type Served, serve, serveOnce } from "../schedule/process/serve.ts";
import { historyEntry } from "../schedule/process/views.ts";
import { PACKAGE_VERSION } from "../version.ts";
import { BUSY_EXIT, signalExit } from "./job-steps.ts";
import { countOf } from "./jobs-history-command.ts";
import { nodeHost } from "./node-host.ts";
import { SchedulerLog } from "./scheduler-log.ts";
import { watchSignals } from "./signals.ts";
import { jobsDirOf, openState, openStateIfThere, stateDirOf } from "./state.ts";
import type { Terminal } from "./terminal.ts";

/** Each run uses all cores, so many at once only take memory from one another. */
const PARALLEL = 2;
const FIGURES_EVERY_MS = 30_000;
const NO_ALARM: Alarm = { set: () => {}, stop: () => {} };

export async function schedulerCommand(terminal: Terminal, _args: string[], flags: Record<string, unknown>): Promise<number> {
  if (flags.once === true) return schedulerStartCommand(terminal, [], flags);
  throw new BatchPredictError("BP_USAGE", "say what the scheduler is to do", {
    hints: ["scheduler start keeps going, scheduler --once does what is due and ends, scheduler status looks"],
  });
}

export async function schedulerStartCommand(
  terminal: Terminal,
  _args: string[],
  flags: Record<string, unknown>,
): Promise<number> {
  const host = nodeHost();
  const once = flags.once === true;
  const standby = flags.standby === true;
  if (once && standby)
    throw new BatchPredictError("BP_USAGE", "--once and --standby exclude each other", { hints: ["leave one out"] });
  const nowMs = (): number => host.date().getTime();
  const ledger = openState(flags, host);
  const jobsDir = path.resolve(host.cwd, jobsDirOf(flags));
  const log = new SchedulerLog(terminal, nowMs);
  const watch = watchSignals({ say: (text) => log.say(text.replace(/: .*/, ": finishing what runs, starting nothing new")) });
  let failed = false;
  let lastTickMs = nowMs();
  const alarm = once ? NO_ALARM : cronAlarm(nowMs, () => scheduler.wake());
  const outbox = new Outbox({
    ledger,
    notifyOf: (job) => scheduler.jobFile(job)?.job.notify,
    env: host.env,
    userAgent: `batchpredict/${PACKAGE_VERSION}`,
    nowMs,
    random: Math.random,
    onFailure: (entry, detail, again) => {
      log.warn(
        `message "${entry.event}" of ${entry.job} ${entry.runKey}: the receiver ${detail}; ${again ? "tried again later" : "given up"}`,
      );
    },
  });
  const scheduler: Scheduler = new Scheduler({
    ledger,
    folder: new JobFolderReader({ jobsDir, cwd: host.cwd, env: host.env }),
    table: nodeProcessTable(),
    launch: launchRun,
    outbox,
    alarm,
    owner: uuidv7(),
    nowMs,
    random: Math.random,
    maxActive: countOf(flags.parallel, PARALLEL, "--parallel"),
    stateDir: stateDirOf(flags, host),
    cwd: host.cwd,
    env: host.env,
    onTick: () => {
      lastTickMs = nowMs();
    },
    onNews: (news) => {
      failed ||= news.type === "ended" && ["failed", "cancelled"].includes(news.run.state);
      log.news(news);
    },
  });
  const text = (): string => prometheusText(figuresOf(ledger, lastTickMs));
  const textfile = flags.metricsFile === undefined ? null : path.resolve(host.cwd, String(flags.metricsFile));
  const writeFigures = (): void => {
    if (textfile === null) return;
    try {
      writeTextfile(textfile, text());
    } catch (error) {
      log.warn(`${textfile} could not be written: ${toWire(error).message}`);
    }
  };
  let server: Server | null = null;
  let figures: NodeJS.Timeout | undefined;
  try {
    if (flags.metricsPort !== undefined) server = await listen(flags.metricsPort, text, () => nowMs() - lastTickMs < 60_000);
    if (textfile !== null && !once) figures = setInterval(writeFigures, FIGURES_EVERY_MS);
    const served: Served | { end: "done" } = once
      ? await serveOnce(scheduler, watch.signal)
      : await serve({
          scheduler,
          jobsDir,
          standby,
          stop: watch.signal,
          onHolder: (holder) => log.say(`standing by: ${describe(holder)} is at work`),
          onActive: () => log.say(`scheduler of ${jobsDir} at work (process ${process.pid}, Ctrl+C to stop)`),
        });
    if (served.end === "busy") throw busy(served.holder);
    await outbox.drain();
    writeFigures();
    if (served.end === "done") return failed ? 1 : 0;
    if (served.left > 0) log.say(`${served.left} runs go on and are adopted by the next scheduler`);
    log.say("scheduler stopped");
    return once ? signalExit(watch) : 0;
  } finally {
    alarm.stop();
    clearInterval(figures);
    server?.close();
    server?.closeAllConnections();
    watch.release();
    ledger.close();
  }
}

export async function schedulerStatusCommand(
  terminal: Terminal,
  _args: string[],
  flags: Record<string, unknown>,
): Promise<number> {
  const host = nodeHost();
  const ledger = openStateIfThere(flags, host);
  try {
    const holder = ledger?.scheduler() ?? null;
    const seen = holder === null ? "dead" : nodeProcessTable().look(holder.process);
    const running = holder !== null && seen !== "dead" && holder.leaseUntilMs > host.date().getTime();
    const depth = ledger?.outboxDepth() ?? { due: 0, givenUp: 0 };
    const report: StatusReport = {
      running,
      holder: holder && {
        owner: holder.owner,
        host: holder.process.host,
        pid: holder.process.pid,
        since: new Date(holder.sinceMs).toISOString(),
        lease_until: new Date(holder.leaseUntilMs).toISOString(),
        process: seen,
      },
      active: (ledger?.active() ?? []).map(historyEntry),
      queued: ledger?.history(null, { states: ["scheduled"] }).length ?? 0,
      outbox: { due: depth.due, given_up: depth.givenUp },
    };
    if (terminal.json) terminal.printJson(report);
    else terminal.print(statusText(report, terminal.paint));
    return running ? 0 : 1;
  } finally {
    ledger?.close();
  }
}

async function listen(port: unknown, text: () => string, healthy: () => boolean): Promise<Server> {
  const number = Number(port);
  if (!Number.isInteger(number) || number < 0 || number > 65_535) {
    throw new BatchPredictError("BP_USAGE", `--metrics-port: "${port}" is no port`, {
      expected: "1 to 65535",
      hints: ["for example --metrics-port 9464"],
    });
  }
  try {
    return await serveFigures(number, text, healthy);
  } catch (error) {
    throw new BatchPredictError("BP_CONFIG", `port ${number} on 127.0.0.1 cannot be opened`, {
      actual: (error as NodeJS.ErrnoException).code ?? String(error),
      hints: ["give --metrics-port another one"],
    });
  }
}

function describe({ process: held, sinceMs }: SchedulerHolder): string {
  return `process ${held.pid} on ${held.host} since ${new Date(sinceMs).toISOString()}`;
}

function busy(holder: SchedulerHolder | null): BatchPredictError {
  return new BatchPredictError("BP_BUSY", "another scheduler is at work on this state folder", {
    ...(holder ? { actual: describe(holder) } : {}),
    hints: ["scheduler start --standby waits and takes over when it ends", "--state-dir names another state folder"],
    exitCode: BUSY_EXIT,
  });
}
