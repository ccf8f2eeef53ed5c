import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Vector } from "apache-arrow";
import { afterAll } from "vitest";
import type { BindingPlan, InputBinding, KeptColumn, MissingPolicy } from "../../../src/core/binding-plan.ts";
import type { ByteChunk, ChunkReject, DecodedChunk } from "../../../src/core/chunk.ts";
import type { CsvOptions, Source, SourceDescription, SourceFile } from "../../../src/core/source.ts";
import type { TensorType } from "../../../src/core/tensor-types.ts";
import { openCsvSource } from "../../../src/sources/csv/index.ts";
import { openCsvReader } from "../../../src/sources/csv/reader.ts";

const folder = mkdtempSync(join(tmpdir(), "batchpredict-csv-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

export function fileOf(path: string): SourceFile {
  const { size, mtimeMs } = statSync(path);
  return { path, sizeBytes: size, mtimeMs };
}

let files = 0;
export function write(content: string | Uint8Array, name = "data.csv"): SourceFile {
  const path = join(folder, `${files++}-${name}`);
  writeFileSync(path, content);
  return fileOf(path);
}

export function keepAll(description: SourceDescription, type: KeptColumn["type"] = "utf8"): BindingPlan {
  const keep = description.columns.map(({ name, index }) => ({ name, column: name, index, type }));
  return { inputs: [], constants: [], keep, onError: "reject" };
}

/** Binds columns (by name) to one input of the given type. */
export function bind(
  description: SourceDescription,
  type: TensorType,
  names: string[],
  missing: MissingPolicy = "nan",
  input = "x",
): InputBinding {
  const columns = names.map((name) => ({
    name,
    index: description.columns.find((column) => column.name === name)!.index,
    missing,
  }));
  return { input, type, rowShape: [names.length], rowSize: names.length, from: { kind: "columns", columns } };
}

export interface ReadBack {
  description: SourceDescription;
  chunks: ByteChunk[];
  decoded: DecodedChunk[];
  /** Cells of good rows, in order; null where missing. */
  rows: unknown[][];
  /** With rowInChunk and lineInChunk made absolute over the file of the reject. */
  rejects: ChunkReject[];
}

export type MakePlan = (description: SourceDescription) => BindingPlan;

export async function readSource(source: Source, chunkBytes: number, makePlan: MakePlan = keepAll): Promise<ReadBack> {
  const { description } = source;
  const reader = await openCsvReader(JSON.parse(JSON.stringify(description)), makePlan(description));
  const back: ReadBack = { description, chunks: [], decoded: [], rows: [], rejects: [] };
  try {
    let row = 0;
    let line = 0;
    let file = 0;
    for await (const chunk of source.chunks({ chunkBytes })) {
      if (chunk.kind !== "bytes") throw new TypeError("not a chunk of bytes");
      if (chunk.file !== file) line = 0;
      file = chunk.file;
      const decoded = await reader.read(chunk);
      const columns = decoded.kept.map((data) => Array.from(new Vector([data]) as Iterable<unknown>));
      for (let i = 0; i < decoded.rows; i++) back.rows.push(columns.map((column) => column[i]));
      for (const reject of decoded.rejects) {
        back.rejects.push({ ...reject, rowInChunk: reject.rowInChunk + row, lineInChunk: reject.lineInChunk! + line });
      }
      row += decoded.rowsRead;
      line += decoded.lines;
      back.chunks.push(chunk as ByteChunk);
      // Tensors are views that hold until the next chunk.
      back.decoded.push({ ...decoded, tensors: decoded.tensors.map((tensor) => ({ ...tensor, data: tensor.data.slice() })) });
    }
    return back;
  } finally {
    await reader.close();
    await source.close();
  }
}

export async function readCsv(
  content: string | Uint8Array,
  csv: CsvOptions = {},
  chunkBytes = 7,
  makePlan?: MakePlan,
): Promise<ReadBack> {
  return readSource(await openCsvSource([write(content)], { csv }), chunkBytes, makePlan);
}
