/** An Arrow IPC file (Feather version 2) read by ranges: index, dictionaries, and rows of one record batch. */
import type { Vector } from "apache-arrow";
import type { SourceFile } from "../../core/source.ts";
import { type ArrowBody, BatchLoader } from "../../formats/arrow-body.ts";
import { addDictionary } from "../../formats/arrow-dictionaries.ts";
import { DAMAGED_HINTS, refuseArrow } from "../../formats/arrow-error.ts";
import { dictionaryIds } from "../../formats/arrow-layout.ts";
import {
  type ArrowFooter,
  type ArrowMessage,
  type Block,
  readFooter,
  readMessage,
  readPrefix,
} from "../../formats/arrow-messages.ts";
import { PositionedFile } from "./positioned-file.ts";

const MAGIC = "ARROW1";
const HEAD_BYTES = 8;
/** Footer length and magic. */
const TAIL_BYTES = 10;
/** Bodies up to this size are read at once: one call instead of one or two per column. */
const WHOLE_BODY_BYTES = 1 << 20;

export type HeadKind = "file" | "stream";

/** What the first bytes say. @throws BP_INPUT_FORMAT for empty files, Feather version 1 and formats of other kinds */
export function headKind(path: string, head: Uint8Array): HeadKind {
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString("latin1");
  if (head.length === 0) throw refuseArrow(path, "it is empty (0 bytes)", ["check that it was written completely"]);
  if (text.startsWith(MAGIC)) return "file";
  if (text.startsWith("FEA1")) {
    throw refuseArrow(path, "it is Feather version 1", [
      "write it again as version 2, which is Arrow: pandas.read_feather(path).to_feather(new_path)",
    ]);
  }
  if (text.startsWith("PAR1")) throw refuseArrow(path, "it is a Parquet file", ["read it with --input-format parquet"]);
  return "stream";
}

export class ArrowFile {
  private readonly footer: ArrowFooter;
  private dictionaries: Map<number, Vector> | undefined;
  private last: { unit: number; loader: BatchLoader } | undefined;

  /** @throws BP_INPUT_NOT_FOUND, BP_INPUT_UNREADABLE, BP_INPUT_FORMAT, BP_INPUT_CHANGED */
  static open(path: string, expected?: SourceFile): ArrowFile {
    const file = PositionedFile.open(path, expected);
    try {
      return new ArrowFile(file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  private constructor(readonly file: PositionedFile) {
    const { path, sizeBytes } = file;
    const end = sizeBytes - TAIL_BYTES;
    const tail = end < HEAD_BYTES ? new Uint8Array(0) : file.read(end, TAIL_BYTES);
    const length = tail.length === 0 ? 0 : new DataView(tail.buffer).getInt32(0, true);
    if (Buffer.from(tail).toString("latin1", 4) !== MAGIC || length <= 0 || length > end - HEAD_BYTES) {
      throw refuseArrow(path, "its end is missing: it was cut off or not written completely", DAMAGED_HINTS);
    }
    this.footer = readFooter(path, file.read(end - length, length));
    const inside = ({ offset, metadataBytes, bodyBytes }: Block): boolean => offset + metadataBytes + bodyBytes <= end - length;
    if (![...this.footer.dictionaries, ...this.footer.batches].every(inside))
      throw refuseArrow(path, "its index points past its end", DAMAGED_HINTS);
  }

  get schema(): ArrowFooter["schema"] {
    return this.footer.schema;
  }

  get batchCount(): number {
    return this.footer.batches.length;
  }

  /** Rows and bytes of one record batch, from its metadata alone. */
  batchSize(unit: number): { rows: number; bytes: number } {
    const block = this.footer.batches[unit]!;
    return { rows: this.batchMessage(block).header.rows, bytes: block.metadataBytes + block.bodyBytes };
  }

  /**
   * The last one is kept, with what it has decompressed.
   * @param columns whose dictionaries are needed, at the first call for all later ones
   */
  batch(unit: number, columns: readonly number[]): BatchLoader {
    if (this.last?.unit === unit) return this.last.loader;
    this.last = undefined;
    const block = this.footer.batches[unit]!;
    const { header } = this.batchMessage(block);
    this.dictionaries ??= this.loadDictionaries(columns);
    const loader = new BatchLoader(this.file.path, this.schema.fields, header, this.body(block), this.dictionaries);
    this.last = { unit, loader };
    return loader;
  }

  /** For a batch that is needed once, all columns: nothing is kept. */
  wholeBatch(unit: number): BatchLoader {
    const block = this.footer.batches[unit]!;
    const dictionaries = this.loadDictionaries(this.schema.fields.map((_, column) => column));
    return new BatchLoader(this.file.path, this.schema.fields, this.batchMessage(block).header, this.body(block), dictionaries);
  }

  close(): void {
    this.last = undefined;
    this.file.close();
  }

  private loadDictionaries(columns: readonly number[]): Map<number, Vector> {
    const wanted = new Set<number>();
    for (const column of columns) dictionaryIds(this.schema.fields[column]!.type, wanted);
    const found = new Map<number, Vector>();
    for (const block of wanted.size === 0 ? [] : this.footer.dictionaries) {
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

  private body({ offset, metadataBytes, bodyBytes }: Block): ArrowBody {
    const start = offset + metadataBytes;
    if (bodyBytes > WHOLE_BODY_BYTES) return { read: (at, length) => this.file.read(start + at, length) };
    let whole: Uint8Array | undefined;
    return {
      read: (at, length) => {
        whole ??= this.file.read(start, bodyBytes);
        return whole.subarray(at, at + length);
      },
    };
  }
}
