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
