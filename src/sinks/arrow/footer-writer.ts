/** apache-arrow's file writer, made to write straight into a file, and to say something in the footer that is known only at the end. */
import { Message, RecordBatchFileWriter, Schema } from "apache-arrow";
import type { PartialFile } from "../partial-file.ts";

/** Prefixes, padding and short buffers are gathered up to this size; longer ones are written as they are. */
const BUFFER_BYTES = 1 << 16;

/** Where a record batch stands in the file: what the footer says of it. */
export interface BlockPlace {
  offset: number;
  metaDataLength: number;
  bodyLength: number;
}

export class FooterWriter extends RecordBatchFileWriter {
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private buffered = 0;
  private readonly footerMetadata = new Map<string, string>();
  /** The start of the file is there already: the library's state is brought to behind it without writing. */
  private muted = false;

  constructor(private readonly file: PartialFile) {
    super();
  }

  /** Writes the magic bytes and the schema message. */
  start(schema: Schema): void {
    this.reset(undefined, schema);
  }

  /** Goes on behind `position` bytes that hold these record batches. */
  resume(schema: Schema, blocks: readonly BlockPlace[], position: number): void {
    this.muted = true;
    this.reset(undefined, schema);
    this.muted = false;
    this._position = position;
    for (const block of blocks) this._recordBatchBlocks.push(block as (typeof this._recordBatchBlocks)[number]);
  }

  get blocks(): BlockPlace[] {
    return this._recordBatchBlocks.map(({ offset, metaDataLength, bodyLength }) => ({ offset, metaDataLength, bodyLength }));
  }

  /** Everything so far stands in the file. */
  drain(): void {
    this.flush();
  }

  /** Writes the end marker and the footer. @param metadata joins that of the schema */
  end(metadata: ReadonlyMap<string, string>): void {
    for (const [key, value] of metadata) this.footerMetadata.set(key, value);
    this.finish();
    this.flush();
  }

  /** The library leaves the schema message out of files, so that they could not be read from a pipe; the format has it (IPC file format). */
  protected override _writeSchema(schema: Schema): this {
    return super._writeSchema(schema)._writeMessage(Message.from(schema) as Message);
  }

  protected override _writeFooter(schema: Schema): this {
    const { fields, metadata, dictionaries, metadataVersion } = schema;
    return super._writeFooter(new Schema(fields, new Map([...metadata, ...this.footerMetadata]), dictionaries, metadataVersion));
  }

  protected override _write(chunk: Parameters<RecordBatchFileWriter["_write"]>[0]): this {
    if (this.muted) return this;
    const bytes = asBytes(chunk as Uint8Array);
    this._position += bytes.length;
    if (this.buffered + bytes.length > BUFFER_BYTES) this.flush();
    if (bytes.length > BUFFER_BYTES) {
      this.file.write(bytes);
    } else {
      this.buffer.set(bytes, this.buffered);
      this.buffered += bytes.length;
    }
    return this;
  }

  private flush(): void {
    this.file.write(this.buffer.subarray(0, this.buffered));
    this.buffered = 0;
  }
}

function asBytes(chunk: ArrayBufferView): Uint8Array {
  return chunk instanceof Uint8Array ? chunk : new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
