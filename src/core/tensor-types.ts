/** Element types of a tensor, by the runtime's own names. */
export const TENSOR_TYPES = [
  "float32",
  "float64",
  "float16",
  "int8",
  "int16",
  "int32",
  "int64",
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "bool",
  "string",
] as const;

export type TensorType = (typeof TENSOR_TYPES)[number];

/** Bytes of one element; of a string what a short one takes on a heap. */
export const ELEMENT_BYTES: Record<TensorType, number> = {
  float32: 4,
  float64: 8,
  float16: 2,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  bool: 1,
  string: 32,
};

/** float16 travels as its bits in a Uint16Array, bool as one byte per element (0 or 1). */
export type TensorArray =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint32Array
  | BigUint64Array
  | string[];

/** @param elements number of elements, not bytes */
export function allocateTensor(type: TensorType, elements: number): TensorArray {
  switch (type) {
    case "float32":
      return new Float32Array(elements);
    case "float64":
      return new Float64Array(elements);
    case "float16":
    case "uint16":
      return new Uint16Array(elements);
    case "int8":
      return new Int8Array(elements);
    case "int16":
      return new Int16Array(elements);
    case "int32":
      return new Int32Array(elements);
    case "int64":
      return new BigInt64Array(elements);
    case "uint8":
    case "bool":
      return new Uint8Array(elements);
    case "uint32":
      return new Uint32Array(elements);
    case "uint64":
      return new BigUint64Array(elements);
    case "string":
      return new Array<string>(elements).fill("");
  }
}

export function isFloatType(type: TensorType): boolean {
  return type === "float32" || type === "float64" || type === "float16";
}
