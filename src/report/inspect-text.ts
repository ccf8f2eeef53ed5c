/** A model or a dataset for people. Pure. */
import type { DataReport, ModelReport } from "../run/inspect.ts";
import type { Paint } from "./error-text.ts";
import { formatBytes, formatCount, formatTable, nameList } from "./format.ts";

export function inspectText(report: ModelReport | DataReport, paint: Paint): string {
  return report.kind === "model" ? modelText(report, paint) : dataText(report, paint);
}

function modelText(report: ModelReport, paint: Paint): string {
  const shape = (dimensions: (number | string | null)[]): string =>
    `[${dimensions.map((dimension) => dimension ?? "?").join(", ")}]`;
  const head = formatTable(
    [
      ["path", report.path],
      ["size", `${formatBytes(report.bytes)}${report.external_data.length > 0 ? ` and ${nameList(report.external_data)}` : ""}`],
      ["sha256", report.sha256],
      [
        "made by",
        `${report.producer || "unknown"}, IR ${report.ir_version}, opset ${Object.entries(report.opset)
          .map(([domain, version]) => `${domain} ${version}`)
          .join(", ")}`,
      ],
      ...(report.fixed_batch === null ? [] : [["batch", `fixed: ${report.fixed_batch} rows per call`]]),
      ...Object.entries(report.metadata).map(([key, value]) => [key, value]),
    ],
    "  ",
    200,
  );
  const inputs = report.inputs.map((input) => [
    input.name,
    `${input.type} ${shape(input.shape)}`,
    `takes ${input.binds}`,
    input.optional ? "optional" : "",
  ]);
  const outputs = report.outputs.map((output) => [
    output.name,
    `${output.type} ${shape(output.shape)}`,
    output.labels ? `classes ${nameList(output.labels)}` : "",
    output.zip_map ? "from ZipMap" : "",
  ]);
  return [
    paint("bold", "model"),
    head,
    paint("bold", "inputs"),
    formatTable(inputs, "  "),
    paint("bold", "outputs"),
    formatTable(outputs, "  ", 120),
  ].join("\n");
}

function dataText(report: DataReport, paint: Paint): string {
  const rows =
    report.rows === null
      ? report.rows_estimate === null
        ? "unknown"
        : `about ${formatCount(report.rows_estimate)}`
      : formatCount(report.rows);
  const lines = [
    ["files", nameList(report.files, 4)],
    ["format", report.format],
    ["rows", rows],
    ...(report.bytes === null ? [] : [["size", formatBytes(report.bytes)]]),
  ];
  const { dialect } = report;
  if (dialect) {
    lines.push([
      "dialect",
      `delimiter ${JSON.stringify(dialect.delimiter)}, quote ${dialect.quote === null ? "none" : JSON.stringify(dialect.quote)}, ${dialect.encoding}, ${dialect.header ? "header" : "no header"}${dialect.compression === "none" ? "" : `, ${dialect.compression}`} (sniffed: ${dialect.sniffed.join(", ") || "nothing"})`,
    ]);
  }
  const columns = report.columns.map((column) => [
    column.name,
    column.type,
    `kept as ${column.kept_as}`,
    `feeds ${column.feeds}`,
  ]);
  const preview = [report.columns.map((column) => column.name), ...report.preview];
  return [
    paint("bold", "data"),
    formatTable(lines, "  ", 200),
    paint("bold", `${report.columns.length} columns`),
    formatTable(columns, "  "),
    paint("bold", "first rows"),
    formatTable(
      preview.map((row) => row.slice(0, 12)),
      "  ",
      20,
    ),
  ].join("\n");
}
