import path from "node:path";
import { showPath } from "../config/find-job.ts";
import { BatchPredictError } from "../core/errors.ts";
import { initJob } from "../init/init-job.ts";
import { initText } from "../report/init-text.ts";
import { nodeHost } from "./node-host.ts";
import { resolveFlags } from "./resolve-flags.ts";
import { watchSignals } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

/** Exit 0: written and tried. 2: written with something to fill in, or not written. */
export async function initCommand(terminal: Terminal, _args: string[], flags: Record<string, unknown>): Promise<number> {
  const host = nodeHost();
  const watch = watchSignals(terminal);
  try {
    const { outputJob, force, ...given } = flags;
    const { settings } = resolveFlags(null, given, host, { outputOptional: true });
    if (settings.inputs.includes("-")) {
      throw new BatchPredictError("BP_USAGE", "a job cannot read standard input", {
        hints: ["give --input a file, a glob or a folder"],
      });
    }
    const report = await initJob(
      {
        model: settings.model,
        inputs: settings.inputs,
        inputFormat: settings.inputFormat,
        csv: settings.csv,
        jobFile: outputJob === undefined ? null : jobFile(host.cwd, String(outputJob)),
        output: settings.output === "" ? null : settings.output,
        force: force === true,
      },
      host,
      watch.signal,
    );
    if (terminal.json) terminal.printJson(report);
    terminal.say(initText(report, showPath(report.path, host.cwd), terminal.paint));
    return report.runnable ? 0 : 2;
  } finally {
    watch.release();
  }
}

function jobFile(cwd: string, given: string): string {
  if (/\.ya?ml$/i.test(given)) return path.resolve(cwd, given);
  throw new BatchPredictError("BP_USAGE", `--output-job: "${given}" is no name of a YAML file`, {
    expected: "a path that ends in .yaml or .yml",
    hints: [`for example --output-job jobs/${path.basename(given).replace(/\.[^.]*$/, "") || "churn-daily"}.yaml`],
  });
}
