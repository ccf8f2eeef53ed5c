/** Arrow streams on disk as a source: the borders of their batches are found on the way, nothing of them is held. */
import { setImmediate as yieldToOthers } from "node:timers/promises";
import type { Chunk } from "../../core/chunk.ts";
import type { ChunkPlanOptions, Source, SourceDescription, SourceFile } from "../../core/source.ts";
import { describeColumns } from "../describe-columns.ts";
import { checkSameSchema, previewRows } from "./arrow-preview.ts";
import { planRows } from "./plan-rows.ts";
import { StreamFile, type StreamUnit } from "./stream-file.ts";

/** Reading this many batch headers takes about a millisecond. */
const HEADERS_PER_TURN = 64;

export async function openDiskStreamSource(files: readonly SourceFile[]): Promise<Source> {
  const [first, ...others] = files.map(({ path }) => path);
  const opened = StreamFile.open(first!);
  try {
    const seen: SourceFile[] = [measured(opened)];
    for (const path of others) {
      const other = StreamFile.open(path);
      try {
        checkSameSchema({ path: first!, schema: opened.schema }, { path, schema: other.schema });
        seen.push(measured(other));
      } finally {
        other.close();
      }
    }
    const description = await describe(seen, opened);
    return { description, chunks: (options) => streamChunks(description, options), close: async () => {} };
  } finally {
    opened.close();
  }
}

function measured({ file: { path, sizeBytes, mtimeMs } }: StreamFile): SourceFile {
  return { path, sizeBytes, mtimeMs };
}

async function describe(files: SourceFile[], first: StreamFile): Promise<SourceDescription> {
  const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes!, 0);
  let unit: StreamUnit | undefined;
  for (unit of first.units()) if (unit.rows > 0) break;
  const { batch, dictionaries } = unit ?? {};
  const rowBytes = unit === undefined || unit.rows === 0 ? null : unit.bytes / unit.rows;
  return {
    format: "arrow-stream",
    files,
    columns: describeColumns(first.schema, files[0]!.path),
    dialect: null,
    rows: null,
    rowsEstimate: rowBytes === null ? 0 : Math.round(bytes / rowBytes),
    bytes,
    preview: batch === undefined ? [] : await previewRows(() => first.blocks.wholeBatch(batch, dictionaries!), first.schema),
  };
}

async function* streamChunks({ files }: SourceDescription, { chunkBytes, signal }: ChunkPlanOptions): AsyncGenerator<Chunk> {
  let index = 0;
  for (const [file, expected] of files.entries()) {
    const stream = StreamFile.open(expected.path, expected);
    try {
      let unit = 0;
      for (const { batch, dictionaries, ...size } of stream.units()) {
        for (const range of planRows(size, chunkBytes)) {
          if (signal?.aborted) return;
          yield { kind: "rows", index: index++, file, unit, ...range, messages: { batch, dictionaries: [...dictionaries] } };
        }
        if (++unit % HEADERS_PER_TURN === 0) await yieldToOthers();
      }
    } finally {
      stream.close();
    }
  }
}
