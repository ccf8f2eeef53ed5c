/** The end of a run for people. Pure. */
import type { RunSummary } from "../core/events.ts";
import type { Paint } from "./error-text.ts";
import { formatBytes, formatCount, formatSeconds, formatTable, printable, printableBlock } from "./format.ts";

export function summaryText(summary: RunSummary, paint: Paint): string {
  const { rows, output, rejects } = summary;
  const head =
    summary.status === "succeeded"
      ? `${paint("green", "done")}: ${formatCount(rows.predicted)} prediction${rows.predicted === 1 ? "" : "s"}${output ? ` in ${printableBlock(output.path, "  ")}` : ""}`
      : paint("yellow", summary.status);
  const lines: [string, string][] = [
    ["rows", `${formatCount(rows.read)} read, ${formatCount(rows.predicted)} predicted, ${formatCount(rows.rejected)} rejected`],
    [
      "time",
      `${formatSeconds(summary.seconds)}, ${formatCount(summary.rows_per_second)} rows/s, ${formatBytes(summary.bytes_read)} read, peak memory ${formatBytes(summary.peak_memory_bytes)}`,
    ],
  ];
  const { memory } = summary;
  if (memory?.limit_bytes) {
    const [peak, limit, planned] = [summary.peak_memory_bytes, memory.limit_bytes, memory.planned_bytes].map(formatBytes);
    lines.push(["memory", `${peak} at the peak, ${planned} planned, limit ${limit} (${memory.limit_origin})`]);
  }
  if (output) lines.push(["output", `${printable(output.path)} (${output.format}, ${formatBytes(output.bytes)})`]);
  if (rejects)
    lines.push(["rejects", `${printable(rejects.path)} (${formatCount(rejects.rows)} row${rejects.rows === 1 ? "" : "s"})`]);
  lines.push(["model", `sha256 ${summary.model.sha256.slice(0, 16)}, ONNX Runtime ${summary.onnxruntime_version}`]);
  lines.push([
    "run",
    `${summary.run_id} (${summary.workers} worker${summary.workers === 1 ? "" : "s"}, batches of ${summary.batch_size})`,
  ]);
  return `${head}\n${formatTable(lines, "  ", 400)}`;
}
