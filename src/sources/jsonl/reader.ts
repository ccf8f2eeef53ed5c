/** Worker side of JSON Lines: a chunk's lines into tensors and kept columns, its bad lines into rejects with their places. */
import type { BindingPlan } from "../../core/binding-plan.ts";
import type { ByteChunk, Chunk, ChunkReject, DecodedChunk, ValueCount } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import type { ChunkReader, LineFormat, OpenReader, SourceColumn, SourceDescription } from "../../core/source.ts";
import { compact } from "../../values/arrow-cells.ts";
import { RowRejects } from "../../values/arrow-rejects.ts";
import { ChunkBytes } from "../csv/chunk-bytes.ts";
import { codecOf } from "../csv/encoding.ts";
import { fillTensors } from "./fill-tensors.ts";
import { expectedKept, type KeptJsonType, keepColumn, misfits } from "./keep-columns.ts";
import { type JsonColumn, type LineComplaint, PUT_ASIDE, placeLines, RowsReader } from "./rows.ts";

export const openJsonlReader: OpenReader = async (description, plan) => new JsonlReader(description, plan);

interface Kept {
  column: SourceColumn;
  type: KeptJsonType;
}

class JsonlReader implements ChunkReader {
  private readonly bytes: ChunkBytes;
  private readonly format: LineFormat;
  private readonly rows: RowsReader;
  private readonly kept: Kept[];
  /** Column index in the source -> position among the columns that are read. */
  private readonly slots = new Map<number, number>();

  constructor(
    description: SourceDescription,
    private readonly plan: BindingPlan,
  ) {
    this.bytes = new ChunkBytes(description.files);
    this.format = description.lines!;
    this.kept = plan.keep.map(({ index, type }) => {
      const column = description.columns[index]!;
      return { column, type: type === "source" ? listType(column) : type };
    });
    const bound = plan.inputs.flatMap(({ from }) => (from.kind === "columns" ? from.columns : [from.column]));
    for (const { index } of [...bound, ...plan.keep]) if (!this.slots.has(index)) this.slots.set(index, this.slots.size);
    this.rows = new RowsReader({
      encoding: this.format.encoding,
      known: new Set(description.columns.map(({ name }) => name)),
      used: [...this.slots.keys()].map((index) => description.columns[index]!.name),
    });
  }

  async read(chunk: Chunk): Promise<DecodedChunk> {
    const { byteStart, linesBefore = 0 } = byteChunk(chunk);
    const bytes = await this.bytes.read(byteChunk(chunk));
    const found = this.rows.read(bytes);
    const rows = found.records.length;
    const rejects = new RowRejects(rows, this.plan.onError);
    const column = (index: number): JsonColumn => found.columns[this.slots.get(index)!]!;
    const { tensors, counts } = fillTensors(this.plan, { nullValues: this.format.nullValues, rows, column, rejects });
    const unkept = this.unkept(rows, column);
    const complaints = this.inOrder(found.complaints, rejects.inOrder(), unkept, found.records);
    const refused = new Set(complaints.map(({ rowInChunk }) => rowInChunk));
    const good: number[] = [];
    for (let row = 0; row < rows; row++) if (!refused.has(found.records[row]!)) good.push(row);
    if (good.length < rows) {
      const positions = Uint32Array.from(good);
      for (const [k, tensor] of tensors.entries()) tensor.data = compact(tensor.data, positions, this.plan.inputs[k]!.rowSize);
    }
    return {
      rowsRead: found.rowsRead,
      rows: good.length,
      sourceRows: refused.size === 0 ? null : Uint32Array.from(good, (row) => found.records[row]!),
      tensors,
      kept: this.kept.map((kept) => keepColumn(kept.type, column(kept.column.index), good)),
      rejects: this.placed(complaints, bytes, byteStart, linesBefore),
      counts: [...counts, ...unseen(found.unknownKeys)],
      lines: linesBefore + found.lines,
      bytes: bytes.length,
    };
  }

  async locate(
    chunk: Chunk,
    rowInChunk: number,
  ): Promise<{ lineInChunk: number | null; byte: number | null; raw: string | null }> {
    const { byteStart, linesBefore = 0 } = byteChunk(chunk);
    const bytes = await this.bytes.again(byteChunk(chunk));
    const [place] = placeLines(bytes, [rowInChunk]);
    if (place === undefined) return { lineInChunk: null, byte: null, raw: null };
    return {
      lineInChunk: linesBefore + place.line,
      byte: byteStart + place.start,
      raw: this.rawOf(bytes.subarray(place.start, place.contentEnd)),
    };
  }

  async close(): Promise<void> {
    await this.bytes.close();
  }

  /** Rows whose kept value does not fit its column, the leftmost column first. */
  private unkept(rows: number, column: (index: number) => JsonColumn): Map<number, ChunkComplaint> {
    const found = new Map<number, ChunkComplaint>();
    for (const { column: kept, type } of this.kept) {
      if (type === "utf8") continue;
      const values = column(kept.index);
      for (const row of misfits(type, values, rows)) {
        if (!found.has(row)) found.set(row, badKept(row, kept, type, values.texts[row]!));
      }
    }
    return found;
  }

  /** One complaint per record: what feeds the model before what is only kept. */
  private inOrder(
    lines: readonly LineComplaint[],
    inputs: readonly ChunkReject[],
    kept: ReadonlyMap<number, ChunkComplaint>,
    records: readonly number[],
  ): ChunkComplaint[] {
    const byRow = new Map<number, ChunkComplaint>(kept);
    for (const { lineInChunk: _line, byte: _byte, raw: _raw, ...reject } of inputs) byRow.set(reject.rowInChunk, reject);
    const values = [...byRow].map(([row, complaint]) => ({ ...complaint, rowInChunk: records[row]! }));
    const whole = lines.map(({ line: _line, ...complaint }) => complaint);
    return [...whole, ...values].sort((a, b) => a.rowInChunk - b.rowInChunk);
  }

  private placed(
    complaints: readonly ChunkComplaint[],
    bytes: Uint8Array,
    byteStart: number,
    linesBefore: number,
  ): ChunkReject[] {
    if (complaints.length === 0) return [];
    const places = placeLines(
      bytes,
      complaints.map(({ rowInChunk }) => rowInChunk),
    );
    return complaints.map((complaint, at) => {
      const { line, start, contentEnd } = places[at]!;
      const raw = this.rawOf(bytes.subarray(start, contentEnd));
      return { ...complaint, lineInChunk: linesBefore + line, byte: byteStart + start, raw };
    });
  }

  private rawOf(line: Uint8Array): string {
    return codecOf(this.format.encoding).decode(line);
  }
}

type ChunkComplaint = Omit<ChunkReject, "lineInChunk" | "byte" | "raw">;

function badKept(row: number, { name, index }: SourceColumn, type: KeptJsonType, text: string): ChunkComplaint {
  const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return {
    rowInChunk: row,
    column: name,
    columnIndex: index + 1,
    code: "BP_SOURCE_CELL",
    message: `cannot keep ${shown} as ${type} in column "${name}"`,
    expected: expectedKept(type),
    actual: shown,
    hints: [`keep the column as text with --column-type ${name}=utf8`, PUT_ASIDE],
  };
}

function unseen(keys: ReadonlyMap<string, number>): ValueCount[] {
  return [...keys].map(([column, count]) => ({ column, kind: "unseen", count }));
}

/** `list<text>[3]` -> `list<utf8>` */
function listType({ type }: SourceColumn): KeptJsonType {
  return type.replace(/\[\d+\]$/, "").replace("<text>", "<utf8>") as KeptJsonType;
}

function byteChunk(chunk: Chunk): ByteChunk {
  if (chunk.kind === "bytes") return chunk;
  throw new BatchPredictError("BP_INTERNAL", "a JSON Lines reader was given a chunk of rows");
}
