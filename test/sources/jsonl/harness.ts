import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Vector } from "apache-arrow";
import { afterAll } from "vitest";
import type { BindingPlan, InputBinding, MissingPolicy } from "../../../src/core/binding-plan.ts";
import type { ChunkReject, DecodedChunk, ValueCount } from "../../../src/core/chunk.ts";
import type { CsvOptions, SourceDescription, SourceFile } from "../../../src/core/source.ts";
import type { TensorType } from "../../../src/core/tensor-types.ts";
import { openJsonlSource } from "../../../src/sources/jsonl/index.ts";
import { openJsonlReader } from "../../../src/sources/jsonl/reader.ts";

const folder = mkdtempSync(join(tmpdir(), "batchpredict-jsonl-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
export function write(content: string | Uint8Array, name = "data.jsonl"): SourceFile {
  const path = join(folder, `${files++}-${name}`);
  writeFileSync(path, content);
  const { size, mtimeMs } = statSync(path);
  return { path, sizeBytes: size, mtimeMs };
}

export type MakePlan = (description: SourceDescription) => BindingPlan;

export const keepAll: MakePlan = ({ columns }) => ({
  inputs: [],
  constants: [],
  keep: columns.map(({ name, index, keptType }) => ({ name, column: name, index, type: keptType })),
  onError: "reject",
});

export function feed(type: TensorType, names: string[], missing: MissingPolicy = "nan"): MakePlan {
  return ({ columns }) => {
    const bound = names.map((name) => ({ name, index: columns.find((column) => column.name === name)!.index, missing }));
    const input: InputBinding = {
      input: "x",
      type,
      rowShape: [names.length],
      rowSize: names.length,
      from: { kind: "columns", columns: bound },
    };
    return { inputs: [input], constants: [], keep: [], onError: "reject" };
  };
}

export interface ReadBack {
  description: SourceDescription;
  decoded: DecodedChunk[];
  rows: unknown[][];
  values: unknown[];
  /** rowInChunk and lineInChunk made absolute. */
  rejects: ChunkReject[];
  counts: ValueCount[];
}

export async function readJsonl(
  content: string | Uint8Array,
  makePlan: MakePlan = keepAll,
  csv: CsvOptions = {},
  chunkBytes = 1,
  name = "data.jsonl",
): Promise<ReadBack> {
  const source = await openJsonlSource([write(content, name)], { csv });
  const { description } = source;
  const reader = await openJsonlReader(JSON.parse(JSON.stringify(description)), makePlan(description));
  const back: ReadBack = { description, decoded: [], rows: [], values: [], rejects: [], counts: [] };
  try {
    let row = 0;
    let line = 0;
    for await (const chunk of source.chunks({ chunkBytes })) {
      const decoded = await reader.read(chunk);
      const columns = decoded.kept.map((data) => Array.from(new Vector([data]) as Iterable<unknown>));
      for (let i = 0; i < decoded.rows; i++) back.rows.push(columns.map((column) => plain(column[i])));
      for (const { data } of decoded.tensors) back.values.push(...(data as Iterable<unknown>));
      for (const reject of decoded.rejects) {
        back.rejects.push({ ...reject, rowInChunk: reject.rowInChunk + row, lineInChunk: reject.lineInChunk! + line });
      }
      back.counts.push(...decoded.counts);
      row += decoded.rowsRead;
      line += decoded.lines;
      back.decoded.push(decoded);
    }
    return back;
  } finally {
    await reader.close();
    await source.close();
  }
}

function plain(value: unknown): unknown {
  return value instanceof Vector ? Array.from(value as Iterable<unknown>) : value;
}
