/** Worker side: rows of a row group, only the columns that the plan needs, into tensors and kept columns. */
import type { RecordBatch } from "apache-arrow";
import type { BindingPlan } from "../../core/binding-plan.ts";
import type { Chunk, DecodedChunk, RowChunk } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import type { ChunkReader, OpenReader, SourceDescription } from "../../core/source.ts";
import { bindRecordBatches } from "../../values/arrow-cells.ts";
import { emptyBatch } from "../../values/arrow-take.ts";
import { textReader } from "../../values/arrow-text.ts";
import { BindingMemory } from "../../values/binding-memory.ts";
import { type DecodedRows, type DecodeOptions, decodeRows } from "./decode-row-group.ts";
import { openParquetFile, type ParquetFile } from "./parquet-file.ts";
import { QuickDecoder } from "./quick-columns.ts";

export const openParquetReader: OpenReader = async (description, plan, { kernel = true, windowBytes } = {}) =>
  new ParquetReader(description, plan, { quick: kernel, windowBytes });

class ParquetReader implements ChunkReader {
  /** Positions in the schema of the columns that are read, ascending. */
  private readonly columns: number[];
  /** The plan with positions among those columns. */
  private readonly plan: BindingPlan;
  private readonly options: DecodeOptions;
  private readonly memory: BindingMemory;
  private open: { index: number; file: ParquetFile } | undefined;
  /** The last rows decoded: row ranges of one small group share them. */
  private decoded: (DecodedRows & { file: number; unit: number }) | undefined;

  constructor(
    private readonly description: SourceDescription,
    plan: BindingPlan,
    options: DecodeOptions,
  ) {
    this.columns = neededColumns(plan);
    const kept = new Set(plan.keep.map(({ index }) => index));
    this.options = options.quick ? { ...options, kept, decoder: new QuickDecoder() } : options;
    this.plan = withPositions(plan, this.columns);
    this.memory = new BindingMemory({ kernel: options.quick });
  }

  async read(chunk: Chunk): Promise<DecodedChunk> {
    const rows = rowChunk(chunk);
    if (rows.unit < 0) return this.noRows(rows);
    const { batches, rowStart } = await this.rowsOf(rows);
    const { path } = this.description.files[rows.file]!;
    try {
      const result = bindRecordBatches(batches, rows.rowStart - rowStart, rows.rowEnd - rowStart, this.plan, {
        file: path,
        memory: this.memory,
      });
      result.bytes = await this.share(rows);
      const json = rowJson(batches);
      for (const reject of result.rejects) {
        reject.columnIndex = this.inSchema(reject.columnIndex);
        reject.raw = json(rows.rowStart - rowStart + reject.rowInChunk);
      }
      return result;
    } catch (error) {
      throw this.withSchemaColumn(error);
    }
  }

  async locate(chunk: Chunk, rowInChunk: number): Promise<{ lineInChunk: null; byte: null; raw: string | null }> {
    const rows = rowChunk(chunk);
    const { batches, rowStart } = await this.rowsOf(rows);
    return { lineInChunk: null, byte: null, raw: rowJson(batches)(rows.rowStart - rowStart + rowInChunk) };
  }

  async close(): Promise<void> {
    this.decoded = undefined;
    const { open } = this;
    this.open = undefined;
    await open?.file.close();
  }

  /** A file without a single row still has columns: the sink learns their types from this batch. */
  private async noRows({ file: index }: RowChunk): Promise<DecodedChunk> {
    const { schema, path } = await this.fileAt(index);
    const empty = emptyBatch(this.columns.map((column) => schema.fields[column]!));
    return bindRecordBatches([empty], 0, 0, this.plan, { file: path });
  }

  private async rowsOf({ file, unit, rowStart, rowEnd }: RowChunk): Promise<DecodedRows> {
    const known = this.decoded;
    if (known?.file === file && known.unit === unit && known.rowStart <= rowStart && rowEnd <= known.rowEnd) return known;
    // Freed before the next rows are decoded, so that two groups are never in memory at once.
    this.decoded = undefined;
    const rows = await decodeRows(await this.fileAt(file), unit, this.columns, { rowStart, rowEnd }, this.options);
    this.decoded = { ...rows, file, unit };
    return rows;
  }

  private async fileAt(index: number): Promise<ParquetFile> {
    if (this.open?.index === index) return this.open.file;
    await this.close();
    const wanted = this.description.files[index]!;
    const file = await openParquetFile(wanted.path, wanted);
    this.open = { index, file };
    return file;
  }

  /** Bytes on disk that stand for these rows, so that the chunks of a file add up to its size whatever columns are read. */
  private async share({ file: index, rowStart, rowEnd }: RowChunk): Promise<number> {
    const file = await this.fileAt(index);
    return Math.round((file.footer.sizeBytes * (rowEnd - rowStart)) / file.rows);
  }

  /** 1-based among the read columns -> 1-based in the schema. */
  private inSchema(columnIndex: number | null): number | null {
    const column = columnIndex === null ? undefined : this.columns[columnIndex - 1];
    return column === undefined ? null : column + 1;
  }

  private withSchemaColumn(error: unknown): unknown {
    if (!(error instanceof BatchPredictError) || error.details.where?.columnIndex === undefined) return error;
    const columnIndex = this.inSchema(error.details.where.columnIndex);
    const { columnIndex: _old, ...where } = error.details.where;
    const details = { ...error.details, where: columnIndex === null ? where : { ...where, columnIndex } };
    return new BatchPredictError(error.code, error.message, details);
  }
}

function neededColumns(plan: BindingPlan): number[] {
  const bound = plan.inputs.flatMap(({ from }) => (from.kind === "columns" ? from.columns : [from.column]));
  return [...new Set([...bound, ...plan.keep].map((column) => column.index))].sort((a, b) => a - b);
}

function withPositions(plan: BindingPlan, columns: readonly number[]): BindingPlan {
  const positions = new Map(columns.map((column, position) => [column, position]));
  const moved = <T extends { index: number }>(column: T): T => ({ ...column, index: positions.get(column.index)! });
  return {
    ...plan,
    inputs: plan.inputs.map((input) => ({
      ...input,
      from:
        input.from.kind === "columns"
          ? { kind: "columns", columns: input.from.columns.map(moved) }
          : { kind: "list", column: moved(input.from.column) },
    })),
    keep: plan.keep.map(moved),
  };
}

/** The columns that were read, of one row, counted over all batches. Readers are made once: one may decode its whole column. */
function rowJson(batches: readonly RecordBatch[]): (row: number) => string | null {
  const readers = new Map<RecordBatch, (row: number) => string | null>();
  return (row) => {
    let first = 0;
    for (const batch of batches) {
      if (row < first + batch.numRows) {
        const read = readers.get(batch) ?? textReader(batch.data);
        readers.set(batch, read);
        return read(row - first);
      }
      first += batch.numRows;
    }
    return null;
  };
}

function rowChunk(chunk: Chunk): RowChunk {
  if (chunk.kind === "rows") return chunk;
  throw new BatchPredictError("BP_INTERNAL", "a Parquet reader was given a chunk of bytes");
}
