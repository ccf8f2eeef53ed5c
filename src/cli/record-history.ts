/** Writes a run of the command line into the history of its state folder. A history that cannot be written is one warning, never a failed run. */
import { createHash } from "node:crypto";
import type { JobFile } from "../config/read-job.ts";
import { ENVIRONMENT } from "../config/run-flags.ts";
import { toWire } from "../core/errors.ts";
import type { RunEvent } from "../core/events.ts";
import type { Host } from "../core/host.ts";
import type { ResolvedRun } from "../core/settings.ts";
import type { BeginLine } from "../history/record.ts";
import { RunRecorder } from "../history/recorder.ts";
import { forgetOldest } from "../history/records.ts";
import { type Redact, redactor, secretNames } from "../history/redact.ts";
import { hasEnded } from "../history/run-view.ts";
import { nodeProcessTable } from "../schedule/process/process-table.ts";
import { PACKAGE_VERSION } from "../version.ts";
import type { Terminal } from "./terminal.ts";

export interface HistoryRun {
  resolved: ResolvedRun;
  job: JobFile | null;
  runId: string;
  /** The ledger gave the id, so the record keeps it whatever the sink says. */
  inLedger: boolean;
}

/** @returns to be called with every event of the run, the last of them "finished" */
export function recordHistory(terminal: Terminal, host: Host, run: HistoryRun): (event: RunEvent) => void {
  const { stateDir } = run.resolved.settings;
  let recorder: RunRecorder | null = null;
  const guarded = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      recorder = null;
      terminal.warn(`this run is not in the history: ${toWire(error).message} (--state-dir names another folder)`);
    }
  };
  const redact = redactor(secretNames(run.job?.job.notify).map((name) => host.env[name]));
  guarded(() => {
    recorder = new RunRecorder(stateDir, run.runId, beginLine(host, run, redact), { movable: !run.inLedger, redact });
  });
  let rowsTotal: number | null = null;
  return (event) => {
    if (recorder === null) return;
    const pen = recorder;
    guarded(() => {
      if (event.type === "started") {
        rowsTotal = event.rowsTotal;
        pen.goesOnAs(event.runId);
      } else if (event.type === "progress") {
        pen.progress(event.progress.rowsRead, event.progress.rowsTotal ?? rowsTotal, host.date());
      } else if (event.type === "finished") {
        pen.goesOnAs(event.summary.run_id);
        pen.end(event.summary, host.date());
        const { look } = nodeProcessTable();
        forgetOldest(stateDir, (record) => hasEnded(record, look));
      }
    });
  };
}

function beginLine(host: Host, { resolved, job }: HistoryRun, redact: Redact): BeginLine {
  const { settings } = resolved;
  const argv = process.argv.slice(2);
  return {
    kind: "begin",
    version: 1,
    at: host.date().toISOString(),
    job: settings.job,
    job_file: job?.path ?? null,
    argv,
    cwd: host.cwd,
    env: environmentOf(host),
    redacted: argv.some((arg) => redact(arg) !== arg),
    process: nodeProcessTable().self(),
    version_of: { batchpredict: PACKAGE_VERSION, node: process.versions.node },
    inputs: settings.inputs,
    model: settings.model,
    output: {
      path: settings.output,
      format: settings.outputFormat,
      table: settings.outputFormat === "sqlite" ? settings.table : null,
    },
    settings_sha256: createHash("sha256").update(JSON.stringify(settings)).digest("hex"),
  };
}

/** What a shell of another day would not have; the state folder is the one the record lies in. */
function environmentOf({ env }: Host): Record<string, string> {
  const names = Object.values(ENVIRONMENT).map(({ name }) => name);
  return Object.fromEntries(
    names.flatMap((name) => (env[name] && name !== ENVIRONMENT.stateDir.name ? [[name, env[name]] as const] : [])),
  );
}
