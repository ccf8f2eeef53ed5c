/** TensorProto (onnx.proto): what is read of a weight. Its elements stay where they are, but for short lists of integers or texts. */
import type { ModelStructure } from "./model-structure.ts";
import { scalars, type WireField, wireFields } from "./wire-fields.ts";

const TENSOR = {
  dims: 1,
  elementType: 2,
  int32s: 5,
  strings: 6,
  int64s: 7,
  name: 8,
  raw: 9,
  externalData: 13,
  dataLocation: 14,
} as const;
const DATA = { [TENSOR.int32s]: true, [TENSOR.strings]: true, [TENSOR.int64s]: true, [TENSOR.raw]: true };
const EXTERNAL = 1;
const INT32 = 6;
const INT64 = 7;
const STRING = 8;
/** Longer lists are vocabularies. */
const MAX_LABELS = 4096n;

export function tensorName(bytes: Uint8Array): string {
  for (const field of wireFields(bytes)) if (field.no === TENSOR.name) return field.text;
  return "";
}

/** Name, place and, where it may be a list of classes, the elements of an initializer; other elements are stepped over. @returns its name */
export function readTensor(bytes: Uint8Array, model: ModelStructure): string {
  let name = "";
  let external = false;
  const entries = new Map<string, string>();
  const data: WireField[] = [];
  const dims: bigint[] = [];
  let elementType = 0;
  for (const field of wireFields(bytes)) {
    if (field.no === TENSOR.name) name = field.text;
    else if (field.no === TENSOR.dims) dims.push(...field.int64s());
    else if (field.no === TENSOR.elementType) elementType = field.int;
    else if (field.no in DATA) data.push(field);
    else if (field.no === TENSOR.dataLocation) external = field.int === EXTERNAL;
    else if (field.no === TENSOR.externalData) {
      const { texts } = scalars(field.bytes);
      entries.set(texts.get(1) ?? "", texts.get(2) ?? "");
    }
  }
  if (external) {
    const length = entries.get("length");
    model.externalTensors.push({
      tensor: name,
      location: entries.get("location") ?? "",
      offset: Number(entries.get("offset") ?? 0),
      length: length === undefined ? null : Number(length),
    });
  }
  const elements = dims.reduce((product, dim) => product * dim, 1n);
  if (!external && dims.length === 1 && elements <= MAX_LABELS) {
    const labels = elementTexts(data, elementType);
    if (labels !== null && BigInt(labels.length) === elements) model.labelTensors.set(name, labels);
  }
  return name;
}

/** Integers and texts only: no class is called by a float. */
function elementTexts(data: readonly WireField[], elementType: number): string[] | null {
  if (elementType === STRING) return data.flatMap((field) => (field.no === TENSOR.strings ? [field.text] : []));
  if (elementType !== INT32 && elementType !== INT64) return null;
  return data.flatMap((field) => {
    if (field.no !== TENSOR.raw) return field.no === TENSOR.strings ? [] : field.int64s().map(String);
    const width = elementType === INT32 ? 4 : 8;
    const view = new DataView(field.bytes.buffer, field.bytes.byteOffset, field.bytes.byteLength);
    return Array.from({ length: Math.floor(view.byteLength / width) }, (_, at) =>
      String(width === 4 ? view.getInt32(4 * at, true) : view.getBigInt64(8 * at, true)),
    );
  });
}
