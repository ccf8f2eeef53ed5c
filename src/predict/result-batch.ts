/** Kept columns and predictions of one chunk as one Arrow record batch, as they travel to the sink. */
import {
  Bool,
  type Data,
  type DataType,
  Field,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from "apache-arrow";
import type { BindingPlan } from "../core/binding-plan.ts";
import type { OutputPlan, PredictionColumn } from "../core/output-plan.ts";
import type { TensorArray, TensorType } from "../core/tensor-types.ts";
import { linear } from "../values/linear-schema.ts";

/**
 * @param outputs one array per plan.outputs, rows * rowSize elements, row-major
 * @param sourceRows position in the chunk of each row; null: 0, 1, 2, ...
 */
export function resultBatch(
  binding: BindingPlan,
  plan: OutputPlan,
  kept: readonly Data[],
  outputs: readonly TensorArray[],
  rows: number,
  sourceRows: Uint32Array | null,
): RecordBatch {
  const fields: Field[] = [];
  const children: Data[] = [];
  const add = (name: string, data: Data): void => {
    fields.push(new Field(name, data.type, true));
    children.push(data);
  };
  binding.keep.forEach((column, at) => {
    add(column.name, kept[at]!);
  });
  if (plan.rowColumn !== null) add(plan.rowColumn, rowNumbers(rows, sourceRows));
  for (const column of plan.columns) {
    const output = outputs[plan.outputs.findIndex((known) => known.output === column.output)]!;
    add(column.name, predictionData(column, output, rows));
  }
  const schema = linear(new Schema(fields));
  return new RecordBatch(schema, makeData({ type: new Struct(fields), length: rows, nullCount: 0, children }));
}

function rowNumbers(rows: number, sourceRows: Uint32Array | null): Data {
  const values = new BigInt64Array(rows);
  // Row numbers within a chunk fit 32 bits: the low half of each little-endian int64 is written without a BigInt.
  const low = new Uint32Array(values.buffer);
  for (let row = 0; row < rows; row++) low[2 * row] = sourceRows ? sourceRows[row]! : row;
  return makeData({ type: new Int64(), length: rows, nullCount: 0, data: values });
}

function predictionData(column: PredictionColumn, output: TensorArray, rows: number): Data {
  const { element, listSize, type } = column;
  if (element === null) {
    const child = arrowData(type, output, rows * listSize);
    const offsets = Int32Array.from({ length: rows + 1 }, (_, row) => row * listSize);
    const list = new List(new Field("item", child.type, true));
    return makeData({ type: list, length: rows, nullCount: 0, valueOffsets: offsets, child });
  }
  return arrowData(type, listSize === 1 ? output : pick(output, element, listSize, rows), rows);
}

function pick(output: TensorArray, element: number, stride: number, rows: number): TensorArray {
  if (Array.isArray(output)) return Array.from({ length: rows }, (_, row) => output[row * stride + element]!);
  const picked = new (output.constructor as new (length: number) => Float64Array)(rows);
  const from = output as Float64Array;
  for (let row = 0, at = element; row < rows; row++, at += stride) picked[row] = from[at]!;
  return picked;
}

/** float16 comes out as float32, which holds every float16 exactly and which every reader of Parquet knows. */
function arrowData(type: TensorType, values: TensorArray, length: number): Data {
  if (type === "string") return utf8Data(values as string[], length);
  if (type === "bool") return boolData(values as Uint8Array, length);
  const data = type === "float16" ? halvesToFloat32(values as Uint16Array, length) : values;
  return makeData({ type: ARROW_TYPES[type]() as Float64, length, nullCount: 0, data: data as Float64Array });
}

const ARROW_TYPES: Record<Exclude<TensorType, "string" | "bool">, () => DataType> = {
  float32: () => new Float32(),
  float64: () => new Float64(),
  float16: () => new Float32(),
  int8: () => new Int8(),
  int16: () => new Int16(),
  int32: () => new Int32(),
  int64: () => new Int64(),
  uint8: () => new Uint8(),
  uint16: () => new Uint16(),
  uint32: () => new Uint32(),
  uint64: () => new Uint64(),
};

function boolData(values: Uint8Array, length: number): Data {
  const bits = new Uint8Array((length + 7) >> 3);
  for (let row = 0; row < length; row++) if (values[row] !== 0) bits[row >> 3]! |= 1 << (row & 7);
  return makeData({ type: new Bool(), length, nullCount: 0, data: bits });
}

function utf8Data(values: readonly string[], length: number): Data {
  const texts = values.slice(0, length);
  const bytes = Buffer.from(texts.join(""), "utf8");
  const offsets = new Int32Array(length + 1);
  for (let row = 0; row < length; row++) offsets[row + 1] = offsets[row]! + Buffer.byteLength(texts[row]!, "utf8");
  return makeData({ type: new Utf8(), length, nullCount: 0, valueOffsets: offsets, data: bytes });
}

/** IEEE 754 binary16 bits -> float32, exact. */
function halvesToFloat32(halves: Uint16Array, length: number): Float32Array {
  const values = new Float32Array(length);
  for (let at = 0; at < length; at++) {
    const half = halves[at]!;
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) values[at] = sign * fraction * 2 ** -24;
    else if (exponent === 0x1f) values[at] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else values[at] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return values;
}
