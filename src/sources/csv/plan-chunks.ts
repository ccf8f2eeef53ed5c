/**
 * Cuts inputs into chunks that begin and end at record borders. Plain files are planned by byte range (the worker reads them again);
 * gzip, stdin and transcoded files carry their bytes. Pull only: nothing is read before the next chunk is asked for. Of a plain file whose records
 * seem to be lines, and where the plan can be made anew, only the surroundings of the borders are read (`guess-cuts.ts`): workers read the rest.
 * Memory: one block of 1 MiB for a file; the chunk being gathered (chunkBytes + one record) for a stream.
 */
import type { FileHandle } from "node:fs/promises";
import type { ByteChunk } from "../../core/chunk.ts";
import { BatchPredictError, type ErrorPlace } from "../../core/errors.ts";
import type { ChunkPlanOptions, CsvDialect, SourceFile } from "../../core/source.ts";
import { type BorderFinder, borderFinder, isGuessable } from "./borders.ts";
import { asBuffer } from "./encoding.ts";
import { guessCuts } from "./guess-cuts.ts";
import { type Bytes, changedError, checkUnchanged, inputError, openInput } from "./input.ts";
import { limitError, placeOf } from "./limits.ts";
import { countLines, type Tokens } from "./records.ts";

const BLOCK_BYTES = 1024 * 1024;

export interface PlannedFile {
  file: SourceFile;
  /** First byte behind byte order mark and header, in the bytes that chunks hold. */
  dataStart: number;
  /** Lines before dataStart. */
  linesBefore: number;
  /** Opens the decoded bytes where they can only be streamed, else null. */
  stream: (() => Bytes) | null;
  /** Its first records lie on lines of their own: most likely all do. */
  plainLines: boolean;
}

type SizedOptions = ChunkPlanOptions & { firstChunkBytes: number };

interface Cut {
  start: number;
  end: number;
  guessed?: true;
}

export async function* planChunks(
  files: readonly PlannedFile[],
  dialect: CsvDialect,
  tokens: Tokens,
  options: ChunkPlanOptions,
): AsyncGenerator<ByteChunk> {
  const { from } = options;
  let index = from?.index ?? 0;
  for (const [file, planned] of files.entries()) {
    if (from && file < from.file) continue;
    // A record border: what is cut behind it is the same as when the file is cut from its start.
    const start = from?.file === file ? from.byte : planned.dataStart;
    const { firstChunkBytes = options.chunkBytes } = index === 0 ? options : {};
    const sized = { ...options, firstChunkBytes: Math.min(firstChunkBytes, options.chunkBytes) };
    const pieces =
      planned.stream === null
        ? planFile(planned, start, dialect, tokens, sized)
        : planStream(planned, planned.stream(), dialect, tokens, sized);
    for await (const { start, end, guessed, inline } of pieces) {
      const chunk: ByteChunk = { kind: "bytes", index, file, byteStart: start, byteEnd: end };
      if (start === planned.dataStart) chunk.linesBefore = planned.linesBefore;
      if (guessed) chunk.guessed = true;
      if (inline !== undefined) chunk.inline = inline;
      index++;
      yield chunk;
    }
  }
}

/** The state of cutting one file; its `cuts` are pulled block by block. */
class Cutter {
  start: number;
  readonly finder: BorderFinder;
  /** No record may hide between two looks, so steps are never longer than a record may be. */
  private readonly step: number;

  /** Of the chunk that begins at `start`. */
  private wantedBytes: number;

  constructor(
    start: number,
    tokens: Tokens,
    private readonly sizes: Pick<SizedOptions, "chunkBytes" | "firstChunkBytes">,
    private readonly maxRecordBytes: number,
  ) {
    this.start = start;
    this.wantedBytes = sizes.firstChunkBytes;
    this.finder = borderFinder(tokens, start);
    this.step = Math.min(sizes.chunkBytes, maxRecordBytes);
  }

  /** Chunks that end in the block. `tooLong` is set when a record passes the limit. */
  *cuts(block: Buffer, base: number): Generator<Cut> {
    const { finder } = this;
    let from = 0;
    let reached = Math.max(this.start, finder.recordStart);
    for (;;) {
      const goal = Math.min(this.start + this.wantedBytes, reached + this.step);
      const border = finder.find(block, base, from, Math.max(goal - base, from + 1));
      if (border < 0) break;
      const end = base + border;
      if (end - finder.lastStart > this.maxRecordBytes) {
        this.tooLong = { recordStart: finder.lastStart, openQuote: -1 };
        return;
      }
      from = border;
      reached = end;
      if (end - this.start >= this.wantedBytes) {
        yield { start: this.start, end };
        this.start = end;
        this.wantedBytes = this.sizes.chunkBytes;
      }
    }
    if (base + block.length - finder.recordStart > this.maxRecordBytes) {
      this.tooLong = { recordStart: finder.recordStart, openQuote: finder.openQuote };
    }
  }

  tooLong: { recordStart: number; openQuote: number } | null = null;
}

function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new BatchPredictError("BP_INTERRUPTED", "reading the input was stopped");
}

/**
 * One opening of the file for all of it: another one that is renamed over it meanwhile changes nothing. The first chunk is always cut by looking at all
 * of it, because it is probed before there is a run that could cut anew.
 */
async function* planFile(
  planned: PlannedFile,
  firstByte: number,
  dialect: CsvDialect,
  tokens: Tokens,
  options: SizedOptions,
): AsyncGenerator<Cut & { inline?: never }> {
  const { file, plainLines } = planned;
  const { chunkBytes } = options;
  const { maxRecordBytes } = dialect;
  const handle = await openInput(file.path);
  try {
    await checkUnchanged(handle, file);
    const size = file.sizeBytes!;
    const guess = options.mayGuess && plainLines && isGuessable(tokens) && chunkBytes <= maxRecordBytes;
    let start = firstByte;
    for await (const cut of carefulCuts(handle, file, start, dialect, tokens, options)) {
      yield cut;
      start = cut.end;
      if (guess) break;
    }
    const range = { start, size, chunkBytes, newline: tokens.newline, sure: tokens.quote === null };
    for await (const cut of guessCuts(handle, range, maxRecordBytes)) {
      checkAborted(options.signal);
      yield cut;
      start = cut.end;
    }
    // A record that is longer than it may be, or one that guessing did not see the end of.
    const rest = { ...options, firstChunkBytes: chunkBytes };
    if (start < size) yield* carefulCuts(handle, file, start, dialect, tokens, rest);
    await checkUnchanged(handle, file);
  } catch (error) {
    throw inputError(error, file.path);
  } finally {
    await handle.close();
  }
}

async function* carefulCuts(
  handle: FileHandle,
  file: SourceFile,
  firstByte: number,
  dialect: CsvDialect,
  tokens: Tokens,
  options: SizedOptions,
): AsyncGenerator<Cut & { inline?: never }> {
  const size = file.sizeBytes!;
  const cutter = new Cutter(firstByte, tokens, options, dialect.maxRecordBytes);
  const place = (byte: number): Promise<ErrorPlace> => placeOf(file, blocksOf(file), byte, tokens.newline);
  const blockBytes = Math.max(1, Math.min(BLOCK_BYTES, size - firstByte));
  const buffer = cutter.finder.blockMemory?.(blockBytes) ?? Buffer.allocUnsafeSlow(blockBytes);
  for (let base = firstByte; base < size; ) {
    checkAborted(options.signal);
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - base), base);
    if (bytesRead === 0) throw changedError(file, `only ${base} bytes`);
    yield* cutter.cuts(buffer.subarray(0, bytesRead), base);
    if (cutter.tooLong !== null) await failTooLong(cutter, dialect, place, false);
    base += bytesRead;
  }
  if (cutter.finder.openQuote >= 0) await failTooLong(cutter, dialect, place, true);
  // Before the last chunk is given: what was read is still the file that was described.
  await checkUnchanged(handle, file);
  if (cutter.start < size) yield { start: cutter.start, end: size };
}

async function failTooLong(
  cutter: Cutter,
  dialect: CsvDialect,
  place: (byte: number) => ErrorPlace | Promise<ErrorPlace>,
  atEnd: boolean,
): Promise<never> {
  const { recordStart, openQuote } = cutter.tooLong ?? cutter.finder;
  const where = await place(openQuote >= 0 ? openQuote : recordStart);
  throw limitError(dialect, where, { recordStart, openQuote, atEnd });
}

async function* blocksOf(file: SourceFile): AsyncGenerator<Uint8Array> {
  const handle = await openInput(file.path);
  try {
    for (let position = 0; ; ) {
      const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      const { bytesRead } = await handle.read(block, 0, block.length, position);
      if (bytesRead === 0) return;
      yield block.subarray(0, bytesRead);
      position += bytesRead;
    }
  } finally {
    await handle.close();
  }
}

async function* planStream(
  planned: PlannedFile,
  stream: Bytes,
  dialect: CsvDialect,
  tokens: Tokens,
  options: SizedOptions,
): AsyncGenerator<Cut & { inline: Uint8Array<ArrayBuffer> }> {
  const { file, dataStart } = planned;
  const cutter = new Cutter(dataStart, tokens, options, dialect.maxRecordBytes);
  const held = new HeldBytes(dataStart, tokens.newline);
  let base = 0;
  const place = (byte: number): ErrorPlace => ({ file: file.path, line: 1 + held.linesBefore(byte), byte });
  for await (const part of stream) {
    checkAborted(options.signal);
    const skip = Math.min(part.length, Math.max(0, dataStart - base));
    held.countSkipped(part, skip);
    base += skip;
    // Big parts are taken in blocks, so that finding borders never blocks the thread for long.
    for (let at = skip; at < part.length; at += BLOCK_BYTES) {
      const block = asBuffer(part.subarray(at, at + BLOCK_BYTES));
      held.push(block);
      for (const { start, end } of cutter.cuts(block, base)) yield { start, end, inline: held.take(end) };
      if (cutter.tooLong !== null) await failTooLong(cutter, dialect, place, false);
      base += block.length;
    }
  }
  if (cutter.finder.openQuote >= 0) await failTooLong(cutter, dialect, place, true);
  if (base > cutter.start) yield { start: cutter.start, end: base, inline: held.take(base) };
}

/** Bytes of a stream that no chunk has taken yet, and the lines that went before them. */
class HeldBytes {
  private blocks: Buffer[] = [];
  private lines = 0;

  constructor(
    private start: number,
    private readonly newline: number,
  ) {}

  countSkipped(part: Uint8Array, end: number): void {
    this.lines += countLines(part, 0, end, this.newline);
  }

  push(block: Buffer): void {
    this.blocks.push(block);
  }

  take(end: number): Uint8Array<ArrayBuffer> {
    const all = this.blocks.length === 1 ? this.blocks[0]! : Buffer.concat(this.blocks);
    const length = end - this.start;
    const taken = new Uint8Array(length);
    taken.set(all.subarray(0, length));
    this.lines += countLines(taken, 0, length, this.newline);
    this.blocks = length < all.length ? [all.subarray(length)] : [];
    this.start = end;
    return taken;
  }

  linesBefore(byte: number): number {
    return this.lines + countLines(Buffer.concat(this.blocks), 0, byte - this.start, this.newline);
  }
}
