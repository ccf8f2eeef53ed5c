/** The kernel's decoder beside the reference, for tests of either kind of table. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Data } from "apache-arrow";
import { makeVector } from "apache-arrow";
import fc from "fast-check";
import { afterAll, expect } from "vitest";
import type { BindingPlan, KeptType, MissingPolicy } from "../../../src/core/binding-plan.ts";
import type { DecodedChunk } from "../../../src/core/chunk.ts";
import type { CsvOptions, SourceDescription } from "../../../src/core/source.ts";
import type { TensorType } from "../../../src/core/tensor-types.ts";
import { CsvParseDecoder } from "../../../src/sources/csv/csv-parse-decoder.ts";
import { openCsvSource } from "../../../src/sources/csv/index.ts";
import { makeKernelDecoder } from "../../../src/sources/csv/kernel-decoder.ts";
import { fileOf } from "./harness.ts";

const folder = mkdtempSync(join(tmpdir(), "batchpredict-kernel-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Comparable {
  [key: string]: unknown;
}

/** Values only: buffers of the two differ in padding. NaN payloads are not told apart, but -0 is. */
function comparable(chunk: DecodedChunk): Comparable {
  const { tensors, kept, sourceRows, ...rest } = chunk;
  return {
    ...rest,
    sourceRows: sourceRows && [...sourceRows],
    tensors: tensors.map(({ input, type, data }) => ({ input, type, data: Array.from(data as Iterable<unknown>) })),
    kept: kept.map((data: Data) => ({ type: String(data.type), values: [...makeVector(data)] })),
  };
}

export async function describeCsv(
  bytes: Buffer | string,
  csv: CsvOptions,
): Promise<{ description: SourceDescription; data: Buffer }> {
  const path = join(folder, "input.csv");
  writeFileSync(path, bytes);
  const source = await openCsvSource([fileOf(path)], { csv });
  const parts: Buffer[] = [];
  for await (const chunk of source.chunks({ chunkBytes: 1 << 26 })) {
    if (chunk.kind === "bytes")
      parts.push(chunk.inline ? Buffer.from(chunk.inline) : readFileSync(path).subarray(chunk.byteStart, chunk.byteEnd));
  }
  await source.close();
  return { description: source.description, data: Buffer.concat(parts) };
}

export function bothDecode(description: SourceDescription, plan: BindingPlan, data: Buffer): { quick: boolean } {
  const reference = new CsvParseDecoder(description, plan).decode(Buffer.from(data), 100, 1);
  const kernel = makeKernelDecoder(description, plan);
  expect(comparable(kernel.decode(data, 100, 1))).toEqual(comparable(reference));
  // Read in place, and a second time over used memory.
  const place = kernel.reserve?.(data.length);
  if (place) {
    place.set(data);
    expect(comparable(kernel.decode(place, 100, 1))).toEqual(comparable(reference));
  }
  return { quick: place !== undefined };
}

export function planOf(
  description: SourceDescription,
  types: readonly (TensorType | null)[],
  missing: MissingPolicy,
  kept: KeptType,
  keeps: (column: number) => boolean = () => true,
): BindingPlan {
  const { columns } = description;
  return {
    onError: "reject",
    constants: [],
    inputs: types.flatMap((type, at) => {
      const column = columns[at % columns.length];
      if (type === null || !column) return [];
      const policy = missing === "nan" && !type.startsWith("float") ? "reject" : missing;
      const bound = { name: column.name, index: column.index, missing: policy };
      return [{ input: `in${at}`, type, rowShape: [], rowSize: 1, from: { kind: "columns" as const, columns: [bound] } }];
    }),
    keep: columns
      .filter(({ index }) => keeps(index))
      .map((column) => ({ name: column.name, column: column.name, index: column.index, type: kept })),
  };
}

/** Every length that the quick ways tell apart, the point anywhere, at times where no number has one. */
export const digits = fc
  .tuple(
    fc.constantFrom("", "-", "+", "--"),
    fc.string({ unit: fc.constantFrom(..."00123456789"), maxLength: 22, size: "max" }),
    fc.integer({ min: -6, max: 22 }),
    fc.constantFrom("", "", "", "", "", ".", "e2", "E-12", ":", "/", "\x8e", " "),
  )
  .map(([sign, text, point, tail]) => `${sign}${point < 0 ? text : `${text.slice(0, point)}.${text.slice(point)}`}${tail}`);
