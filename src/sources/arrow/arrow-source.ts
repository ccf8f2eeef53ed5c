/** Arrow files and streams as a source. What is on disk is planned by places and read by workers; a pipe travels inside its chunks. */
import type { Readable } from "node:stream";
import { setImmediate as yieldToOthers } from "node:timers/promises";
import type { Schema } from "apache-arrow";
import type { Chunk } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import type { ChunkPlanOptions, Source, SourceDescription, SourceFile, SourceOptions } from "../../core/source.ts";
import { describeColumns } from "../describe-columns.ts";
import { ArrowFile, headKind } from "./arrow-file.ts";
import { checkSameSchema, previewRows } from "./arrow-preview.ts";
import { openDiskStreamSource } from "./disk-stream-source.ts";
import { planRows } from "./plan-rows.ts";
import { PositionedFile } from "./positioned-file.ts";
import { openStreamSource } from "./stream-source.ts";

/** Reading this many batch headers takes about a millisecond. */
const HEADERS_PER_TURN = 64;

type BatchSize = { rows: number; bytes: number; compressed: boolean };

/**
 * @param files at least one, all with one schema; "-" is a stream on `stdin` (a file may be piped too: its rows stand before its index)
 * @throws BP_INPUT_FORMAT, BP_INPUT_NOT_FOUND, BP_INPUT_UNREADABLE, BP_SOURCE_SCHEMA
 */
export async function openArrowSource(files: readonly SourceFile[], _options: SourceOptions, stdin?: Readable): Promise<Source> {
  const first = files[0];
  if (first === undefined) throw new BatchPredictError("BP_INTERNAL", "an Arrow source was opened without files");
  // What the bytes say wins over --input-format and over the name: pandas and polars write both kinds as ".arrow" and ".ipc".
  if (first.path === "-") return openStreamSource(stdin);
  if (kindOf(first.path) === "stream") return openDiskStreamSource(files);
  return openFileSource(files);
}

function kindOf(path: string): "file" | "stream" {
  const file = PositionedFile.open(path);
  try {
    return headKind(path, file.read(0, Math.min(8, file.sizeBytes)));
  } finally {
    file.close();
  }
}

async function openFileSource(files: readonly SourceFile[]): Promise<Source> {
  const sizes: BatchSize[][] = [];
  const seen: SourceFile[] = [];
  let first: { schema: Schema; path: string } | undefined;
  let preview: string[][] = [];
  for (const { path } of files) {
    const file = ArrowFile.open(path);
    try {
      if (first === undefined) first = { schema: file.schema, path };
      else checkSameSchema(first, { schema: file.schema, path });
      const own = await batchSizes(file);
      sizes.push(own);
      seen.push({ path, sizeBytes: file.file.sizeBytes, mtimeMs: file.file.mtimeMs });
      const unit = own.findIndex(({ rows }) => rows > 0);
      if (preview.length === 0 && unit >= 0) preview = await firstRows(file, unit);
    } finally {
      file.close();
    }
  }
  const rows = sizes.flat().reduce((sum, batch) => sum + batch.rows, 0);
  const description: SourceDescription = {
    format: "arrow",
    files: seen,
    columns: describeColumns(first!.schema, first!.path),
    dialect: null,
    rows,
    rowsEstimate: rows,
    bytes: seen.reduce((sum, { sizeBytes }) => sum + sizeBytes!, 0),
    preview,
  };
  return { description, chunks: (options) => fileChunks(sizes, options), close: async () => {} };
}

function firstRows(file: ArrowFile, unit: number): Promise<string[][]> {
  const { batch, dictionaries } = file.placeOf(unit);
  return previewRows(() => file.blocks.wholeBatch(batch, dictionaries), file.schema);
}

async function batchSizes(file: ArrowFile): Promise<BatchSize[]> {
  const sizes: BatchSize[] = [];
  for (let unit = 0; unit < file.batchCount; unit++) {
    sizes.push(file.batchSize(unit));
    if (unit % HEADERS_PER_TURN === HEADERS_PER_TURN - 1) await yieldToOthers();
  }
  return sizes;
}

async function* fileChunks(sizes: readonly BatchSize[][], { chunkBytes, signal }: ChunkPlanOptions): AsyncGenerator<Chunk> {
  let index = 0;
  for (const [file, batches] of sizes.entries()) {
    for (const [unit, size] of batches.entries()) {
      for (const range of planRows(size, chunkBytes)) {
        if (signal?.aborted) return;
        yield { kind: "rows", index: index++, file, unit, ...range };
      }
    }
  }
}
