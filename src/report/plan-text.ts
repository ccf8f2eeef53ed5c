/** A plan for people: each decision with where it came from. Pure. */
import type { PlanReport } from "../run/plan-report.ts";
import type { Paint } from "./error-text.ts";
import { formatBytes, formatCount, formatTable, nameList, printableBlock } from "./format.ts";

const MAX_DEFAULTS = 10;

export function planText(plan: PlanReport, paint: Paint): string {
  const sections: [string, string][] = [
    ["model", modelLines(plan)],
    ["input", inputLines(plan)],
    ["transform", plan.transform ? transformLine(plan.transform) : ""],
    ["model inputs", formatTable([...plan.inputs.map(inputRow), ...defaultRows(plan)], "  ", 100)],
    [
      "model outputs",
      formatTable(
        plan.outputs.map((output) => [
          output.name,
          `${output.type} [${output.shape.join(", ")}]`,
          "->",
          nameList(output.columns),
        ]),
        "  ",
        100,
      ),
    ],
    ["output", outputLines(plan)],
    ["work", workLines(plan)],
    ["settings", formatTable(settingRows(plan), "  ", 100)],
  ];
  const notes = plan.notices.map((notice) => `${paint("dim", "note:")} ${printableBlock(notice, "  ")}`);
  return [
    ...sections.filter(([, body]) => body !== "").map(([title, body]) => `${paint("bold", title)}\n${body}`),
    ...notes,
  ].join("\n");
}

function modelLines({ model, onnxruntime_version }: PlanReport): string {
  const opset = Object.entries(model.opset).map(([domain, version]) => `${domain} ${version}`);
  return formatTable(
    [
      ["path", model.path],
      ["made by", `${model.producer || "unknown"}, opset ${opset.join(", ")}, ONNX Runtime ${onnxruntime_version}`],
      ["sha256", model.sha256],
      ...(model.rewritten ? [["changed", "ZipMap outputs are served as columns"]] : []),
    ],
    "  ",
    200,
  );
}

function transformLine({ path, sha256, imports }: NonNullable<PlanReport["transform"]>): string {
  const others = imports.length === 0 ? "" : ` and ${imports.length} file${imports.length === 1 ? "" : "s"} that it imports`;
  return `  ${printableBlock(path, "  ")}${others} (sha256 ${sha256.slice(0, 16)})`;
}

function inputLines({ input }: PlanReport): string {
  const rows =
    input.rows === null
      ? input.rows_estimate === null
        ? "unknown"
        : `about ${formatCount(input.rows_estimate)}`
      : formatCount(input.rows);
  const lines = [
    ["files", nameList(input.files, 4)],
    ["format", `${input.format}, ${rows} rows${input.bytes === null ? "" : `, ${formatBytes(input.bytes)}`}`],
  ];
  const { dialect } = input;
  if (dialect) {
    const parts = [
      `delimiter ${JSON.stringify(dialect.delimiter)}`,
      `quote ${dialect.quote === null ? "none" : JSON.stringify(dialect.quote)}`,
      dialect.encoding,
      dialect.header ? "header" : "no header",
      `decimal ${JSON.stringify(dialect.decimal)}`,
      ...(dialect.compression === "none" ? [] : [dialect.compression]),
    ];
    lines.push(["dialect", `${parts.join(", ")} (sniffed: ${dialect.sniffed.join(", ") || "nothing"})`]);
  }
  return formatTable(lines, "  ", 200);
}

function inputRow(input: PlanReport["inputs"][number]): string[] {
  const missing = input.missing === "" ? "" : `missing: ${input.missing}`;
  return [
    input.name,
    `${input.type} [${input.shape.join(", ")}]`,
    "<-",
    nameList(input.columns),
    input.casts.join("; "),
    missing,
    `(${input.origin})`,
  ];
}

/** Many weights are no inputs anyone means: then they are only counted. */
function defaultRows({ defaults = [] }: PlanReport): string[][] {
  if (defaults.length > MAX_DEFAULTS) {
    return [[`${formatCount(defaults.length)} others`, "", "<-", "their defaults in the model", "", "", "(not bound)"]];
  }
  const shape = (dimensions: readonly (number | string | null)[]): string => dimensions.map((size) => size ?? "?").join(", ");
  return defaults.map(({ name, type, shape: dimensions }) => {
    return [name, `${type} [${shape(dimensions)}]`, "<-", "its default in the model", "", "", "(not bound)"];
  });
}

function outputLines({ output, keep }: PlanReport): string {
  const table = output.table === null ? "" : `, table ${output.table}`;
  return formatTable(
    [
      ["path", output.path || "not given"],
      ["format", `${output.format}${table}, if it exists: ${output.if_exists}`],
      ["kept", keep.length === 0 ? "none" : nameList(keep.map((column) => `${column.name} ${column.type}`))],
      [
        "columns",
        nameList(
          output.columns.map((column) => `${column.name} ${column.type}`),
          12,
        ),
      ],
    ],
    "  ",
    400,
  );
}

function workLines(plan: PlanReport): string {
  const limit = plan.memory_limit_bytes === null ? "" : ` (limit ${formatBytes(plan.memory_limit_bytes)})`;
  const chunks = plan.chunks === null ? "as they come" : formatCount(plan.chunks);
  const text = `${chunks} chunks of ${formatBytes(plan.chunk_bytes)}, ${plan.workers} workers of ${plan.threads} threads, batches of ${formatCount(plan.batch_size)} rows, about ${formatBytes(plan.memory_estimate_bytes)} of memory${limit}`;
  return `  ${text}`;
}

function settingRows(plan: PlanReport): string[][] {
  return Object.entries(plan.origin)
    .filter(([, origin]) => origin !== "default")
    .map(([name, origin]) => [name, origin]);
}
