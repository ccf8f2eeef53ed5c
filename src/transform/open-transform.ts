/** The worker's side of the hook: readers that transform, and the one call that learns what comes out. */
import type { BindingPlan } from "../core/binding-plan.ts";
import type { Chunk } from "../core/chunk.ts";
import type { ChunkReader, ReaderOptions, SourceDescription } from "../core/source.ts";
import type { TransformedColumn, TransformFile } from "../core/transform.ts";
import { openReader } from "../sources/registry.ts";
import { loadTransform } from "./transform-file.ts";
import { allColumns, learnColumns, TransformReader } from "./transform-reader.ts";
import { type Learned, TransformStep } from "./transform-step.ts";

/** @throws BP_TRANSFORM, and what opening the source throws */
export async function openTransformReader(
  description: SourceDescription,
  plan: BindingPlan,
  file: TransformFile,
  columns: readonly TransformedColumn[],
  options: ReaderOptions,
): Promise<ChunkReader> {
  const step = new TransformStep(await loadTransform(file), file.path);
  const inner = await openReader(description, allColumns(description, plan.onError), options);
  return new TransformReader(inner, description, step, columns, plan);
}

/** @throws BP_TRANSFORM, and what reading the first rows throws */
export async function learnTransform(
  description: SourceDescription,
  file: TransformFile,
  chunk: Chunk,
  options: ReaderOptions,
): Promise<Learned> {
  const step = new TransformStep(await loadTransform(file), file.path);
  const inner = await openReader(description, allColumns(description, "reject"), options);
  try {
    return await learnColumns(inner, description, step, chunk);
  } finally {
    await inner.close();
  }
}
