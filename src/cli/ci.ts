/** What a run leaves for the CI system it runs in: JUnit when asked for, GitHub's step summary and annotations when it is there. */
import fs from "node:fs";
import path from "node:path";
import type { RunSummary } from "../core/events.ts";
import type { Host } from "../core/host.ts";
import { annotations, junitXml, stepSummary } from "../report/ci-reports.ts";
import type { Terminal } from "./terminal.ts";

/** Never throws: a report that cannot be written is a warning, because the run is what counts. */
export function tellCi(terminal: Terminal, host: Host, flags: Record<string, unknown>, summary: RunSummary): void {
  const junit = flags.junit as string | undefined;
  if (junit !== undefined) {
    attempt(terminal, `the JUnit file ${junit}`, () => {
      const file = path.resolve(host.cwd, junit);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, junitXml(summary));
    });
  }
  const stepFile = host.env.GITHUB_STEP_SUMMARY;
  if (!stepFile) return;
  attempt(terminal, "the step summary", () => {
    const present = fs.statSync(stepFile, { throwIfNoEntry: false })?.size ?? 0;
    const text = stepSummary(summary, present);
    if (text !== null) fs.appendFileSync(stepFile, text);
  });
  // The runner reads both streams; stdout belongs to data.
  for (const line of annotations(summary)) terminal.complain(line);
}

function attempt(terminal: Terminal, what: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    terminal.warn(`${what} could not be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}
