/** Whether the chunks that a run takes are the whole input: each begins where the one before it ended, and the last one ends with its file. */
import type { Checkpoint } from "../core/checkpoint.ts";
import type { Chunk } from "../core/chunk.ts";
import { BatchPredictError } from "../core/errors.ts";
import type { SourceFile } from "../core/source.ts";

export class ChunkSequence {
  readonly #files: readonly Pick<SourceFile, "path" | "sizeBytes">[];
  readonly #from: Checkpoint["position"];
  #next: number;
  #last: Chunk | null = null;

  /** @param from what an earlier process of the run has taken */
  constructor(
    files: readonly Pick<SourceFile, "path" | "sizeBytes">[],
    from: Pick<Checkpoint, "nextChunk" | "position"> | null = null,
  ) {
    this.#files = files;
    this.#from = from?.position ?? null;
    this.#next = from?.nextChunk ?? 0;
  }

  /** @throws BP_ACCOUNTING when something before the chunk was left out */
  take(chunk: Chunk): void {
    if (chunk.index !== this.#next) throw this.#lost(chunk.file, `chunk ${this.#next}`, `chunk ${chunk.index}`);
    this.#next++;
    // Made up to learn the columns of an input, or a shard, without rows.
    if (chunk.kind === "bytes" ? chunk.byteStart === chunk.byteEnd : chunk.rowStart === chunk.rowEnd) return;
    const last = this.#last;
    if (last && last.file !== chunk.file) this.#checkEnd(last);
    if (chunk.kind === "bytes") {
      const start = last?.kind === "bytes" && last.file === chunk.file ? last.byteEnd : this.#startOf(chunk.file);
      if (start !== null && start !== chunk.byteStart)
        throw this.#lost(chunk.file, `a chunk from byte ${start} on`, `one from byte ${chunk.byteStart} on`);
    } else {
      const inUnit = last?.kind === "rows" && last.file === chunk.file && last.unit === chunk.unit;
      if (inUnit && last.rowEnd !== chunk.rowStart)
        throw this.#lost(chunk.file, `a chunk from row ${last.rowEnd} of its part on`, `one from row ${chunk.rowStart} on`);
    }
    this.#last = chunk;
  }

  /** No chunk will follow. @throws BP_ACCOUNTING when bytes are left */
  end(): void {
    if (this.#last) this.#checkEnd(this.#last);
  }

  #startOf(file: number): number | null {
    return this.#last === null && this.#from?.file === file ? this.#from.byte : null;
  }

  #checkEnd(last: Chunk): void {
    const size = this.#files[last.file]!.sizeBytes;
    // Bytes that were unpacked have offsets of their own.
    if (last.kind !== "bytes" || last.inline !== undefined || size === null || last.byteEnd === size) return;
    throw this.#lost(last.file, `chunks up to byte ${size}`, `chunks up to byte ${last.byteEnd}`);
  }

  #lost(file: number, expected: string, actual: string): BatchPredictError {
    return new BatchPredictError("BP_ACCOUNTING", "a part of the input was lost before it was read", {
      where: { file: this.#files[file]!.path },
      expected,
      actual,
      hints: ["this is a bug of batchpredict: please report it"],
    });
  }
}
