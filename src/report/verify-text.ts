/** The result of `verify` for people. Pure. */
import type { VerifyReport } from "../verify/verify-run.ts";
import type { Paint } from "./error-text.ts";
import { formatCount, formatSeconds, formatTable, nameList, printable } from "./format.ts";

export function verifyText(report: VerifyReport, paint: Paint): string {
  const { rows, columns, worst, batch, tolerances } = report;
  const equal = report.status === "equal";
  const count = (many: number, what: string): string => `${formatCount(many)} ${what}`;
  const lines = [
    `${equal ? paint("green", "equal") : paint("red", "different")}: ${count(rows.compared, "rows compared")} by ${printable(report.matched_by)}, in ${formatSeconds(report.seconds)}`,
    formatTable(
      columns.map(({ name, kind, mismatches, max_abs_difference }) => [
        name,
        kind === "float" ? `within ${tolerances.absolute} + ${tolerances.relative} * max(1, |expected|)` : "the same",
        mismatches === 0 ? "all" : `${formatCount(mismatches)} not`,
        kind === "float" ? `largest difference ${figure(max_abs_difference)}` : "",
      ]),
      "  ",
    ),
  ];
  if (rows.missing > 0) {
    const why = rows.rejected > 0 ? `, ${formatCount(rows.rejected)} of them rejected` : "";
    lines.push(`  ${paint("red", "missing")}: ${count(rows.missing, `expected rows without a prediction${why}`)}`);
  }
  if (rows.extra > 0) lines.push(`  ${paint("red", "extra")}: ${count(rows.extra, "predictions that nothing is expected of")}`);
  if (report.label_mismatches > 0) {
    lines.push(`  labels: ${count(report.label_mismatches, `rows differ, ${formatCount(report.allowed_label_mismatches)} may`)}`);
  }
  const { expected, predicted } = report.not_compared;
  if (expected.length > 0)
    lines.push(`  not compared: expected column ${printable(nameList(expected))}: nothing of that name is predicted`);
  if (predicted.length > 0) lines.push(`  not compared: prediction ${printable(nameList(predicted))}: nothing is expected of it`);
  if (worst.length > 0) {
    lines.push("worst rows");
    const rowsOf = worst.map((row) => [
      row.key
        ? Object.entries(row.key)
            .map(([name, value]) => `${name}=${value}`)
            .join(" ")
        : `row ${row.row}`,
      row.column,
      `expected ${row.expected}`,
      `got ${row.actual}`,
      `off by ${figure(row.difference)}`,
    ]);
    lines.push(formatTable(rowsOf, "  "));
  }
  if (batch) {
    const word = batch.within_tolerance ? "" : ` ${paint("red", "(more than allowed)")}`;
    const labels = batch.label_mismatches > 0 ? `, ${formatCount(batch.label_mismatches)} other labels` : "";
    lines.push(
      `one row per call instead of ${formatCount(batch.batch_size)}: largest difference ${figure(batch.max_abs_difference)} in ${count(batch.rows, "rows")}${labels}${word}`,
    );
  }
  if (report.dependence === "neighbours") {
    lines.push(
      `${paint("yellow", "warning:")} predictions of a row change with the rows around it: --batch-size 1 makes them independent`,
    );
  }
  return lines.join("\n");
}

function figure(value: number): string {
  if (!Number.isFinite(value)) return "no number";
  return value === 0 || Number.isInteger(value) ? String(value) : value.toPrecision(3);
}
