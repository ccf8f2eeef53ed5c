/**
 * ONNX models for tests, written field by field (numbers of onnx.proto3), for shapes and widths that no fixture has.
 * What runs through them is real: the runtime loads these bytes like any other file.
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

export type Write = (writer: BinaryWriter) => void;

export const message =
  (field: number, ...fields: Write[]): Write =>
  (writer) => {
    writer.tag(field, WireType.LengthDelimited).fork();
    for (const write of fields) write(writer);
    writer.join();
  };
export const text =
  (field: number, value: string): Write =>
  (writer) => {
    writer.tag(field, WireType.LengthDelimited).string(value);
  };
export const int =
  (field: number, value: number): Write =>
  (writer) => {
    writer.tag(field, WireType.Varint).int64(value);
  };
export const raw =
  (field: number, values: Float32Array): Write =>
  (writer) => {
    writer.tag(field, WireType.LengthDelimited).bytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  };

/** AttributeProto: name 1, floats 7, ints 8, strings 9, type 20 (FLOATS 6, INTS 7, STRINGS 8). Unpacked, as exporters write them. */
export const attribute = (name: string, type: number, ...values: Write[]): Write =>
  message(5, text(1, name), ...values, int(20, type));
export const ints = (name: string, values: number[]): Write => attribute(name, 7, ...values.map((each) => int(8, each)));
export const texts = (name: string, values: string[]): Write => attribute(name, 8, ...values.map((each) => text(9, each)));
export const floats = (name: string, values: number[]): Write =>
  attribute(name, 6, (writer) => {
    for (const each of values) writer.tag(7, WireType.Bit32).float(each);
  });

/** One node of a tree ensemble; `low` is where its condition holds. */
export interface TreeNode {
  tree: number;
  id: number;
  mode: string;
  feature: number;
  threshold: number;
  low: number;
  high: number;
}

/** The nodes_* attributes that every tree ensemble of ai.onnx.ml has. */
export const treeNodes = (nodes: readonly TreeNode[]): Write[] => [
  ints(
    "nodes_treeids",
    nodes.map(({ tree }) => tree),
  ),
  ints(
    "nodes_nodeids",
    nodes.map(({ id }) => id),
  ),
  ints(
    "nodes_featureids",
    nodes.map(({ feature }) => feature),
  ),
  floats(
    "nodes_values",
    nodes.map(({ threshold }) => threshold),
  ),
  texts(
    "nodes_modes",
    nodes.map(({ mode }) => mode),
  ),
  ints(
    "nodes_truenodeids",
    nodes.map(({ low }) => low),
  ),
  ints(
    "nodes_falsenodeids",
    nodes.map(({ high }) => high),
  ),
];

/** TensorProto.DataType */
const FLOAT = 1;

/** ValueInfoProto of a float tensor; a text is a dynamic dimension. */
export const floatTensor = (field: number, name: string, dims: (number | string)[]): Write =>
  message(
    field,
    text(1, name),
    message(
      2,
      message(
        1,
        int(1, FLOAT),
        message(2, ...dims.map((dim) => message(1, typeof dim === "number" ? int(1, dim) : text(2, dim)))),
      ),
    ),
  );

export const initializer = (name: string, dims: number[], values: Float32Array): Write =>
  message(5, ...dims.map((dim) => int(1, dim)), int(2, FLOAT), text(8, name), raw(9, values));

export interface LinearModel {
  /** One per input column. */
  weights: readonly number[];
  bias: number;
  /** Default "x" and "y". */
  input?: string;
  output?: string;
}

/**
 * `y = x . weights + bias`: one Gemm node (opset 13), input float32 [N, F] with N dynamic, output float32 [N, 1].
 * @returns the bytes of the .onnx file
 */
export function linearModel({ weights, bias, input = "x", output = "y" }: LinearModel): Uint8Array {
  const width = weights.length;
  const graph = message(
    7,
    message(1, text(1, input), text(1, "weights"), text(1, "bias"), text(2, output), text(3, "gemm"), text(4, "Gemm")),
    text(2, "linear"),
    initializer("weights", [width, 1], Float32Array.from(weights)),
    initializer("bias", [1], Float32Array.of(bias)),
    floatTensor(11, input, ["N", width]),
    floatTensor(12, output, ["N", 1]),
  );
  const writer = new BinaryWriter();
  const opset = message(8, text(1, ""), int(2, 13));
  for (const write of [int(1, 8), text(2, "batchpredict tests"), graph, opset]) write(writer);
  return writer.finish();
}
