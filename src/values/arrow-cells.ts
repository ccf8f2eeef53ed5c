/** Arrow record batches -> tensors and kept columns, by the plan. What CSV's cell parser is to text, this is to typed columns. */
import { type Data, Dictionary, makeData, Null, type RecordBatch, Type } from "apache-arrow";
import type { BindingPlan, BoundColumn, InputBinding } from "../core/binding-plan.ts";
import type { DecodedChunk, TensorData, ValueCount } from "../core/chunk.ts";
import { allocateTensor, type TensorArray } from "../core/tensor-types.ts";
import { BLOCK, type ColumnFill, columnFill, type FillCounts } from "./arrow-fill.ts";
import { flattenLists } from "./arrow-lists.ts";
import { RowRejects } from "./arrow-rejects.ts";
import { plainType, rowRange, takePieces, takeRows } from "./arrow-take.ts";
import type { BindingMemory } from "./binding-memory.ts";

export { describeArrowColumn } from "./arrow-columns.ts";

export interface CellPlace {
  /** Named in errors. */
  file: string;
  /** First row of the chunk in the input, where the caller knows it. */
  rowBase?: number;
  /** Of the reader; the tensors are valid until it is given again. Default: memory of their own. */
  memory?: BindingMemory;
}

/** Rows `from` up to `to` of one batch, which become rows `at`... of the chunk. */
interface Span {
  batch: RecordBatch;
  from: number;
  to: number;
  at: number;
}

/** What all columns of a chunk share. */
interface Binding {
  file: string;
  rejects: RowRejects;
  counts: Map<string, FillCounts>;
  memory: BindingMemory | undefined;
}

/**
 * @param batches one after the other; all of one schema
 * @param rowStart first row, counted over all batches; @param rowEnd exclusive
 * @param plan `index` of its columns is the position in the batches
 * @returns tensors and kept columns of the good rows. Kept columns have their source type, but dictionaries come out as the values
 * they stand for and string or binary views as ordinary ones (arrow-take.ts). `bytes` and `lines` are 0, `raw` of a reject is null:
 * the caller knows them.
 * @throws BP_SOURCE_TYPE, BP_CONFIG, BP_SOURCE_LIMIT
 */
export function bindRecordBatches(
  batches: readonly RecordBatch[],
  rowStart: number,
  rowEnd: number,
  plan: BindingPlan,
  place: CellPlace,
): DecodedChunk {
  const spans = spansOf(batches, rowStart, rowEnd);
  const rowsRead = rowEnd - rowStart;
  const { file, memory } = place;
  const binding: Binding = { file, rejects: new RowRejects(rowsRead, plan.onError), counts: new Map(), memory };
  const tensors = plan.inputs.map((input, position): TensorData => {
    const elements = rowsRead * input.rowSize;
    const data = memory?.tensor(position, input.type, elements) ?? allocateTensor(input.type, elements);
    for (const span of spans) bindInput(input, span, data, binding);
    return { input: input.input, type: input.type, data };
  });
  const good = binding.rejects.goodRows();
  if (good !== null)
    for (const [k, tensor] of tensors.entries()) tensor.data = compact(tensor.data, good, plan.inputs[k]!.rowSize);
  return {
    rowsRead,
    rows: good?.length ?? rowsRead,
    sourceRows: good,
    tensors,
    kept: plan.keep.map(({ index }) => keepColumn(spans, index, good)),
    rejects: binding.rejects.inOrder(),
    counts: valueCounts(binding.counts),
    lines: 0,
    bytes: 0,
  };
}

function spansOf(batches: readonly RecordBatch[], rowStart: number, rowEnd: number): Span[] {
  const spans: Span[] = [];
  let first = 0;
  for (const batch of batches) {
    const from = Math.max(0, rowStart - first);
    const to = Math.min(batch.numRows, rowEnd - first);
    // One span is kept even when it is empty, because it knows the types of the kept columns.
    if (from < to || (batches.length === 1 && rowStart === rowEnd)) spans.push({ batch, from, to, at: first + from - rowStart });
    first += batch.numRows;
  }
  return spans;
}

function bindInput(input: InputBinding, span: Span, out: TensorArray, binding: Binding): void {
  if (input.from.kind === "list") {
    bindList(input, input.from.column, span, out, binding);
    return;
  }
  const { rowSize, type } = input;
  const { columns } = input.from;
  const plain = type === "float32" ? columns.map(({ index }) => withoutNulls(span.batch.data.children[index]!)) : [];
  if (binding.memory?.canTake(plain)) {
    const blockRows = binding.memory.blockRows(columns.length);
    for (let from = span.from; from < span.to; from += blockRows) {
      const to = Math.min(span.to, from + blockRows);
      const at = (span.at + from - span.from) * rowSize;
      if (binding.memory.rows(plain, from, to, out as Float32Array, at)) continue;
      // Numbers too large are counted, each with its column.
      for (const [k, fill] of fillsOf(input, columns, span, out, binding).entries()) fill(from, to, at + k, rowSize);
    }
    return;
  }
  const fills = fillsOf(input, columns, span, out, binding);
  // Row blocks outside, columns inside: the rows of a block stay in the cache while every column is written into them.
  const rowsPerBlock = type === "string" ? span.to - span.from : BLOCK;
  for (let from = span.from; from < span.to; from += rowsPerBlock) {
    const to = Math.min(span.to, from + rowsPerBlock);
    const at = (span.at + from - span.from) * rowSize;
    for (const [k, fill] of fills.entries()) fill(from, to, at + k, rowSize);
  }
}

/** The values as they lie in memory; null where one is missing. */
function withoutNulls(data: Data): unknown {
  return data.type.typeId === Type.Float && data.nullCount === 0 ? data.values : null;
}

function fillsOf(
  input: InputBinding,
  columns: readonly BoundColumn[],
  { batch }: Span,
  out: TensorArray,
  binding: Binding,
): ColumnFill[] {
  const rowOf = (at: number): number => Math.floor(at / input.rowSize);
  return columns.map((column) => fillOf(plainNumbers(batch.data.children[column.index]!), column, input, out, binding, rowOf));
}

function bindList(input: InputBinding, column: BoundColumn, span: Span, out: TensorArray, binding: Binding): void {
  const { rowSize } = input;
  const data = span.batch.data.children[column.index]!;
  const { leaf, starts, ends } = flattenLists(data, span.from, span.to);
  const fill = fillOf(leaf, column, input, out, binding, (at) => Math.floor(at / rowSize));
  const rows = span.to - span.from;
  let run = 0;
  for (let row = 0; row <= rows; row++) {
    const size = row < rows && data.getValid(span.from + row) ? ends[row]! - starts[row]! : -1;
    const continues = size === rowSize && (row === run || starts[row] === ends[row - 1]);
    if (continues) continue;
    if (row > run) fill(starts[run]!, ends[row - 1]!, (span.at + run) * rowSize, 1);
    if (size === rowSize) {
      run = row;
      continue;
    }
    run = row + 1;
    if (row === rows) break;
    const chunkRow = span.at + row;
    if (size >= 0) binding.rejects.listSize(chunkRow, column, input, size);
    else if (column.missing === "reject") binding.rejects.cell(chunkRow, column, input, null);
    else fillNulls(column, input, out, chunkRow, binding);
  }
}

const NO_VALUES = makeData({ type: new Null(), length: 0 });

/** A missing list is a list of missing elements. */
function fillNulls(column: BoundColumn, input: InputBinding, out: TensorArray, row: number, binding: Binding): void {
  const counts = countsOf(binding.counts, column.name);
  const before = counts.missing;
  fillOf(NO_VALUES, column, input, out, binding, () => row)(0, input.rowSize, row * input.rowSize, 1);
  counts.missing = before + 1;
}

function fillOf(
  data: Data,
  column: BoundColumn,
  input: InputBinding,
  out: TensorArray,
  binding: Binding,
  rowOf: (at: number) => number,
): ColumnFill {
  return columnFill(data, {
    input: input.input,
    column: column.name,
    type: input.type,
    missing: column.missing,
    out,
    counts: countsOf(binding.counts, column.name),
    file: binding.file,
    columnIndex: column.index + 1,
    reject: (at, actual) => binding.rejects.cell(rowOf(at), column, input, actual),
  });
}

function countsOf(counts: Map<string, FillCounts>, column: string): FillCounts {
  let found = counts.get(column);
  if (found === undefined) {
    found = { missing: 0, overflow: 0, inexact: 0 };
    counts.set(column, found);
  }
  return found;
}

/** Dictionaries of texts are read code by code; all others become the values they stand for. */
function plainNumbers(data: Data): Data {
  if (!(data.type instanceof Dictionary)) return data;
  const { typeId } = data.type.dictionary;
  return typeId === Type.Utf8 || typeId === Type.LargeUtf8 || typeId === Type.Utf8View
    ? data
    : takeRows(data, rowRange(0, data.length));
}

function keepColumn(spans: readonly Span[], index: number, good: Uint32Array | null): Data {
  const first = spans[0]!;
  const column = first.batch.data.children[index]!;
  if (spans.length === 1 && good === null && plainType(column.type) === column.type)
    return column.slice(first.from, first.to - first.from);
  return takePieces(
    column.type,
    spans.map(({ batch, from, to, at }) => ({ data: batch.data.children[index]!, rows: rowsOfSpan(good, from, to, at) })),
  );
}

/** Positions in the batch of the good rows among rows at..at+(to-from) of the chunk. */
function rowsOfSpan(good: Uint32Array | null, from: number, to: number, at: number): Uint32Array {
  if (good === null) return rowRange(from, to);
  return good.filter((row) => row >= at && row < at + to - from).map((row) => row - at + from);
}

/** The good rows of a tensor, in its own memory where it has any. */
export function compact(data: TensorArray, good: Uint32Array, rowSize: number): TensorArray {
  if (Array.isArray(data)) {
    const rows: string[] = [];
    for (const row of good) for (let k = 0; k < rowSize; k++) rows.push(data[row * rowSize + k]!);
    return rows;
  }
  for (let to = 0; to < good.length; ) {
    const run = to;
    while (to < good.length && good[to]! - good[run]! === to - run) to++;
    data.copyWithin(run * rowSize, good[run]! * rowSize, (good[to - 1]! + 1) * rowSize);
  }
  return data.slice(0, good.length * rowSize);
}

function valueCounts(counts: ReadonlyMap<string, FillCounts>): ValueCount[] {
  const list: ValueCount[] = [];
  for (const [column, { missing, overflow, inexact }] of counts) {
    if (missing > 0) list.push({ column, kind: "missing", count: missing });
    if (overflow > 0) list.push({ column, kind: "overflow", count: overflow });
    if (inexact > 0) list.push({ column, kind: "inexact", count: inexact });
  }
  return list;
}
