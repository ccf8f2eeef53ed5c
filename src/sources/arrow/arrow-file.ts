/** An Arrow IPC file (Feather version 2) read by ranges: index, dictionaries, and rows of one record batch. */
import type { SourceFile } from "../../core/source.ts";
import { DAMAGED_HINTS, refuseArrow } from "../../formats/arrow-error.ts";
import { type ArrowFooter, type Block, readFooter } from "../../formats/arrow-messages.ts";
import { BlockReader } from "./arrow-blocks.ts";
import { PositionedFile } from "./positioned-file.ts";

const MAGIC = "ARROW1";
const HEAD_BYTES = 8;
/** Footer length and magic. */
const TAIL_BYTES = 10;

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
  readonly blocks: BlockReader;

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
    this.blocks = new BlockReader(file, this.footer.schema);
  }

  get schema(): ArrowFooter["schema"] {
    return this.footer.schema;
  }

  get batchCount(): number {
    return this.footer.batches.length;
  }

  /** Rows and bytes of one record batch, from its metadata alone. */
  batchSize(unit: number): { rows: number; bytes: number; compressed: boolean } {
    return this.blocks.size(this.footer.batches[unit]!);
  }

  placeOf(unit: number): { batch: Block; dictionaries: readonly Block[] } {
    return { batch: this.footer.batches[unit]!, dictionaries: this.footer.dictionaries };
  }

  close(): void {
    this.blocks.close();
  }
}
