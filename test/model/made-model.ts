/** Small models written field by field (onnx.proto numbers), for what no real file in the material shows. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

type Write = (writer: BinaryWriter) => void;

const message =
  (no: number, ...fields: Write[]): Write =>
  (writer) => {
    writer.tag(no, WireType.LengthDelimited).fork();
    for (const field of fields) field(writer);
    writer.join();
  };
export const text =
  (no: number, value: string): Write =>
  (writer) => {
    writer.tag(no, WireType.LengthDelimited).string(value);
  };
export const int =
  (no: number, value: number): Write =>
  (writer) => {
    writer.tag(no, WireType.Varint).int64(value);
  };

export type Dim = number | string | null;

export const value = (field: 11 | 12 | 13, name: string, elementType: number, dims: Dim[] | null): Write =>
  message(
    field,
    text(1, name),
    message(2, message(1, int(1, elementType), ...(dims === null ? [] : [message(2, ...dims.map(dimension))]))),
  );
const dimension = (dim: Dim): Write =>
  message(1, ...(dim === null ? [] : [typeof dim === "number" ? int(1, dim) : text(2, dim)]));
export const input = (name: string, elementType: number, dims: Dim[] | null): Write => value(11, name, elementType, dims);
export const output = (name: string, elementType: number, dims: Dim[] | null): Write => value(12, name, elementType, dims);
/** sequence(map(string, tensor(float))) */
export const zipMapOutput = (field: 12 | 13, name: string): Write =>
  message(field, text(1, name), message(2, message(4, message(1, message(5, int(1, 8), message(2, message(1, int(1, 1))))))));
export const node = (opType: string, inputs: string[], outputs: string[], domain = "", ...attributes: Write[]): Write =>
  message(
    1,
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(3, `${opType}_${outputs[0]}`),
    text(4, opType),
    ...attributes,
    text(7, domain),
  );
export const classLabels = (...labels: string[]): Write =>
  message(5, text(1, "classlabels_strings"), ...labels.map((label) => text(9, label)), int(20, 8));
/** float initializer of shape [values.length] */
export const initializer = (name: string, values: number[]): Write =>
  message(5, int(1, values.length), int(2, 1), text(8, name), (writer) => {
    writer.tag(9, WireType.LengthDelimited).bytes(new Uint8Array(new Float32Array(values).buffer));
  });

export interface MadeModel {
  irVersion?: number;
  opset?: Record<string, number>;
  graph: Write[];
  /** Fields of the ModelProto after the graph. */
  more?: Write[];
}

export function modelBytes({ irVersion = 8, opset = { "": 13 }, graph, more = [] }: MadeModel): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  const imports = Object.entries(opset).map(([domain, version]) => message(8, text(1, domain), int(2, version)));
  for (const field of [int(1, irVersion), text(2, "made"), message(7, ...graph, text(2, "g")), ...imports, ...more])
    field(writer);
  return writer.finish();
}

export const functionOf = (domain: string, name: string, ...body: Write[]): Write =>
  message(25, text(1, name), ...body, text(10, domain));
/** The body of a function lists its nodes under another number than a graph. */
export const functionNode = (opType: string, from: string, to: string): Write =>
  message(7, text(1, from), text(2, to), text(4, opType));
export const functionValues = (from: string, to: string, opset: number): Write[] => [
  text(4, from),
  text(5, to),
  message(9, text(1, ""), int(2, opset)),
];
export { message };
