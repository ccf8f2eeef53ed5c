/**
 * An Arrow stream on disk. It has no index, but its messages say how long they are: planning reads their metadata and passes over their
 * bodies, which workers read by range like those of a file.
 */
import type { Schema } from "apache-arrow";
import type { SourceFile } from "../../core/source.ts";
import { DAMAGED_HINTS, refuseArrow } from "../../formats/arrow-error.ts";
import { type ArrowMessage, type Block, readMessage, readPrefix } from "../../formats/arrow-messages.ts";
import { BlockReader } from "./arrow-blocks.ts";
import { PositionedFile } from "./positioned-file.ts";
import { checkMetadataBytes, cutOff } from "./stream-messages.ts";

/** A record batch and the dictionaries as they stand there, oldest first. */
export interface StreamUnit {
  rows: number;
  bytes: number;
  compressed: boolean;
  batch: Block;
  dictionaries: readonly Block[];
}

const PREFIX_BYTES = 8;

export class StreamFile {
  readonly schema: Schema;
  readonly blocks: BlockReader;
  private readonly firstEnd: number;

  /** @throws BP_INPUT_NOT_FOUND, BP_INPUT_UNREADABLE, BP_INPUT_FORMAT, BP_INPUT_CHANGED */
  static open(path: string, expected?: SourceFile): StreamFile {
    const file = PositionedFile.open(path, expected);
    try {
      return new StreamFile(file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  private constructor(readonly file: PositionedFile) {
    const first = this.messageAt(0);
    if (first?.message.kind !== "schema") throw refuseArrow(file.path, "it does not begin with a schema", DAMAGED_HINTS);
    this.schema = first.message.schema;
    this.firstEnd = endOf(first.block);
    this.blocks = new BlockReader(file, this.schema);
  }

  /** In order. A stream may end without the end marker, but not inside of a message. @throws BP_INPUT_FORMAT */
  *units(): Generator<StreamUnit> {
    const dictionaries = new Map<number, Block[]>();
    let inForce: readonly Block[] = [];
    for (let at = this.firstEnd; ; ) {
      const next = this.messageAt(at);
      if (next === null) return;
      const { message, block } = next;
      at = endOf(block);
      if (message.kind === "schema") throw refuseArrow(this.file.path, "it holds a second schema", DAMAGED_HINTS);
      if (message.kind === "dictionary") {
        const known = message.isDelta ? (dictionaries.get(message.id) ?? []) : [];
        dictionaries.set(message.id, [...known, block]);
        inForce = [...dictionaries.values()].flat();
        continue;
      }
      const { rows, codec } = message.header;
      const bytes = block.metadataBytes + block.bodyBytes;
      yield { rows, bytes, compressed: codec !== null, batch: block, dictionaries: inForce };
    }
  }

  close(): void {
    this.blocks.close();
  }

  /** Null at the end. */
  private messageAt(offset: number): { message: ArrowMessage; block: Block } | null {
    const { path, sizeBytes } = this.file;
    if (offset === sizeBytes) return null;
    const prefix = readPrefix(this.file.read(offset, Math.min(PREFIX_BYTES, sizeBytes - offset)));
    if (prefix === null) throw cutOff(path);
    if (prefix.metadataBytes === 0) return null;
    checkMetadataBytes(path, prefix.metadataBytes);
    const start = offset + prefix.prefixBytes;
    if (start + prefix.metadataBytes > sizeBytes) throw cutOff(path);
    const message = readMessage(path, this.file.read(start, prefix.metadataBytes));
    const block = { offset, metadataBytes: prefix.prefixBytes + prefix.metadataBytes, bodyBytes: message.bodyBytes };
    if (endOf(block) > sizeBytes) throw cutOff(path);
    return { message, block };
  }
}

function endOf({ offset, metadataBytes, bodyBytes }: Block): number {
  return offset + metadataBytes + bodyBytes;
}
