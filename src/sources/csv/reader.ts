/** Worker side: reads a chunk's bytes and decodes them. Holds one file open, and the bytes of the last chunk for `locate`. */
import type { FileHandle } from "node:fs/promises";
import type { BindingPlan } from "../../core/binding-plan.ts";
import type { ByteChunk, Chunk, DecodedChunk } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import type { ChunkReader, OpenReader, SourceDescription } from "../../core/source.ts";
import { CsvParseDecoder } from "./csv-parse-decoder.ts";
import type { CsvDecoder, MakeCsvDecoder } from "./decoder.ts";
import { codecOf } from "./encoding.ts";
import { changedError, checkUnchanged, inputError, openInput, readFully } from "./input.ts";
import { placeRecords, tokensOf } from "./records.ts";

class CsvChunkReader implements ChunkReader {
  private handle: FileHandle | null = null;
  private handleFile = -1;
  private buffer: Buffer = Buffer.alloc(0);
  private last: { index: number; bytes: Uint8Array } | null = null;

  constructor(
    private readonly description: SourceDescription,
    private readonly decoder: CsvDecoder,
  ) {}

  async read(chunk: Chunk): Promise<DecodedChunk> {
    const bytes = await this.bytesOf(byteChunk(chunk));
    return this.decoder.decode(bytes, byteChunk(chunk).byteStart, byteChunk(chunk).linesBefore ?? 0);
  }

  async locate(
    chunk: Chunk,
    rowInChunk: number,
  ): Promise<{ lineInChunk: number | null; byte: number | null; raw: string | null }> {
    const wanted = byteChunk(chunk);
    const bytes = this.last?.index === chunk.index ? this.last.bytes : await this.bytesOf(wanted);
    const dialect = this.description.dialect!;
    const [place] = placeRecords(bytes, tokensOf(dialect), [rowInChunk]);
    if (place === undefined) return { lineInChunk: null, byte: null, raw: null };
    const raw = codecOf(dialect.encoding).decode(bytes.subarray(place.start, place.contentEnd));
    return { lineInChunk: (wanted.linesBefore ?? 0) + place.line, byte: wanted.byteStart + place.start, raw };
  }

  async close(): Promise<void> {
    this.last = null;
    await this.handle?.close();
    this.handle = null;
    this.handleFile = -1;
  }

  private async bytesOf(chunk: ByteChunk): Promise<Uint8Array> {
    const bytes = chunk.inline ?? (await this.readRange(chunk));
    this.last = { index: chunk.index, bytes };
    return bytes;
  }

  private async readRange(chunk: ByteChunk): Promise<Uint8Array> {
    const file = this.description.files[chunk.file]!;
    const length = chunk.byteEnd - chunk.byteStart;
    try {
      if (this.handle === null || this.handleFile !== chunk.file) {
        await this.close();
        this.handle = await openInput(file.path);
        this.handleFile = chunk.file;
      }
      const bytes = this.decoder.reserve?.(length) ?? this.ownBuffer(length);
      const read = await readFully(this.handle, bytes, chunk.byteStart);
      if (read < length) throw changedError(file, `it ends at byte ${chunk.byteStart + read}`);
      await checkUnchanged(this.handle, file);
      return bytes;
    } catch (error) {
      throw inputError(error, file.path);
    }
  }

  /** Chunks are about the same size, so one buffer serves them all. */
  private ownBuffer(length: number): Uint8Array {
    if (this.buffer.length < length) this.buffer = Buffer.allocUnsafeSlow(length + (length >> 3));
    return this.buffer.subarray(0, length);
  }
}

function byteChunk(chunk: Chunk): ByteChunk {
  if (chunk.kind === "bytes") return chunk;
  throw new BatchPredictError("BP_INTERNAL", "a CSV reader was given a chunk of rows");
}

/** @param make decoder to use; all give the same results */
export function csvReader(description: SourceDescription, plan: BindingPlan, make: MakeCsvDecoder): ChunkReader {
  return new CsvChunkReader(description, make(description, plan));
}

/** The kernel where it knows the dialect, unless it is switched off; else the reference. */
export const openCsvReader: OpenReader = async (description, plan, options = {}) => {
  const { makeKernelDecoder } = await import("./kernel-decoder.ts");
  const reference: MakeCsvDecoder = (...given) => new CsvParseDecoder(...given);
  return csvReader(description, plan, options.kernel === false ? reference : makeKernelDecoder);
};
