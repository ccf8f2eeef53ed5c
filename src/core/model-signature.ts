import type { TensorType } from "./tensor-types.ts";

/** A dimension: fixed, named (dynamic), or unnamed (dynamic, null). */
export type Dimension = number | string | null;

export interface ModelInput {
  name: string;
  type: TensorType;
  shape: Dimension[];
  /** An initializer of the same name gives a default: the input may stay unbound. */
  optional: boolean;
  /** Present when the file gives no shape at all, not even a rank (`shape` is then []). */
  shapeDeclared?: false;
}

export interface ModelOutput {
  name: string;
  type: TensorType;
  /** As declared; [] with `shapeDeclared: false` when the file says nothing. The runtime's result is the truth, see probe. */
  shape: Dimension[];
  shapeDeclared?: false;
  /** Class labels of the last axis, where the model knows them (ZipMap, classlabels attributes). */
  labels: string[] | null;
  /** The file's output was a ZipMap (sequence of maps) and is served as the tensor that fed it. */
  zipMap: boolean;
}

/** What the file says, without loading it into the runtime. */
export interface ModelSignature {
  path: string;
  sha256: string;
  sizeBytes: number;
  irVersion: number;
  /** Domain ("" printed as "ai.onnx") -> version. */
  opset: Record<string, number>;
  producer: { name: string; version: string };
  graphName: string;
  metadata: Record<string, string>;
  inputs: ModelInput[];
  outputs: ModelOutput[];
  /** Rows per inference call that the shapes force (first dimension of inputs), null when dynamic. */
  fixedBatch: number | null;
  /** The graph is changed in memory before it is loaded (ZipMap removed). */
  rewritten: boolean;
  externalData: string[];
}
