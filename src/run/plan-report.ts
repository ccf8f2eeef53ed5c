/** A prepared run as data: what `plan --json` prints. Keys are part of the contract; more may be added. */
import type { BoundColumn, MissingPolicy } from "../core/binding-plan.ts";
import { type CsvDialect, isTextFormat, type SourceColumn } from "../core/source.ts";
import type { TensorType } from "../core/tensor-types.ts";
import type { PreparedRun } from "./prepare-run.ts";

export interface PlanReport {
  model: { path: string; sha256: string; opset: Record<string, number>; producer: string; rewritten: boolean };
  input: {
    format: string;
    files: string[];
    rows: number | null;
    rows_estimate: number | null;
    bytes: number | null;
    dialect: CsvDialect | null;
  };
  /** The job's preprocessing module. */
  transform?: { path: string; sha256: string; imports: string[] } | null;
  inputs: {
    name: string;
    type: string;
    shape: (number | string)[];
    columns: string[];
    casts: string[];
    missing: string;
    origin: string;
  }[];
  /** Model inputs that nothing is bound to: they keep the value that the model file holds for them. */
  defaults?: { name: string; type: string; shape: (number | string | null)[] }[];
  outputs: { name: string; type: string; shape: (number | string)[]; columns: string[] }[];
  keep: { name: string; type: string }[];
  output: { path: string; format: string; table: string | null; if_exists: string; columns: { name: string; type: string }[] };
  /** Estimated from the input's size where only reading it would tell. */
  chunks: number | null;
  chunk_bytes: number;
  workers: number;
  threads: number;
  batch_size: number;
  /** Chunks handed out and not yet written. */
  chunks_in_flight: number;
  memory_estimate_bytes: number;
  /** The user's, or the container's; null: none. `origin.memoryLimitBytes` says which. */
  memory_limit_bytes: number | null;
  onnxruntime_version: string;
  /** For each setting, where it came from. */
  origin: Record<string, string>;
  notices: string[];
}

export async function planReport(prepared: PreparedRun): Promise<PlanReport> {
  const { resolved, signature, source, binding, sizing, outputs, probe } = prepared;
  const { settings, origins } = resolved;
  const { description } = source;
  const byIndex = (index: number): SourceColumn => prepared.columns[index]!;
  const keep = binding.plan.keep.map((column) => ({ name: column.name, type: keptTypeText(byIndex(column.index), column.type) }));
  const predicted = outputs.columns.map((column) => ({
    name: column.name,
    type: column.element === null ? `list<${writtenType(column.type)}>[${column.listSize}]` : writtenType(column.type),
  }));
  const row = outputs.rowColumn === null ? [] : [{ name: outputs.rowColumn, type: "int64" }];
  return {
    model: {
      path: signature.path,
      sha256: signature.sha256,
      opset: signature.opset,
      producer: [signature.producer.name, signature.producer.version].filter((part) => part !== "").join(" "),
      rewritten: signature.rewritten,
    },
    input: {
      format: description.format,
      files: description.files.map((file) => file.path),
      rows: description.rows,
      rows_estimate: description.rowsEstimate,
      bytes: description.bytes,
      dialect: description.dialect,
    },
    transform: prepared.transform,
    inputs: [
      ...binding.plan.inputs.map((input) => {
        const columns = input.from.kind === "list" ? [input.from.column] : input.from.columns;
        return {
          name: input.input,
          type: input.type,
          shape: ["N", ...input.rowShape],
          columns: columns.map((column) => column.name),
          casts: casts(columns, input.type, byIndex),
          missing: [...new Set(columns.map((column) => missingText(column.missing)))].join(", "),
          origin: binding.origins[input.input] ?? "",
        };
      }),
      ...binding.plan.constants.map((constant) => ({
        name: constant.input,
        type: constant.type,
        shape: constant.perRow ? ["N", ...constant.shape] : constant.shape,
        columns: [],
        casts: [`constant ${constant.values.join(", ")}`],
        missing: "",
        origin: binding.origins[constant.input] ?? "",
      })),
    ],
    defaults: signature.inputs
      .filter(({ name, optional }) => optional && !Object.hasOwn(binding.origins, name))
      .map(({ name, type, shape }) => ({ name, type, shape: [...shape] })),
    outputs: outputs.outputs.map((output) => ({
      name: output.output,
      type: output.type,
      shape: ["N", ...(probe.outputs[output.output]?.rowShape ?? [])],
      columns: outputs.columns.filter((column) => column.output === output.output).map((column) => column.name),
    })),
    keep,
    output: {
      path: settings.output,
      format: settings.outputFormat,
      table: settings.outputFormat === "sqlite" ? settings.table : null,
      if_exists: settings.ifExists,
      columns: [...keep, ...row, ...predicted],
    },
    chunks: await chunkCount(prepared),
    chunk_bytes: sizing.chunkBytes,
    workers: sizing.workers,
    threads: sizing.threads,
    batch_size: sizing.batchSize,
    chunks_in_flight: sizing.inFlight,
    memory_estimate_bytes: sizing.memory.plannedBytes,
    memory_limit_bytes: sizing.memory.limit?.bytes ?? null,
    onnxruntime_version: probe.runtimeVersion,
    origin: {
      ...origins,
      ...sizing.origins,
      ...(sizing.memory.limit ? { memoryLimitBytes: sizing.memory.limit.origin } : {}),
      ...Object.fromEntries(Object.entries(binding.origins).map(([name, from]) => [`bind ${name}`, from])),
    },
    notices: binding.notices,
  };
}

/** float16 predictions are written as float32: the same values, readable everywhere. */
function writtenType(type: TensorType): string {
  return type === "float16" ? "float32" : type;
}

function casts(columns: BoundColumn[], type: TensorType, column: (index: number) => SourceColumn): string[] {
  const kinds = new Set(columns.map(({ index }) => column(index).type));
  return [...kinds]
    .filter((kind) => kind !== type && !(kind === "text" && type === "string"))
    .map((kind) => `${kind} -> ${type}`);
}

function missingText(policy: MissingPolicy): string {
  return typeof policy === "string" ? policy : `value ${JSON.stringify(policy.value)}`;
}

function keptTypeText(column: SourceColumn, type: string): string {
  return type === "source" ? column.type : type;
}

/** Counted where planning costs nothing (record batches, row groups), estimated from the size for text, unknown for stdin. */
async function chunkCount({ source, sizing, chunks }: PreparedRun): Promise<number | null> {
  const { bytes, format } = source.description;
  if (bytes === null) return null;
  if (isTextFormat(format)) return Math.max(1, Math.ceil(bytes / sizing.chunkBytes));
  let count = 0;
  while (!(await chunks.next()).done) count++;
  return count;
}
