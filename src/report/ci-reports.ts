/** What continuous-integration systems read: GitHub's step summary and annotations, JUnit XML. Pure. */
import type { RunSummary } from "../core/events.ts";
import { formatBytes, formatCount, formatSeconds } from "./format.ts";

/** GitHub drops a step summary beyond 1 MiB as a whole, and shows 10 annotations per type and step. */
export const MAX_SUMMARY_BYTES = 1024 * 1024;
const MAX_ANNOTATIONS = 10;

/** Markdown for the file that GITHUB_STEP_SUMMARY names; null when there is no room beside what stands there already. */
export function stepSummary(summary: RunSummary, presentBytes: number): string | null {
  const { rows, output, error } = summary;
  const mark = summary.status === "succeeded" ? "✅" : summary.status === "cancelled" ? "⏹️" : "❌";
  const lines = [
    `### ${mark} ${markdown(summary.job ?? "batchpredict")}: ${summary.status}`,
    "",
    "| read | predicted | rejected | time | output |",
    "|---:|---:|---:|---:|---|",
    `| ${formatCount(rows.read)} | ${formatCount(rows.predicted)} | ${formatCount(rows.rejected)} | ${formatSeconds(summary.seconds)} | ${output ? `${markdown(output.path)} (${formatBytes(output.bytes)})` : "-"} |`,
    "",
  ];
  if (error) {
    lines.push(`**${error.code}**: ${markdown(error.message)}`, "");
    for (const hint of error.hints ?? []) lines.push(`- ${markdown(hint)}`);
    lines.push("");
  }
  for (const warning of summary.warnings.slice(0, MAX_ANNOTATIONS)) lines.push(`- ⚠️ ${markdown(warning)}`);
  const text = `${lines.join("\n")}\n`;
  return presentBytes + Buffer.byteLength(text) <= MAX_SUMMARY_BYTES ? text : null;
}

/** Workflow commands, one per line, for stdout of a step. */
export function annotations(summary: RunSummary): string[] {
  const title = command(summary.job ?? "batchpredict", true);
  const lines: string[] = [];
  const { error } = summary;
  const errors = error ? (error.problems ?? [error]) : [];
  for (const { code, message, where } of errors.slice(0, MAX_ANNOTATIONS)) {
    const file = where?.file === undefined ? "" : `,file=${command(where.file, true)}`;
    const line = where?.line === undefined ? "" : `,line=${where.line}`;
    lines.push(`::error title=${title}${file}${line}::${command(`${code}: ${message}`, false)}`);
  }
  for (const warning of summary.warnings.slice(0, MAX_ANNOTATIONS)) {
    lines.push(`::warning title=${title}::${command(warning, false)}`);
  }
  return lines;
}

/** One test suite with one case: the run. */
export function junitXml(summary: RunSummary): string {
  const name = xml(summary.job ?? "batchpredict");
  const { error } = summary;
  const seconds = summary.seconds.toFixed(3);
  const failure = error
    ? `\n    <failure type="${xml(error.code)}" message="${xml(error.message)}">${xml((error.hints ?? []).join("\n"))}</failure>`
    : "";
  const out = `${summary.rows.read} read, ${summary.rows.predicted} predicted, ${summary.rows.rejected} rejected`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="batchpredict" tests="1" failures="${error ? 1 : 0}" errors="0" time="${seconds}">
    <testcase classname="batchpredict" name="${name}" time="${seconds}">${failure}
      <system-out>${xml(out)}</system-out>
    </testcase>
  </testsuite>
</testsuites>
`;
}

/** Escapes as GitHub's toolkit does. */
function command(text: string, property: boolean): string {
  const data = text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  return property ? data.replaceAll(":", "%3A").replaceAll(",", "%2C") : data;
}

function markdown(text: string): string {
  return text.replace(/[\\`*_{}[\]<>#|~]/g, "\\$&").replace(/\s+/g, " ");
}

function xml(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
