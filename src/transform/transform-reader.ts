/** A chunk reader with the user's transform behind it: reads all columns, transforms them, binds what came out. */
import { type Data, Field, makeData, Null, RecordBatch, Schema, Struct } from "apache-arrow";
import type { BindingPlan } from "../core/binding-plan.ts";
import type { Chunk, ChunkReject, DecodedChunk } from "../core/chunk.ts";
import type { ChunkReader, SourceDescription } from "../core/source.ts";
import { allocateTensor } from "../core/tensor-types.ts";
import type { TransformedColumn } from "../core/transform.ts";
import { bindRecordBatches } from "../values/arrow-cells.ts";
import { rowRange, takeRows } from "../values/arrow-take.ts";
import { linear } from "../values/linear-schema.ts";
import { RowFault } from "./transform-error.ts";
import type { Learned, TransformStep } from "./transform-step.ts";

/** Rows that the module sees before the run, to learn which columns it gives. */
const SAMPLE_ROWS = 1000;

/** What the reader below is to read: every column, none bound. */
export function allColumns(description: SourceDescription, onError: BindingPlan["onError"]): BindingPlan {
  const keep = description.columns.map(({ name, index, keptType }) => ({ name, column: name, index, type: keptType }));
  return { inputs: [], constants: [], keep, onError };
}

/** @param inner opened with `allColumns`, rejecting */
export async function learnColumns(
  inner: ChunkReader,
  description: SourceDescription,
  step: TransformStep,
  chunk: Chunk,
): Promise<Learned> {
  const decoded = await inner.read(chunk);
  const rows = Math.min(decoded.rows, SAMPLE_ROWS);
  const sample = rows === decoded.rows ? decoded.kept : decoded.kept.map((data) => takeRows(data, rowRange(0, rows)));
  return step.learn({ data: byName(description, sample), rows });
}

export class TransformReader implements ChunkReader {
  /** @param plan made for the learned columns @param inner opened with `allColumns` and the plan's `onError` */
  constructor(
    private readonly inner: ChunkReader,
    private readonly description: SourceDescription,
    private readonly step: TransformStep,
    private readonly columns: readonly TransformedColumn[],
    private readonly plan: BindingPlan,
  ) {}

  async read(chunk: Chunk): Promise<DecodedChunk> {
    const decoded = await this.inner.read(chunk);
    const { onError } = this.plan;
    // The first bad row ends the run, so nothing behind it is looked at; the row before it may still be refused here.
    const input = { data: byName(this.description, decoded.kept), rows: decoded.rows };
    const done = await this.step.apply(input, this.columns, onError);
    const inChunk = (row: number): number => decoded.sourceRows?.[row] ?? row;
    if (done instanceof RowFault) {
      const reject = await this.rejectOf(chunk, done, inChunk(done.row));
      return { ...this.nothing(decoded), rejects: inOrder([...decoded.rejects, reject]) };
    }
    const file = this.description.files[chunk.file]!.path;
    const bound = bindRecordBatches([this.batchOf(done.data, done.rows)], 0, done.rows, this.plan, { file });
    const inRows = (row: number): number => inChunk(done.kept?.[row] ?? row);
    const late = await Promise.all(bound.rejects.map((reject) => this.place(chunk, reject, inRows(reject.rowInChunk))));
    const early = await Promise.all(done.faults.map((fault) => this.rejectOf(chunk, fault, inChunk(fault.row))));
    const whole = decoded.sourceRows === null && done.kept === null && bound.sourceRows === null;
    return {
      ...bound,
      rowsRead: decoded.rowsRead,
      sourceRows: whole ? null : (bound.sourceRows ?? rowRange(0, bound.rows)).map(inRows),
      rejects: inOrder([...decoded.rejects, ...early, ...late]),
      counts: [...decoded.counts, ...bound.counts],
      lines: decoded.lines,
      bytes: decoded.bytes,
    };
  }

  locate(chunk: Chunk, rowInChunk: number): ReturnType<ChunkReader["locate"]> {
    return this.inner.locate(chunk, rowInChunk);
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  private batchOf(data: Data[], rows: number): RecordBatch {
    const fields = this.columns.map(({ name }, at) => new Field(name, data[at]!.type, true));
    const type = new Struct(fields);
    return new RecordBatch(linear(new Schema(fields)), makeData({ type, length: rows, nullCount: 0, children: data }));
  }

  private async rejectOf(chunk: Chunk, fault: RowFault, row: number): Promise<ChunkReject> {
    const { message, column, details } = fault;
    const reject = {
      rowInChunk: row,
      lineInChunk: null,
      byte: null,
      column,
      columnIndex: null,
      code: "BP_TRANSFORM" as const,
      message,
      raw: null,
      hints: ["put bad rows aside with --on-error reject, or mend the transform"],
      ...details,
    };
    return this.place(chunk, reject, row);
  }

  /** Where the row stands in the input; a column that the module made stands nowhere. */
  private async place(chunk: Chunk, reject: ChunkReject, row: number): Promise<ChunkReject> {
    const found = await this.inner.locate(chunk, row);
    const source = this.description.columns.find(({ name }) => name === reject.column);
    return { ...reject, ...found, rowInChunk: row, columnIndex: source ? source.index + 1 : null };
  }

  private nothing({ rowsRead, counts, lines, bytes }: DecodedChunk): DecodedChunk {
    const tensors = this.plan.inputs.map(({ input, type }) => ({ input, type, data: allocateTensor(type, 0) }));
    const kept = this.plan.keep.map(() => makeData({ type: new Null(), length: 0 }));
    return { rowsRead, rows: 0, sourceRows: new Uint32Array(0), tensors, kept, rejects: [], counts, lines, bytes };
  }
}

function byName({ columns }: SourceDescription, kept: readonly Data[]): Map<string, Data> {
  return new Map(columns.map(({ name }, at) => [name, kept[at]!]));
}

function inOrder(rejects: ChunkReject[]): ChunkReject[] {
  return rejects.sort((a, b) => a.rowInChunk - b.rowInChunk);
}
