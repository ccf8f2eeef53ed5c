/** What `init` wrote, guessed and left open, for people. Pure. */
import type { InitReport } from "../init/init-job.ts";
import { errorText, type Paint } from "./error-text.ts";
import { nameList, printable } from "./format.ts";

/** @param shown the job file as it is to be named */
export function initText(report: InitReport, shown: string, paint: Paint): string {
  const lines = [`${report.runnable ? paint("green", "wrote") : paint("yellow", "wrote")} ${printable(shown)}`];
  const named = report.inputs.filter(({ named }) => named);
  if (named.length > 0) lines.push(`  by name: ${printable(nameList(named.map(({ input }) => input)))}`);
  for (const { input, columns, why, check } of report.inputs.filter(({ named }) => !named)) {
    const word = check ? paint("yellow", "check:") : "guessed:";
    lines.push(`  ${word} ${printable(`${input} takes ${nameList(columns)}: ${why}`)}`);
  }
  for (const { column, why } of report.left_out) lines.push(`  not used: ${printable(`${column} (${why})`)}`);
  for (const { input, shape, question } of report.open) {
    lines.push(`  ${paint("red", "to fill in:")} ${printable(`${input} (${shape}): ${question}`)}`);
  }
  if (report.error) lines.push(errorText(report.error, paint));
  lines.push(
    report.runnable
      ? `run it: batchpredict run ${printable(shown)}`
      : report.open.length > 0
        ? `not ready: fill in what is marked TO FILL IN in ${printable(shown)}, then run it`
        : `not ready: a trial of the job failed; mend it in ${printable(shown)}`,
  );
  return lines.join("\n");
}
