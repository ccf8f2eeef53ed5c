/** One Parquet file held open: its footer, its Arrow schema, and small files of some columns made from it in memory. */
import fs from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { RecordBatchReader, type Schema, TimeUnit } from "apache-arrow";
import { BatchPredictError, isErrno } from "../../core/errors.ts";
import type { SourceFile } from "../../core/source.ts";
import { ARROW_SCHEMA_KEY, pruneArrowSchema } from "../../formats/parquet-arrow-schema.ts";
import { encodeFooter, FileMetaData, MAGIC, type ParquetFooter, readFooter, refuse } from "../../formats/parquet-footer.ts";
import { loadCodecs, plainPages } from "../../formats/parquet-pages.ts";
import { composeRowGroup, type ParquetColumnChunk, readColumnChunk, readRowGroup } from "../../formats/parquet-row-group.ts";
import { fieldsOf, type ParquetField, pruneSchema } from "../../formats/parquet-schema.ts";
import type { ThriftStruct } from "../../formats/thrift-compact.ts";
import { generalDecoder } from "./general-decoder.ts";
import { int96Hint } from "./int96.ts";
import { nativeSchema } from "./native-schema.ts";

export interface GroupSize {
  rows: number;
  /** Larger of the uncompressed size and of what plain values of the schema take. */
  bytes: number;
}

/** @param wanted size and time the file must still have, when a run has looked at it before */
export async function openParquetFile(path: string, wanted?: SourceFile): Promise<ParquetFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (error) {
    throw openError(path, error);
  }
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) throw openError(path, Object.assign(new TypeError("it is a folder"), { code: "EISDIR" }));
    const same = wanted === undefined || (wanted.sizeBytes === stat.size && wanted.mtimeMs === stat.mtimeMs);
    if (!same) throw changed(path);
    const footer = await readFooter(handle, path);
    return new ParquetFile(handle, footer, { path, sizeBytes: stat.size, mtimeMs: stat.mtimeMs });
  } catch (error) {
    await handle.close();
    throw error instanceof BatchPredictError ? error : openError(path, error);
  }
}

export class ParquetFile {
  readonly fields: ParquetField[];
  readonly groups: GroupSize[];
  /** Sum over the row groups; the total in the footer is wrong in some files. */
  readonly rows: number;
  private arrow: { schema: Schema; hint: string | null } | undefined;

  constructor(
    private readonly handle: FileHandle,
    readonly footer: ParquetFooter,
    readonly file: SourceFile,
  ) {
    this.fields = fieldsOf(footer);
    const rowBytes = this.fields.reduce((sum, field) => sum + field.rowBytes, 0);
    this.groups = footer.rowGroups.map((encoded) => {
      const { rows, bytes } = readRowGroup(encoded, footer.file);
      return { rows, bytes: Math.max(bytes, rows * rowBytes) };
    });
    this.rows = this.groups.reduce((sum, { rows }) => sum + rows, 0);
  }

  get path(): string {
    return this.file.path;
  }

  /** Types as the decoder will deliver them. @throws BP_INPUT_FORMAT */
  get schema(): Schema {
    return this.arrowSchema().schema;
  }

  /** Column chunks of the given columns in row group `unit`, one list per column. @throws BP_INPUT_FORMAT */
  chunksOf(unit: number, columns: readonly number[]): ParquetColumnChunk[][] {
    const encoded = this.footer.rowGroups[unit];
    if (encoded === undefined) throw changed(this.path);
    const { chunks } = readRowGroup(encoded, this.path);
    return columns.map((column) => {
      const { leafStart, leafEnd, name } = this.fields[column]!;
      const own = chunks.slice(leafStart, leafEnd);
      if (own.length !== leafEnd - leafStart) throw refuse(this.path, `row group ${unit} has no values for column ${name}`);
      return own.map((chunk) => readColumnChunk(chunk, this.path, this.footer.sizeBytes));
    });
  }

  /**
   * A whole Parquet file of one row group and only these columns; it holds the column chunks' bytes as they stand, or, with `wanted`, pages
   * of slow codecs decompressed and those without a wanted row empty.
   * @param int96Unit decodes INT96 timestamps in another unit than that of the schema
   */
  async extract(
    rows: number,
    columns: readonly number[],
    chunks: readonly ParquetColumnChunk[],
    wanted: { rowStart: number; rowEnd: number } | null = null,
    int96Unit?: TimeUnit,
  ): Promise<Uint8Array> {
    const stored = await this.readChunks(chunks);
    const flat = columns.flatMap((column) => {
      const { leafStart, leafEnd, flat } = this.fields[column]!;
      return Array.from({ length: leafEnd - leafStart }, () => flat);
    });
    if (wanted !== null) await loadCodecs(chunks);
    const plain = chunks.map((chunk, k) => {
      const found = wanted === null ? null : plainPages(chunk, stored[k]!, flat[k] ? wanted : null);
      return found ?? { chunk, parts: [stored[k]!] };
    });
    const starts: number[] = [];
    let length = MAGIC.length;
    for (const { chunk } of plain) {
      starts.push(length);
      length += chunk.end - chunk.start;
    }
    const group = composeRowGroup(
      rows,
      plain.map(({ chunk }) => chunk),
      starts,
    );
    const footer = encodeFooter(this.base(columns), {
      rows: BigInt(rows),
      rowGroups: [group],
      keyValues: keyValues(
        int96Unit === undefined ? this.arrowSchema().hint : int96Hint(this.schema, this.fields, int96Unit),
        columns,
        this.fields.length,
      ),
    });
    const bytes = Buffer.allocUnsafeSlow(length + footer.length);
    let at = 0;
    for (const part of [MAGIC, ...plain.flatMap(({ parts }) => parts), footer]) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  /** Behind the reads: what was written before them is in the bytes. */
  private async checkUnchanged(): Promise<void> {
    const { size, mtimeMs } = await this.handle.stat();
    if (size !== this.file.sizeBytes || mtimeMs !== this.file.mtimeMs) throw changed(this.path);
  }

  /** The bytes of each chunk; neighbours are read at once. */
  private async readChunks(chunks: readonly ParquetColumnChunk[]): Promise<Uint8Array[]> {
    const stored: Uint8Array[] = [];
    for (let k = 0; k < chunks.length; ) {
      let end = k + 1;
      while (end < chunks.length && chunks[end]!.start === chunks[end - 1]!.end) end++;
      const { start } = chunks[k]!;
      const run = new Uint8Array(Buffer.allocUnsafeSlow(chunks[end - 1]!.end - start).buffer);
      await this.readInto(run, start);
      for (; k < end; k++) stored.push(run.subarray(chunks[k]!.start - start, chunks[k]!.end - start));
    }
    await this.checkUnchanged();
    return stored;
  }

  /** For a thread that may block: no promise and no hop to another thread per page. */
  readSync(target: Uint8Array, position: number): void {
    for (let done = 0; done < target.length; ) {
      let count: number;
      try {
        count = fs.readSync(this.handle.fd, target, done, target.length - done, position + done);
      } catch (error) {
        throw openError(this.path, error);
      }
      if (count === 0) throw changed(this.path);
      done += count;
    }
  }

  /** To be called behind such reads. */
  checkUnchangedSync(): void {
    const { size, mtimeMs } = fs.fstatSync(this.handle.fd);
    if (size !== this.file.sizeBytes || mtimeMs !== this.file.mtimeMs) throw changed(this.path);
  }

  private async readInto(target: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await this.handle
        .read(target, done, target.length - done, position + done)
        .catch((error: unknown) => {
          throw openError(this.path, error);
        });
      if (bytesRead === 0) throw changed(this.path);
      done += bytesRead;
    }
  }

  /**
   * Decided once per file, so that every row group comes out with the same types: the stored Arrow schema where the decoder and
   * apache-arrow both know its types, else Parquet's own types (a string view is then a string).
   */
  private arrowSchema(): { schema: Schema; hint: string | null } {
    this.arrow ??= this.tryArrowSchema();
    if (this.arrow.schema.fields.length !== this.fields.length) throw refuse(this.path, "it has columns without values");
    return this.arrow;
  }

  private tryArrowSchema(): { schema: Schema; hint: string | null } {
    const all = this.fields.map((_, column) => column);
    const read = (hint: string | null): { schema: Schema; hint: string | null } => {
      const entries = keyValues(hint, all, all.length);
      const footer = encodeFooter(this.base(all), { rows: 0n, rowGroups: [], keyValues: entries });
      const ipc = generalDecoder()
        .readSchema(Buffer.concat([MAGIC, footer]))
        .intoIPCStream();
      return { schema: RecordBatchReader.from(ipc).open().schema, hint: entries.size === 0 ? null : hint };
    };
    const stored = this.footer.keyValues.get(ARROW_SCHEMA_KEY) ?? null;
    const native = nativeSchema(this.footer, this.fields, stored);
    if (native !== null) return native;
    try {
      const own = read(stored);
      if (own.hint !== null || own.schema.fields.length !== this.fields.length) return own;
      const made = int96Hint(own.schema, this.fields, TimeUnit.MICROSECOND);
      return made === null ? own : read(made);
    } catch {
      try {
        return read(null);
      } catch (error) {
        throw decoderError(this.path, "its schema", error);
      }
    }
  }

  private base(columns: readonly number[]): ThriftStruct {
    const { meta, schema } = this.footer;
    const base: ThriftStruct = new Map(meta);
    for (const id of [FileMetaData.columnOrders, FileMetaData.encryption, FileMetaData.signingKey]) base.delete(id);
    return base.set(
      FileMetaData.schema,
      pruneSchema(
        schema,
        columns.map((column) => this.fields[column]!),
      ),
    );
  }
}

/** @param hint base64 of an Arrow schema of `total` columns */
function keyValues(hint: string | null, columns: readonly number[], total: number): Map<string, string> {
  const pruned = hint === null ? null : pruneArrowSchema(hint, columns, total);
  return new Map(pruned === null ? [] : [[ARROW_SCHEMA_KEY, pruned]]);
}

/** What the decoder said is for people who know it, so it stands under "actual"; a panic of the WebAssembly code says nothing at all. */
export function decoderError(file: string, what: string, error: unknown): BatchPredictError {
  const said = error instanceof Error ? (error.name === "RuntimeError" ? "" : error.message) : String(error);
  return new BatchPredictError(
    "BP_INPUT_FORMAT",
    `cannot read ${file} as Parquet: ${what} is corrupt, or uses a type, an encoding or a compression that is not supported`,
    {
      where: { file },
      ...(said === "" ? {} : { actual: said.replace(/^Parquet error: /, "") }),
      hints: [
        "check that the file was written and copied completely",
        "write it again with common settings: pyarrow.parquet.write_table(table, path, compression='zstd')",
      ],
      cause: error,
    },
  );
}

function changed(path: string): BatchPredictError {
  return new BatchPredictError("BP_INPUT_CHANGED", `${path} was changed while it was being read`, {
    where: { file: path },
    hints: ["run again once nothing writes to the input any more"],
  });
}

function openError(path: string, error: unknown): BatchPredictError {
  const where = { file: path };
  if (isErrno(error, "ENOENT", "ENOTDIR")) {
    return new BatchPredictError("BP_INPUT_NOT_FOUND", `there is no file ${path}`, {
      where,
      hints: ["check the path given to --input"],
      cause: error,
    });
  }
  const why = error instanceof Error ? error.message : String(error);
  return new BatchPredictError("BP_INPUT_UNREADABLE", `cannot read ${path}: ${why}`, {
    where,
    hints: ["check the permissions of the file"],
    cause: error,
  });
}
