/**
 * What is read out of a model file, whatever its container (ONNX protobuf, ORT flatbuffer): enough for a signature, for labels
 * and for refusing what cannot be served. Weights are not part of it.
 */
import type { Dimension } from "../core/model-signature.ts";

/** Kinds that no tensor can feed or carry. `text` is the type as the runtime would print it, e.g. "sequence(map(int64, tensor(float)))". */
export type ValueType =
  | { kind: "tensor"; elementType: number; shape: Dimension[] | null; text: string }
  | { kind: "sequence" | "map" | "optional" | "sparse tensor" | "opaque"; text: string; mapOf: number | null };

export interface ValueInfo {
  name: string;
  type: ValueType | null;
}

export interface GraphNode {
  name: string;
  opType: string;
  /** "" for ai.onnx. */
  domain: string;
  inputs: string[];
  outputs: string[];
  /** Of classifiers and ZipMap: their class labels as text, in the order of the scores. */
  classLabels: string[] | null;
}

/** One tensor whose elements live outside of the model file. Offsets and lengths in bytes; length null: to the end. */
export interface ExternalTensor {
  tensor: string;
  location: string;
  offset: number;
  length: number | null;
}

export interface ModelStructure {
  irVersion: number | null;
  producer: { name: string; version: string };
  /** Domain as in the file ("" is ai.onnx) -> version. */
  opset: Map<string, number>;
  metadata: Record<string, string>;
  hasGraph: boolean;
  graphName: string;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  initializers: Set<string>;
  /** Short lists of integers or texts among them, by name, as text: candidates for lists of classes. */
  labelTensors: Map<string, string[]>;
  nodes: GraphNode[];
  /** Every (domain, operator) used anywhere, subgraphs and function bodies included. */
  operators: Map<string, Set<string>>;
  /** Domains that the file defines itself through model-local functions. */
  functionDomains: Set<string>;
  externalTensors: ExternalTensor[];
}

export function emptyStructure(): ModelStructure {
  return {
    irVersion: null,
    producer: { name: "", version: "" },
    opset: new Map(),
    metadata: {},
    hasGraph: false,
    graphName: "",
    inputs: [],
    outputs: [],
    initializers: new Set(),
    labelTensors: new Map(),
    nodes: [],
    operators: new Map(),
    functionDomains: new Set(),
    externalTensors: [],
  };
}

/** ai.onnx has two spellings. */
export function canonicalDomain(domain: string): string {
  return domain === "ai.onnx" ? "" : domain;
}
