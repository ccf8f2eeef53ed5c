/** Worker side: reads a chunk's bytes and decodes them. */
import type { BindingPlan } from "../../core/binding-plan.ts";
import { type ByteChunk, type Chunk, type DecodedChunk, WrongCut } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import type { ChunkReader, OpenReader, SourceDescription } from "../../core/source.ts";
import { borderFinder } from "./borders.ts";
import { ChunkBytes } from "./chunk-bytes.ts";
import { CsvParseDecoder } from "./csv-parse-decoder.ts";
import type { CsvDecoder, MakeCsvDecoder } from "./decoder.ts";
import { asBuffer, codecOf } from "./encoding.ts";
import { placeRecords, tokensOf } from "./records.ts";

class CsvChunkReader implements ChunkReader {
  private readonly bytes: ChunkBytes;

  constructor(
    private readonly description: SourceDescription,
    private readonly decoder: CsvDecoder,
  ) {
    this.bytes = new ChunkBytes(description.files, decoder.reserve && ((length) => decoder.reserve!(length)));
  }

  async read(chunk: Chunk): Promise<DecodedChunk> {
    const { byteStart, linesBefore = 0, guessed } = byteChunk(chunk);
    const bytes = await this.bytes.read(byteChunk(chunk));
    return this.decoder.decode(bytes, byteStart, linesBefore, guessed && (() => this.checkEnd(bytes)));
  }

  /** A newline ends a record unless it lies within quotes. @throws WrongCut */
  private checkEnd(bytes: Uint8Array): void {
    const finder = borderFinder(tokensOf(this.description.dialect!), 0);
    finder.find(asBuffer(bytes), 0, 0, bytes.length + 1);
    if (finder.openQuote >= 0) throw new WrongCut("the chunk ends within quotes");
  }

  async locate(
    chunk: Chunk,
    rowInChunk: number,
  ): Promise<{ lineInChunk: number | null; byte: number | null; raw: string | null }> {
    const wanted = byteChunk(chunk);
    const bytes = await this.bytes.again(wanted);
    const dialect = this.description.dialect!;
    const [place] = placeRecords(bytes, tokensOf(dialect), [rowInChunk]);
    if (place === undefined) return { lineInChunk: null, byte: null, raw: null };
    const raw = codecOf(dialect.encoding).decode(bytes.subarray(place.start, place.contentEnd));
    return { lineInChunk: (wanted.linesBefore ?? 0) + place.line, byte: wanted.byteStart + place.start, raw };
  }

  async close(): Promise<void> {
    await this.bytes.close();
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

export async function preloadCsvReader(): Promise<void> {
  (await import("./kernel-decoder.ts")).compileKernel();
}

/** The kernel where it knows the dialect, unless it is switched off; else the reference. */
export const openCsvReader: OpenReader = async (description, plan, options = {}) => {
  const { makeKernelDecoder } = await import("./kernel-decoder.ts");
  const reference: MakeCsvDecoder = (...given) => new CsvParseDecoder(...given);
  return csvReader(description, plan, options.kernel === false ? reference : makeKernelDecoder);
};
