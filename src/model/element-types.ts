/** TensorProto.DataType (onnx.proto) -> our tensor types, and the names of those that cannot travel through the runtime's Node binding. */
import type { TensorType } from "../core/tensor-types.ts";

const SERVED: ReadonlyMap<number, TensorType> = new Map([
  [1, "float32"],
  [2, "uint8"],
  [3, "int8"],
  [4, "uint16"],
  [5, "int16"],
  [6, "int32"],
  [7, "int64"],
  [8, "string"],
  [9, "bool"],
  [10, "float16"],
  [11, "float64"],
  [12, "uint32"],
  [13, "uint64"],
]);

const OTHERS: ReadonlyMap<number, string> = new Map([
  [14, "complex64"],
  [15, "complex128"],
  [16, "bfloat16"],
  [17, "float8e4m3fn"],
  [18, "float8e4m3fnuz"],
  [19, "float8e5m2"],
  [20, "float8e5m2fnuz"],
  [21, "uint4"],
  [22, "int4"],
  [23, "float4e2m1"],
  [24, "float8e8m0"],
  [25, "uint2"],
  [26, "int2"],
]);

export function tensorTypeOf(elementType: number): TensorType | null {
  return SERVED.get(elementType) ?? null;
}

export function elementTypeName(elementType: number): string {
  return SERVED.get(elementType) ?? OTHERS.get(elementType) ?? `element type ${elementType}`;
}
