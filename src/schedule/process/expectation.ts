/** `expect` of a job file, looked at after the last row and before the output appears. */

import type { JobFile } from "../../config/read-job.ts";
import { BatchPredictError } from "../../core/errors.ts";
import { groupDigits } from "../../core/group-digits.ts";

/** @throws BP_EXPECTATION, exit code 3 */
export function checkExpectation(file: JobFile, rows: { read: number; predicted: number; rejected: number }): void {
  const { minRows, maxRows } = file.job.expect ?? {};
  const broken =
    minRows !== undefined && rows.predicted < minRows
      ? { key: "minRows", words: "fewer", expected: `at least ${count(minRows)}` }
      : maxRows !== undefined && rows.predicted > maxRows
        ? { key: "maxRows", words: "more", expected: `at most ${count(maxRows)}` }
        : null;
  if (broken === null) return;
  const line = file.lines[`expect.${broken.key}`];
  throw new BatchPredictError("BP_EXPECTATION", `${broken.words} predictions than the job expects`, {
    where: { file: file.shown, ...(line === undefined ? {} : { line }) },
    expected: broken.expected,
    actual: `${count(rows.predicted)} (${count(rows.read)} read, ${count(rows.rejected)} rejected)`,
    hints: [`look at the input, or change expect.${broken.key} in the job file`],
    exitCode: 3,
  });
}

function count(rows: number): string {
  return `${groupDigits(rows)} rows`;
}
