/** Messages of an Arrow file or stream on disk, read by their places. */
import type { Schema, Vector } from "apache-arrow";
import { type ArrowBody, BatchLoader } from "../../formats/arrow-body.ts";
import { addDictionary } from "../../formats/arrow-dictionaries.ts";
import { DAMAGED_HINTS, refuseArrow } from "../../formats/arrow-error.ts";
import { dictionaryIds } from "../../formats/arrow-layout.ts";
import { type ArrowMessage, type Block, readMessage, readPrefix } from "../../formats/arrow-messages.ts";
import type { ChunkMemory } from "./chunk-memory.ts";
import type { PositionedFile } from "./positioned-file.ts";

/** Bodies up to this size are read at once: one call instead of one or two per column. */
const WHOLE_BODY_BYTES = 1 << 20;

export class BlockReader {
  private loaded: { dictionaries: string; found: Map<number, Vector> } | undefined;
  private last: { offset: number; loader: BatchLoader } | undefined;

  constructor(
    private readonly file: PositionedFile,
    private readonly schema: Schema,
  ) {}

  /** Rows and bytes of one record batch, from its metadata alone; `compressed`: its parts cannot be read by themselves. */
  size(block: Block): { rows: number; bytes: number; compressed: boolean } {
    const { rows, codec } = this.batchMessage(block).header;
    return { rows, bytes: block.metadataBytes + block.bodyBytes, compressed: codec !== null };
  }

  /**
   * The last one is kept, with what it has decompressed, and so are the dictionaries as long as they are the same.
   * @param dictionaries messages in force, oldest first
   * @param columns whose dictionaries are needed; the same at every call
   * @param memory for what is read of an uncompressed batch: columns hold until it is rewound
   */
  batch(block: Block, dictionaries: readonly Block[], columns: readonly number[], memory: ChunkMemory): BatchLoader {
    if (this.last?.offset === block.offset) return this.last.loader;
    this.last = undefined;
    const { header } = this.batchMessage(block);
    const name = dictionaries.map(({ offset }) => offset).join();
    if (this.loaded?.dictionaries !== name)
      this.loaded = { dictionaries: name, found: this.loadDictionaries(dictionaries, columns) };
    // Decompressed buffers are kept for the chunks that follow, and some of them are stored as they are.
    const body = this.body(block, header.codec === null ? memory : undefined);
    const loader = new BatchLoader(this.file.path, this.schema.fields, header, body, this.loaded.found);
    this.last = { offset: block.offset, loader };
    return loader;
  }

  /** For a batch that is needed once, all columns: nothing is kept. */
  wholeBatch(block: Block, dictionaries: readonly Block[]): BatchLoader {
    const columns = this.schema.fields.map((_, column) => column);
    const found = this.loadDictionaries(dictionaries, columns);
    return new BatchLoader(this.file.path, this.schema.fields, this.batchMessage(block).header, this.body(block), found);
  }

  close(): void {
    this.last = undefined;
    this.file.close();
  }

  private loadDictionaries(blocks: readonly Block[], columns: readonly number[]): Map<number, Vector> {
    const wanted = new Set<number>();
    for (const column of columns) dictionaryIds(this.schema.fields[column]!.type, wanted);
    const found = new Map<number, Vector>();
    for (const block of wanted.size === 0 ? [] : blocks) {
      const message = this.message(block);
      if (message.kind !== "dictionary")
        throw refuseArrow(this.file.path, "its index points to something that is no dictionary", DAMAGED_HINTS);
      if (wanted.has(message.id)) addDictionary(this.file.path, this.schema, message, this.body(block), found);
    }
    return found;
  }

  private batchMessage(block: Block): ArrowMessage & { kind: "batch" } {
    const message = this.message(block);
    if (message.kind !== "batch")
      throw refuseArrow(this.file.path, "its index points to something that is no record batch", DAMAGED_HINTS);
    return message;
  }

  private message({ offset, metadataBytes, bodyBytes }: Block): ArrowMessage {
    const bytes = this.file.read(offset, metadataBytes);
    const prefix = readPrefix(bytes);
    if (prefix === null || prefix.metadataBytes <= 0 || prefix.prefixBytes + prefix.metadataBytes > metadataBytes) {
      throw refuseArrow(this.file.path, "its index does not match its messages", DAMAGED_HINTS);
    }
    const message = readMessage(this.file.path, bytes.subarray(prefix.prefixBytes, prefix.prefixBytes + prefix.metadataBytes));
    if (message.bodyBytes !== bodyBytes)
      throw refuseArrow(this.file.path, "its index does not match its messages", DAMAGED_HINTS);
    return message;
  }

  private body({ offset, metadataBytes, bodyBytes }: Block, memory?: ChunkMemory): ArrowBody {
    const start = offset + metadataBytes;
    if (bodyBytes > WHOLE_BODY_BYTES) return { read: (at, length) => this.file.read(start + at, length, memory?.take(length)) };
    let whole: Uint8Array | undefined;
    return {
      read: (at, length) => {
        whole ??= this.file.read(start, bodyBytes);
        return whole.subarray(at, at + length);
      },
    };
  }
}
