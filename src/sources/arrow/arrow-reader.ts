/** Worker side: rows of a record batch, only the columns that the plan needs, into tensors and kept columns. */
import { makeData, RecordBatch, Schema, Struct, type Vector } from "apache-arrow";
import type { BindingPlan } from "../../core/binding-plan.ts";
import type { Chunk, ChunkReject, DecodedChunk, RowChunk } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import type { ChunkReader, OpenReader, SourceDescription } from "../../core/source.ts";
import { BatchLoader } from "../../formats/arrow-body.ts";
import { withCodecs } from "../../formats/arrow-codecs.ts";
import { addDictionary } from "../../formats/arrow-dictionaries.ts";
import { DAMAGED_HINTS, refuseArrow } from "../../formats/arrow-error.ts";
import { dictionaryIds } from "../../formats/arrow-layout.ts";
import { bindRecordBatches } from "../../values/arrow-cells.ts";
import { neededColumns, projectPlan } from "../../values/arrow-projection.ts";
import { emptyBatch } from "../../values/arrow-take.ts";
import { rowJson } from "../../values/arrow-text.ts";
import { BindingMemory } from "../../values/binding-memory.ts";
import { linear } from "../../values/linear-schema.ts";
import { ArrowFile } from "./arrow-file.ts";
import { ChunkMemory } from "./chunk-memory.ts";
import { StreamFile } from "./stream-file.ts";
import { packedMessages } from "./stream-messages.ts";

export const openArrowReader: OpenReader = async (description, plan, { kernel } = {}) =>
  new ArrowReader(description, plan, new BindingMemory({ kernel }));

interface OpenedBatch {
  loader: BatchLoader;
  schema: Schema;
  /** Of the input, metadata included. */
  bytes: number;
}

class ArrowReader implements ChunkReader {
  private readonly columns: number[];
  private readonly plan: BindingPlan;
  /** Of the chunk that was read last. Rows that are looked up again, for rejects, are read beside it. */
  private readonly bytes = new ChunkMemory();
  private open: { index: number; file: ArrowFile | StreamFile } | undefined;

  constructor(
    private readonly description: SourceDescription,
    plan: BindingPlan,
    private readonly memory: BindingMemory,
  ) {
    this.columns = neededColumns(plan);
    this.plan = projectPlan(plan, this.columns);
  }

  read(chunk: Chunk): Promise<DecodedChunk> {
    return withCodecs(() => this.readNow(rowChunk(chunk)));
  }

  private readNow(rows: RowChunk): DecodedChunk {
    if (rows.unit < 0) return bindRecordBatches([this.noRows(rows)], 0, 0, this.plan, { file: this.pathOf(rows) });
    this.bytes.rewind();
    const { loader, schema, bytes } = this.batchOf(rows, this.columns);
    const batch = this.rowsOf(loader, schema, this.columns, rows.rowStart, rows.rowEnd);
    try {
      const decoded = bindRecordBatches([batch], 0, batch.numRows, this.plan, { file: this.pathOf(rows), memory: this.memory });
      // Shares of the batch that add up to all of it, whatever its chunks are.
      const share = (row: number): number => Math.round((bytes * row) / Math.max(1, loader.header.rows));
      decoded.bytes = share(rows.rowEnd) - share(rows.rowStart);
      for (const reject of decoded.rejects) reject.columnIndex = this.inSchema(reject.columnIndex);
      this.addRaw(rows, decoded.rejects);
      return decoded;
    } catch (error) {
      throw this.withSchemaColumn(error);
    }
  }

  async locate(chunk: Chunk, rowInChunk: number): Promise<{ lineInChunk: null; byte: null; raw: string | null }> {
    const rows = rowChunk(chunk);
    const row = rows.rowStart + rowInChunk;
    const raw = await withCodecs(() => rowJson([this.allColumns(rows, row, row + 1)], 0));
    return { lineInChunk: null, byte: null, raw };
  }

  async close(): Promise<void> {
    this.open?.file.close();
    this.open = undefined;
  }

  /** When the first bad row ends the run, the others are not shown. */
  private addRaw(rows: RowChunk, rejects: readonly ChunkReject[]): void {
    const shown = this.plan.onError === "fail" ? rejects.slice(0, 1) : rejects;
    const last = shown.at(-1);
    if (last === undefined) return;
    const first = shown[0]!.rowInChunk;
    const batch = this.allColumns(rows, rows.rowStart + first, rows.rowStart + last.rowInChunk + 1);
    for (const reject of shown) reject.raw = rowJson([batch], reject.rowInChunk - first);
  }

  private allColumns(rows: RowChunk, from: number, to: number): RecordBatch {
    const columns = this.description.columns.map(({ index }) => index);
    const { loader, schema } = this.batchOf(rows, columns, true);
    return this.rowsOf(loader, schema, columns, from, to);
  }

  /** An input without a single row still has columns: the sink learns their types from this batch. */
  private noRows(rows: RowChunk): RecordBatch {
    const { fields } = rows.inline === undefined ? this.fileAt(rows.file).schema : inlineSchema(this.pathOf(rows), rows.inline);
    return emptyBatch(this.columns.map((column) => fields[column]!));
  }

  private rowsOf(loader: BatchLoader, schema: Schema, columns: readonly number[], from: number, to: number): RecordBatch {
    const fields = columns.map((column) => schema.fields[column]!.clone({ name: this.description.columns[column]!.name }));
    const children = columns.map((column) => loader.column(column, from, to));
    return new RecordBatch(
      linear(new Schema(fields)),
      makeData({ type: new Struct(fields), length: to - from, nullCount: 0, children }),
    );
  }

  private batchOf(rows: RowChunk, columns: readonly number[], whole = false): OpenedBatch {
    if (rows.inline !== undefined) return inlineBatch(this.pathOf(rows), rows.inline, columns);
    const file = this.fileAt(rows.file);
    const { batch, dictionaries } = file instanceof ArrowFile ? file.placeOf(rows.unit) : rows.messages!;
    const loader = whole
      ? file.blocks.wholeBatch(batch, dictionaries)
      : file.blocks.batch(batch, dictionaries, columns, this.bytes);
    return { loader, schema: file.schema, bytes: batch.metadataBytes + batch.bodyBytes };
  }

  private fileAt(index: number): ArrowFile | StreamFile {
    if (this.open?.index === index) return this.open.file;
    this.open?.file.close();
    this.open = undefined;
    const expected = this.description.files[index]!;
    const kind = this.description.format === "arrow-stream" ? StreamFile : ArrowFile;
    const file = kind.open(expected.path, expected);
    this.open = { index, file };
    return file;
  }

  private pathOf({ file }: RowChunk): string {
    return this.description.files[file]!.path;
  }

  /** 1-based among the columns read -> 1-based in the schema. */
  private inSchema(columnIndex: number | null): number | null {
    const column = columnIndex === null ? undefined : this.columns[columnIndex - 1];
    return column === undefined ? null : column + 1;
  }

  private withSchemaColumn(error: unknown): unknown {
    if (!(error instanceof BatchPredictError) || error.details.where?.columnIndex === undefined) return error;
    const { columnIndex, ...where } = error.details.where;
    const moved = this.inSchema(columnIndex);
    return new BatchPredictError(error.code, error.message, {
      ...error.details,
      where: moved === null ? where : { ...where, columnIndex: moved },
    });
  }
}

function rowChunk(chunk: Chunk): RowChunk {
  if (chunk.kind === "rows") return chunk;
  throw new BatchPredictError("BP_INTERNAL", "an Arrow reader was given a chunk of bytes");
}

function inlineSchema(path: string, bytes: Uint8Array): Schema {
  for (const { message } of packedMessages(path, bytes)) if (message.kind === "schema") return message.schema;
  throw refuseArrow(path, "a part of the stream holds no schema", DAMAGED_HINTS);
}

function inlineBatch(path: string, bytes: Uint8Array, columns: readonly number[]): OpenedBatch {
  const dictionaries = new Map<number, Vector>();
  const wanted = new Set<number>();
  let schema: Schema | undefined;
  for (const { message, body } of packedMessages(path, bytes)) {
    const read = (at: number, length: number): Uint8Array => body.subarray(at, at + length);
    if (message.kind === "schema") {
      schema = message.schema;
      for (const column of columns) dictionaryIds(schema.fields[column]!.type, wanted);
    } else if (schema === undefined) {
      break;
    } else if (message.kind === "batch") {
      return {
        loader: new BatchLoader(path, schema.fields, message.header, { read }, dictionaries),
        schema,
        bytes: message.bodyBytes,
      };
    } else if (wanted.has(message.id)) {
      addDictionary(path, schema, message, { read }, dictionaries);
    }
  }
  throw refuseArrow(path, "a part of the stream holds no record batch", DAMAGED_HINTS);
}
