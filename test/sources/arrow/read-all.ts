import type { Data } from "apache-arrow";
import type { BindingPlan } from "../../../src/core/binding-plan.ts";
import type { Chunk, DecodedChunk } from "../../../src/core/chunk.ts";
import type { Source, SourceDescription } from "../../../src/core/source.ts";
import { openArrowReader, openArrowSource } from "../../../src/sources/arrow/index.ts";
import { textReader } from "../../../src/values/arrow-text.ts";

/** Every column kept, nothing fed. */
export function keepAll({ columns }: SourceDescription): BindingPlan {
  const keep = columns.map(({ name, index }) => ({ name, column: name, index, type: "source" as const }));
  return { inputs: [], constants: [], keep, onError: "reject" };
}

export async function open(...paths: string[]): Promise<Source> {
  return openArrowSource(
    paths.map((path) => ({ path, sizeBytes: null, mtimeMs: null })),
    { csv: {} },
  );
}

export async function readChunks(
  source: Source,
  chunkBytes: number,
  plan = keepAll(source.description),
): Promise<{ chunk: Chunk; decoded: DecodedChunk }[]> {
  const all: { chunk: Chunk; decoded: DecodedChunk }[] = [];
  try {
    for await (const chunk of source.chunks({ chunkBytes })) {
      // A reader of its own: what one gives lies in memory that its next chunk uses again.
      const reader = await openArrowReader(source.description, plan);
      try {
        all.push({ chunk, decoded: await reader.read(chunk) });
      } finally {
        await reader.close();
      }
    }
  } finally {
    await source.close();
  }
  return all;
}

export function texts(data: Data): (string | null)[] {
  const read = textReader(data);
  return Array.from({ length: data.length }, (_, row) => read(row));
}

/** All values of all columns as text, chunks joined. */
export function columnTexts(chunks: readonly { decoded: DecodedChunk }[], columns: number): (string | null)[][] {
  return Array.from({ length: columns }, (_, column) => chunks.flatMap(({ decoded }) => texts(decoded.kept[column]!)));
}
