/**
 * A machine of which the test turns the clock: processes are numbers that live or not, signals are written down. The scheduler on it is
 * the real one, with a real ledger and real job files.
 */
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { uuidv7 } from "uuidv7";
import { type Ledger, openLedger } from "../../../src/schedule/ledger.ts";
import type { Outcome } from "../../../src/schedule/outcome.ts";
import { JobFolderReader } from "../../../src/schedule/process/job-folder.ts";
import type { LaunchOptions } from "../../../src/schedule/process/launch-run.ts";
import { Outbox } from "../../../src/schedule/process/outbox.ts";
import type { ProcessTable } from "../../../src/schedule/process/process-table.ts";
import { Scheduler, type SchedulerNews } from "../../../src/schedule/process/scheduler.ts";
import type { Fence, ProcessIdentity, RunRow } from "../../../src/schedule/run-row.ts";

export interface Launch {
  pid: number;
  fence: Fence;
  jobFile: string;
  exit(code: number | null, signal?: NodeJS.Signals): Promise<void>;
}

export class Machine {
  readonly dir = mkdtempSync(path.join(tmpdir(), "batchpredict-machine-"));
  readonly jobsDir = path.join(this.dir, "jobs");
  readonly ledger: Ledger;
  readonly launches: Launch[] = [];
  readonly signals: string[] = [];
  readonly alive = new Set<number>();
  env: Record<string, string> = {};
  /** What a draw of the dice gives: backoffs are this share of the longest one. */
  dice = 0.5;
  nowMs: number;
  private pids = 1000;
  private edits = 0;

  constructor(now: string) {
    this.nowMs = Date.parse(now);
    mkdirSync(this.jobsDir);
    this.ledger = openLedger({ stateDir: path.join(this.dir, "state"), newId: uuidv7 });
  }

  /** @param lines YAML beside model, input and output */
  job(name: string, ...lines: string[]): string {
    const file = path.join(this.jobsDir, `${name}.yaml`);
    const needed = ["version: 1", "model: {path: m.onnx}", "input: {path: i.csv}", "output: {path: o.csv}"];
    writeFileSync(file, [...needed, ...lines, ""].join("\n"));
    // Two edits within one tick of the disk's clock are still two.
    utimesSync(file, 1_700_000_000 + ++this.edits, 1_700_000_000 + this.edits);
    return file;
  }

  scheduler(): MachineScheduler {
    return new MachineScheduler(this);
  }

  table(own: ProcessIdentity): ProcessTable {
    return {
      self: () => own,
      identify: (pid) => ({ host: "here", bootId: "boot", pid, startTime: `s${pid}` }),
      look: ({ pid }) => (this.alive.has(pid) ? "alive" : "dead"),
      signal: (pid, signal) => void this.signals.push(`${signal} ${pid}`),
      signalGroup: (pid, signal) => void this.signals.push(`${signal} group ${pid}`),
    };
  }

  newPid(): number {
    const pid = ++this.pids;
    this.alive.add(pid);
    return pid;
  }

  launch(options: LaunchOptions) {
    const pid = this.newPid();
    let over: (end: { code: number | null; signal: NodeJS.Signals | null }) => void;
    const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
      over = resolve;
    });
    const exit = async (code: number | null, signal: NodeJS.Signals | null = null): Promise<void> => {
      this.alive.delete(pid);
      over({ code, signal });
      await turn();
    };
    this.launches.push({ pid, fence: options.fence, jobFile: options.jobFile, exit: exit as Launch["exit"] });
    return { pid, exited, release: () => {} };
  }

  get last(): Launch {
    const launch = this.launches.at(-1);
    if (!launch) throw new Error("nothing was started");
    return launch;
  }

  run(launch = this.last): RunRow {
    return this.ledger.run(launch.fence.id)!;
  }

  /** Its process tells the ledger how it ended, then it is gone. */
  async end(outcome: Outcome, launch = this.last): Promise<void> {
    let fence: Fence = { ...launch.fence, state: this.run(launch).state };
    if (outcome.kind === "succeeded") fence = this.ledger.committing(fence, this.nowMs)!;
    this.ledger.settle(fence, outcome, this.nowMs, () => this.dice);
    await launch.exit(0);
  }

  story(job: string): string[] {
    const rows = this.ledger.history(job).reverse();
    return rows.map((run) => `${run.runKey} ${run.state}${run.reason === null ? "" : ` ${run.reason}`}`);
  }

  remove(): void {
    this.ledger.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export const SUCCESS: Outcome = { kind: "succeeded", rows: { read: 10, predicted: 10, rejected: 0 }, output: "o.csv" };

/** Promises and immediates that wait, done. */
export async function turn(): Promise<void> {
  for (let times = 0; times < 5; times++) await new Promise((resolve) => setImmediate(resolve));
}

export class MachineScheduler {
  readonly scheduler: Scheduler;
  readonly news: SchedulerNews[] = [];
  readonly outbox: Outbox;
  readonly pid: number;
  /** When the alarm is to ring. */
  wakeMs: number | null = null;

  constructor(private readonly machine: Machine) {
    const { ledger } = machine;
    this.pid = machine.newPid();
    const nowMs = (): number => machine.nowMs;
    const random = (): number => machine.dice;
    this.outbox = new Outbox({
      ledger,
      notifyOf: (job) => this.scheduler.jobFile(job)?.job.notify,
      env: machine.env,
      userAgent: "test",
      nowMs,
      random,
      onFailure: () => {},
    });
    this.scheduler = new Scheduler({
      ledger,
      folder: new JobFolderReader({ jobsDir: machine.jobsDir, cwd: machine.dir, env: {} }),
      table: machine.table({ host: "here", bootId: "boot", pid: this.pid, startTime: `s${this.pid}` }),
      launch: (options) => machine.launch(options),
      outbox: this.outbox,
      alarm: {
        set: (atMs) => {
          this.wakeMs = atMs;
        },
        stop: () => {},
      },
      owner: `scheduler-${this.pid}`,
      nowMs,
      random,
      maxActive: 4,
      stateDir: path.join(machine.dir, "state"),
      cwd: machine.dir,
      env: {},
      onNews: (news) => this.news.push(news),
    });
  }

  /** Time goes on to an instant, with a tick whenever the alarm rings, and one at the end. */
  async until(time: string | number): Promise<void> {
    const end = typeof time === "number" ? time : Date.parse(time);
    while (this.wakeMs !== null && this.wakeMs < end) {
      this.machine.nowMs = Math.max(this.machine.nowMs, this.wakeMs);
      await this.tick();
    }
    this.machine.nowMs = end;
    await this.tick();
  }

  async tick(): Promise<void> {
    this.wakeMs = null;
    this.scheduler.tick();
    await this.outbox.drain();
    await turn();
  }
}
