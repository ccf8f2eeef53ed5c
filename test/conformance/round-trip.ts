/** One table through our sinks and back through our sources, in all four formats. */
import fs from "node:fs";
import path from "node:path";
import { type Data, Field, type Timestamp, Type } from "apache-arrow";
import fc from "fast-check";
import { expect } from "vitest";
import type { BindingPlan, InputBinding, MissingPolicy } from "../../src/core/binding-plan.ts";
import type { ValueCount } from "../../src/core/chunk.ts";
import type { SinkFormat } from "../../src/core/sink.ts";
import type { TensorType } from "../../src/core/tensor-types.ts";
import { openSink } from "../../src/sinks/registry.ts";
import { openReader, openSource } from "../../src/sources/registry.ts";
import { textReader } from "../../src/values/arrow-text.ts";
import { recordBatchOf, sinkBatchOf } from "../wire.ts";
import { randomTable } from "./random-table.ts";
import { optionsFor, recordOf } from "./sink-batches.ts";

export const FORMATS = ["csv", "jsonl", "arrow", "parquet"] as const;
type Format = (typeof FORMATS)[number];

/** Column -> model input types that it feeds. A missing number of an integer input is 7, a missing text "(none)". */
const FED: [string, TensorType][] = [
  ["f16", "float32"],
  ["f32", "float32"],
  ["f64", "float64"],
  ["f64", "float32"],
  ["i8", "int8"],
  ["i16", "int32"],
  ["i32", "int32"],
  ["i32", "float32"],
  ["i64", "int64"],
  ["i64", "float64"],
  ["i64", "float32"],
  ["u8", "uint8"],
  ["u16", "uint16"],
  ["u32", "uint32"],
  ["u64", "uint64"],
  ["bool", "bool"],
  ["decimal 9", "float64"],
  ["decimal whole", "float32"],
  ["text", "string"],
  ["dictionary", "string"],
];
/** Where a float column is written in digits only, text cannot tell it from an integer: only these agree on what was rounded. */
const WHOLE = new Set(["i32", "i64", "decimal whole"]);

function missingFor(type: TensorType): MissingPolicy {
  if (type.startsWith("float")) return "nan";
  return { value: type === "string" ? "(none)" : type === "bool" ? "true" : "7" };
}

export async function write(folder: string, format: Format, columns: Record<string, Data>): Promise<string> {
  const fields = Object.entries(columns).map(([name, { type }]) => new Field(name, type, true));
  const children = Object.values(columns);
  const file = path.join(folder, `table.${format}`);
  const sink = await openSink(optionsFor(file, format as SinkFormat, { ifExists: "replace" }));
  const { runId, journal } = sink.open();
  sink.write(sinkBatchOf(recordBatchOf(fields, children)));
  sink.finish(recordOf(runId, children[0]!.length));
  fs.rmSync(journal, { force: true });
  return file;
}

export interface ReadBack {
  kept: Record<string, (string | null)[]>;
  tensors: Record<string, unknown[]>;
  counts: Record<string, number>;
}

export async function read(file: string, format: Format, chunkBytes: number): Promise<ReadBack> {
  const source = await openSource([file], { csv: {} }, () => process.stdin);
  const { columns } = source.description;
  const typed = format === "arrow" || format === "parquet";
  const keep = columns.map(({ name, index }) => ({
    name,
    column: name,
    index,
    type: typed ? ("source" as const) : ("utf8" as const),
  }));
  const inputs = FED.map(([name, type]): InputBinding => {
    const index = columns.find((column) => column.name === name)!.index;
    const bound = [{ name, index, missing: missingFor(type) }];
    return { input: `${name} to ${type}`, type, rowShape: [], rowSize: 1, from: { kind: "columns", columns: bound } };
  });
  const back: ReadBack = { kept: {}, tensors: {}, counts: {} };
  for (const { name } of keep) back.kept[name] = [];
  for (const { input } of inputs) back.tensors[input] = [];
  // Counts are told by column: no column feeds two inputs of a plan.
  const turnOf = (at: number): number => FED.slice(0, at).filter(([name]) => name === FED[at]![0]).length;
  const turns = [0, 1, 2].map((turn) => inputs.filter((_, at) => turnOf(at) === turn));
  const plans = turns.map(
    (own, turn): BindingPlan => ({ inputs: own, constants: [], keep: turn === 0 ? keep : [], onError: "fail" }),
  );
  try {
    const chunks = [];
    for await (const chunk of source.chunks({ chunkBytes })) chunks.push(chunk);
    for (const [turn, plan] of plans.entries()) {
      const reader = await openReader(JSON.parse(JSON.stringify(source.description)), plan);
      for (const chunk of chunks) {
        const { kept, tensors, counts, rejects } = await reader.read(chunk);
        expect(rejects, format).toEqual([]);
        kept.forEach((data, at) => {
          const text = typed ? canonical(data) : textReader(data);
          for (let row = 0; row < data.length; row++) back.kept[keep[at]!.name]!.push(text(row));
        });
        for (const { input, data } of tensors) back.tensors[input]!.push(...(data as Iterable<unknown>));
        for (const count of counts) countInto(back.counts, turn, count);
      }
      await reader.close();
    }
  } finally {
    await source.close();
  }
  return back;
}

function countInto(counts: Record<string, number>, turn: number, { column, kind, count }: ValueCount): void {
  if (kind === "missing" || (kind === "inexact" && !WHOLE.has(column))) return;
  const key = `${column} (${turn}): ${kind}`;
  counts[key] = (counts[key] ?? 0) + count;
}

/** Times by their nanoseconds, because Parquet has no seconds; all else by its text. */
function canonical(data: Data): (row: number) => string | null {
  const { typeId } = data.type;
  if (typeId !== Type.Timestamp && typeId !== Type.Time) return textReader(data);
  const { unit, timezone } = data.type as Timestamp;
  const scale = 1000n ** BigInt(3 - unit);
  return (row) => (data.getValid(row) ? `${BigInt(data.values[row]) * scale} ns ${timezone ?? ""}` : null);
}

/** The property, over random tables and sizes of chunks. */
export async function checkRoundTrips(folder: string, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(randomTable, fc.constantFrom(1, 300, 1 << 20), async (columns, chunkBytes) => {
    let first: ReadBack | undefined;
    for (const format of FORMATS) {
      const back = await read(await write(folder, format, columns), format, chunkBytes);
      expect(back.kept, format).toEqual(expectedKept(format, columns));
      const tensors = comparable(format, back.tensors);
      first ??= { ...back, tensors };
      expect(tensors, `${format} and ${FORMATS[0]}`).toEqual(first.tensors);
      expect(back.counts, `${format} and ${FORMATS[0]}`).toEqual(first.counts);
    }
  });
  await fc.assert(property, { numRuns });
}

/** What each format must give back; the differences are those of src/values/README.md. */
export function expectedKept(format: Format, columns: Record<string, Data>): ReadBack["kept"] {
  return Object.fromEntries(
    Object.entries(columns).map(([name, data]) => {
      const text = format === "arrow" || format === "parquet" ? canonical(data) : textReader(data);
      const cells = Array.from({ length: data.length }, (_, row) => text(row));
      return [name, cells.map((cell) => asWritten(format, name, cell))];
    }),
  );
}

const JSON_FLOATS: Record<string, string> = { inf: "Infinity", "-inf": "-Infinity" };

function asWritten(format: Format, name: string, cell: string | null): string | null {
  if (format === "csv") return cell === "" ? null : cell;
  if (format === "jsonl" && /^f\d/.test(name) && cell !== null) return JSON_FLOATS[cell] ?? cell;
  return cell;
}

/** Tensors in a form that can be compared; "" is a missing text to CSV. */
export function comparable(format: Format, tensors: ReadBack["tensors"]): ReadBack["tensors"] {
  const same = (value: unknown): unknown => (value === "" && format !== "csv" ? "(none)" : value);
  return Object.fromEntries(Object.entries(tensors).map(([input, values]) => [input, values.map(same)]));
}
