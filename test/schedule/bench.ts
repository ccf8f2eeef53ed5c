/** A ledger in a folder of its own, a clock and a process table that the test turns by hand. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Job } from "../../src/config/job-schema.ts";
import { type JobDefinition, jobDefinition } from "../../src/schedule/definition.ts";
import { type Applied, type Ledger, openLedger } from "../../src/schedule/ledger.ts";
import { type PlanOptions, plan } from "../../src/schedule/planner.ts";
import type { Fence, Look, ProcessIdentity, RunRow } from "../../src/schedule/run-row.ts";

export const ROWS = { read: 10, predicted: 10, rejected: 0 };
export const at = (text: string): number => Date.parse(text);

/** @param fields as in a job file; model, input and output do not matter here */
export function definition(name: string, fields: Partial<Job>): JobDefinition {
  const job = {
    version: 1,
    model: { path: "m.onnx" },
    input: { path: "i.csv" },
    output: { path: "o.parquet" },
    ...fields,
  } as Job;
  return jobDefinition(name, job.timezone ?? "UTC", job);
}

export class Bench {
  readonly dir = mkdtempSync(path.join(tmpdir(), "batchpredict-schedule-"));
  readonly stateDir = path.join(this.dir, "state");
  ledger: Ledger;
  nowMs: number;
  owner = "scheduler-1";
  definitions: JobDefinition[] = [];
  /** Pids that live. */
  readonly alive = new Set<number>();
  private ids = 0;
  private pids = 100;

  constructor(now: string | number) {
    this.nowMs = typeof now === "number" ? now : at(now);
    this.ledger = this.open();
  }

  open(): Ledger {
    return openLedger({ stateDir: this.stateDir, newId: () => `run-${String(++this.ids).padStart(6, "0")}` });
  }

  readonly look: Look = ({ host, pid }) => (host !== "here" ? "elsewhere" : this.alive.has(pid) ? "alive" : "dead");

  newProcess(): ProcessIdentity {
    const pid = ++this.pids;
    this.alive.add(pid);
    return { host: "here", bootId: "boot", pid, startTime: "1" };
  }

  /** One tick of the planner at `now`. */
  tick(now?: string | number, options: Partial<PlanOptions> = {}): Applied {
    if (now !== undefined) this.nowMs = typeof now === "number" ? now : at(now);
    const actions = plan(this.definitions, this.ledger.state(this.look, this.nowMs), this.nowMs, {
      random: () => 0.5,
      maxActive: 1_000,
      ...options,
    });
    return this.ledger.apply(actions, { owner: this.owner, nowMs: this.nowMs });
  }

  /** The only run that the last tick claimed, begun as a process of its own. */
  begin({ claimed }: Applied): { fence: Fence; run: RunRow; process: ProcessIdentity } {
    const { fence, run } = claimed[0]!;
    const process = this.newProcess();
    const running = this.ledger.running(fence, process, this.nowMs, this.nowMs + 30_000);
    return { fence: running!, run, process };
  }

  succeed(fence: Fence): RunRow | null {
    const committing = this.ledger.committing(fence, this.nowMs);
    return (
      committing && this.ledger.settle(committing, { kind: "succeeded", rows: ROWS, output: "o.parquet" }, this.nowMs, () => 0.5)
    );
  }

  /** "2026-11-21 succeeded schedule", oldest first. */
  story(job: string): string[] {
    return this.ledger
      .history(job, { limit: 10_000 })
      .reverse()
      .map(
        (run) =>
          `${run.runKey} ${run.state}${run.reason ? ` ${run.reason}` : ""} ${run.trigger}${run.supersededBy ? " (taken over)" : ""}`,
      );
  }

  remove(): void {
    this.ledger.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
