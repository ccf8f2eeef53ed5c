/** A job's preprocessing module before the run: its hash, and the columns that binding sees behind it, learned by a worker. */
import type { Chunk } from "../core/chunk.ts";
import type { ResolvedRun } from "../core/settings.ts";
import { isTextFormat, type Source, type SourceColumn } from "../core/source.ts";
import type { TransformedColumn, TransformFile } from "../core/transform.ts";
import { learnInThread } from "../predict/pool.ts";
import { describeTransform } from "../transform/transform-file.ts";
import { type SizingFacts, sizeRun } from "./machine.ts";
import { chunkBytesBeforeBinding } from "./memory-plan.ts";

export interface OpenedTransform {
  file: TransformFile;
  columns: TransformedColumn[];
  /** The same, as binding sees them: instead of the source's own. */
  described: SourceColumn[];
  /** The first chunk was taken from it; a pipe gives it only once. */
  iterator: AsyncIterator<Chunk>;
  chunkBytes: number;
  firstChunk: IteratorResult<Chunk>;
}

export interface TransformParts {
  resolved: ResolvedRun;
  source: Source;
  facts: Pick<SizingFacts, "modelBytes" | "cores">;
  kernel: boolean;
  signal: AbortSignal;
  /** There is a memory limit. */
  limited: boolean;
}

/** Null without a module. @throws BP_TRANSFORM, and what reading the first chunk throws */
export async function openTransform(parts: TransformParts): Promise<OpenedTransform | null> {
  const { resolved, source, facts, kernel, signal, limited } = parts;
  const { transform: path } = resolved.settings;
  if (!path) return null;
  const file = await describeTransform(path);
  const { description } = source;
  // Chunks depend on the input alone, so they can be planned before there is a binding.
  const plan = { inputs: [], constants: [], keep: [], onError: "reject" as const };
  const sizing = sizeRun(resolved.settings, resolved.origins, { ...facts, fixedBatch: null, plan, source: description });
  const chunkBytes = chunkBytesBeforeBinding(sizing, description.format, limited && resolved.settings.chunkBytes === "auto");
  const iterator = source.chunks({ chunkBytes, signal })[Symbol.asyncIterator]();
  const firstChunk = await iterator.next();
  const chunk: Chunk = firstChunk.done ? noRows(isTextFormat(description.format)) : firstChunk.value;
  const { columns, described } = await learnInThread({ source: description, transform: file, chunk, kernel });
  return { file, columns, described, iterator, chunkBytes, firstChunk };
}

function noRows(text: boolean): Chunk {
  if (text) return { kind: "bytes", index: 0, file: 0, byteStart: 0, byteEnd: 0, inline: new Uint8Array(0) };
  return { kind: "rows", index: 0, file: 0, unit: -1, rowStart: 0, rowEnd: 0 };
}
