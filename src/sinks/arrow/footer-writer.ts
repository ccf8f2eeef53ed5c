/** apache-arrow's file writer, made to write straight into a file, and to say something in the footer that is known only at the end. */
import { Message, RecordBatchFileWriter, Schema } from "apache-arrow";
import type { PartialFile } from "../partial-file.ts";

/** Prefixes, padding and short buffers are gathered up to this size; longer ones are written as they are. */
const BUFFER_BYTES = 1 << 16;

export class FooterWriter extends RecordBatchFileWriter {
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private buffered = 0;
  private readonly footerMetadata = new Map<string, string>();

  constructor(private readonly file: PartialFile) {
    super();
  }

  /** Writes the magic bytes and the schema message. */
  start(schema: Schema): void {
    this.reset(undefined, schema);
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
