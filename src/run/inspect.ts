/** What a model or a dataset is, as data: what `inspect --json` prints. */
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { isErrno } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import type { CsvDialect, SourceFormat } from "../core/source.ts";
import { loadSignature } from "../model/load-signature.ts";
import { DATA_ENDINGS } from "../sources/expand-inputs.ts";
import { openSource } from "../sources/registry.ts";

export interface ModelReport {
  kind: "model";
  path: string;
  sha256: string;
  bytes: number;
  inputs: { name: string; type: string; shape: (number | string | null)[]; optional: boolean; binds: string }[];
  outputs: { name: string; type: string; shape: (number | string | null)[]; labels: string[] | null; zip_map: boolean }[];
  opset: Record<string, number>;
  ir_version: number;
  producer: string;
  graph: string;
  metadata: Record<string, string>;
  fixed_batch: number | null;
  external_data: string[];
}

export interface DataReport {
  kind: "data";
  format: SourceFormat;
  files: string[];
  bytes: number | null;
  dialect: CsvDialect | null;
  columns: { name: string; type: string; kept_as: string; feeds: string }[];
  rows: number | null;
  rows_estimate: number | null;
  preview: string[][];
}

/** @param file absolute path, or "-" */
export async function inspectFile(file: string, format: SourceFormat | null, host: Host): Promise<ModelReport | DataReport> {
  return format === null && (await looksLikeModel(file)) ? inspectModel(file) : inspectData(file, format, host);
}

async function inspectModel(file: string): Promise<ModelReport> {
  const { signature } = await loadSignature(file);
  return {
    kind: "model",
    path: signature.path,
    sha256: signature.sha256,
    bytes: signature.sizeBytes,
    inputs: signature.inputs.map((input) => ({ ...input, binds: bindingHint(input.shape) })),
    outputs: signature.outputs.map(({ name, type, shape, labels, zipMap }) => ({ name, type, shape, labels, zip_map: zipMap })),
    opset: signature.opset,
    ir_version: signature.irVersion,
    producer: [signature.producer.name, signature.producer.version].filter((part) => part !== "").join(" "),
    graph: signature.graphName,
    metadata: signature.metadata,
    fixed_batch: signature.fixedBatch,
    external_data: signature.externalData,
  };
}

async function inspectData(file: string, format: SourceFormat | null, host: Host): Promise<DataReport> {
  const source = await openSource([file], format === null ? { csv: {} } : { csv: {}, format }, () => host.stdin() as Readable);
  try {
    const { description } = source;
    return {
      kind: "data",
      format: description.format,
      files: description.files.map(({ path }) => path),
      bytes: description.bytes,
      dialect: description.dialect,
      columns: description.columns.map(({ name, type, keptType, role, numeric }) => ({
        name,
        type,
        kept_as: keptType === "source" ? type : keptType,
        feeds: role === "other" ? "nothing (kept only)" : role === "list" ? "a wide input" : numeric ? "numbers" : role,
      })),
      rows: description.rows,
      rows_estimate: description.rows ?? description.rowsEstimate,
      preview: description.preview,
    };
  } finally {
    await source.close();
  }
}

function bindingHint(shape: (number | string | null)[]): string {
  if (shape.length === 0) return "a constant";
  const row = shape.slice(1);
  if (!row.every((dimension) => typeof dimension === "number")) return "columns or a list column that fill the open dimensions";
  const size = (row as number[]).reduce((all, dimension) => all * dimension, 1);
  return size === 1 ? "one column" : `${size} columns, or a list column of ${size}`;
}

/** The name decides where it says anything; else binary bytes that no data format claims are taken for a model. */
async function looksLikeModel(file: string): Promise<boolean> {
  if (/\.(onnx|ort|pb)$/i.test(file)) return true;
  if (file === "-" || DATA_ENDINGS.test(file) || /\.gz$/i.test(file)) return false;
  try {
    const handle = await open(file, "r");
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(512), 0, 512, 0);
      const head = buffer.subarray(0, bytesRead);
      return !/^(ARROW1|PAR1|PARE|FEA1|\xff\xff\xff\xff|\xff\xfe|\xfe\xff)/.test(head.toString("latin1")) && head.includes(0);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isErrno(error, "EISDIR", "ENOENT", "EACCES")) return false;
    throw error;
  }
}
