/**
 * ModelProto -> ModelStructure. Field numbers are those of onnx.proto (ONNX IR specification); a field of an unexpected wire
 * type or number is ignored, as protobuf demands. Weights and tree attributes are stepped over, not read.
 */
import type { Dimension } from "../core/model-signature.ts";
import { elementTypeName } from "./element-types.ts";
import {
  canonicalDomain,
  emptyStructure,
  type GraphNode,
  type ModelStructure,
  type ValueInfo,
  type ValueType,
} from "./model-structure.ts";
import { readTensor } from "./tensor-proto.ts";
import { scalars, type WireField, wireFields } from "./wire-fields.ts";

export const MODEL = {
  irVersion: 1,
  producerName: 2,
  producerVersion: 3,
  graph: 7,
  opsetImport: 8,
  metadata: 14,
  functions: 25,
} as const;
export const GRAPH = { node: 1, name: 2, initializer: 5, input: 11, output: 12, valueInfo: 13, sparseInitializer: 15 } as const;
export const NODE = { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7 } as const;
const ATTRIBUTE = { name: 1, graph: 6, ints: 8, strings: 9, graphs: 11 } as const;

/** The attributes that name classes: ZipMap and tree ensembles say int64s, linear models and SVMs say ints. */
const LABEL_ATTRIBUTES = ["classlabels_strings", "classlabels_int64s", "classlabels_ints"];
const WITH_SUBGRAPHS = ["If", "Loop", "Scan", "SequenceMap"];

/** @throws BP_MODEL_INVALID without a file name: bytes that are not protobuf */
export function readModelProto(bytes: Uint8Array): ModelStructure {
  const model = emptyStructure();
  for (const field of wireFields(bytes)) {
    switch (field.no) {
      case MODEL.irVersion:
        model.irVersion = field.int;
        break;
      case MODEL.producerName:
        model.producer.name = field.text;
        break;
      case MODEL.producerVersion:
        model.producer.version = field.text;
        break;
      case MODEL.graph:
        model.hasGraph = true;
        readGraph(field.bytes, model);
        break;
      case MODEL.opsetImport: {
        const { texts, ints } = scalars(field.bytes);
        model.opset.set(canonicalDomain(texts.get(1) ?? ""), ints.get(2) ?? 0);
        break;
      }
      case MODEL.metadata: {
        const { texts } = scalars(field.bytes);
        model.metadata[texts.get(1) ?? ""] = texts.get(2) ?? "";
        break;
      }
      case MODEL.functions:
        readFunction(field.bytes, model);
        break;
    }
  }
  return model;
}

function readGraph(bytes: Uint8Array, model: ModelStructure): void {
  for (const field of wireFields(bytes)) {
    switch (field.no) {
      case GRAPH.name:
        model.graphName = field.text;
        break;
      case GRAPH.node:
        model.nodes.push(readNode(field.bytes, model));
        break;
      case GRAPH.input:
        model.inputs.push(readValueInfo(field.bytes));
        break;
      case GRAPH.output:
        model.outputs.push(readValueInfo(field.bytes));
        break;
      case GRAPH.initializer:
        model.initializers.add(readTensor(field.bytes, model));
        break;
      case GRAPH.sparseInitializer:
        for (const part of wireFields(field.bytes)) if (part.no === 1) model.initializers.add(readTensor(part.bytes, model));
        break;
    }
  }
}

/** Only operators and outside weights count in a subgraph: its values are not the model's inputs and outputs. */
function readSubgraph(bytes: Uint8Array, model: ModelStructure): void {
  for (const field of wireFields(bytes)) {
    if (field.no === GRAPH.node) readNode(field.bytes, model);
    if (field.no === GRAPH.initializer) readTensor(field.bytes, model);
  }
}

function readFunction(bytes: Uint8Array, model: ModelStructure): void {
  for (const field of wireFields(bytes)) {
    if (field.no === 10) model.functionDomains.add(canonicalDomain(field.text));
    if (field.no === 7) readNode(field.bytes, model);
  }
}

export function readNode(bytes: Uint8Array, model: ModelStructure | null): GraphNode {
  const node: GraphNode = { name: "", opType: "", domain: "", inputs: [], outputs: [], classLabels: null };
  const attributes: WireField[] = [];
  for (const field of wireFields(bytes)) {
    if (field.no === NODE.input) node.inputs.push(field.text);
    else if (field.no === NODE.output) node.outputs.push(field.text);
    else if (field.no === NODE.name) node.name = field.text;
    else if (field.no === NODE.opType) node.opType = field.text;
    else if (field.no === NODE.domain) node.domain = canonicalDomain(field.text);
    else if (field.no === NODE.attribute) attributes.push(field);
  }
  if (node.domain === "ai.onnx.ml") node.classLabels = readLabels(attributes);
  if (model !== null) {
    const known = model.operators.get(node.domain) ?? new Set();
    model.operators.set(node.domain, known.add(node.opType));
    if (WITH_SUBGRAPHS.includes(node.opType)) {
      for (const attribute of attributes)
        for (const field of wireFields(attribute.bytes))
          if (field.no === ATTRIBUTE.graph || field.no === ATTRIBUTE.graphs) readSubgraph(field.bytes, model);
    }
  }
  return node;
}

function readLabels(attributes: WireField[]): string[] | null {
  for (const attribute of attributes) {
    if (!LABEL_ATTRIBUTES.includes(attributeName(attribute.bytes))) continue;
    const labels: string[] = [];
    for (const field of wireFields(attribute.bytes)) {
      if (field.no === ATTRIBUTE.strings) labels.push(field.text);
      else if (field.no === ATTRIBUTE.ints) labels.push(...field.int64s().map(String));
    }
    if (labels.length > 0) return labels;
  }
  return null;
}

/** Stops at the name, which writers put first: a tree's attributes hold millions of unpacked numbers. */
function attributeName(bytes: Uint8Array): string {
  for (const field of wireFields(bytes)) if (field.no === ATTRIBUTE.name) return field.text;
  return "";
}

export function readValueInfo(bytes: Uint8Array): ValueInfo {
  const info: ValueInfo = { name: "", type: null };
  for (const field of wireFields(bytes)) {
    if (field.no === 1) info.name = field.text;
    else if (field.no === 2) info.type = readType(field.bytes);
  }
  return info;
}

function readType(bytes: Uint8Array): ValueType | null {
  for (const { no, bytes: inner } of wireFields(bytes)) {
    if (no === 1) {
      const { elementType, shape } = readTensorType(inner);
      return { kind: "tensor", elementType, shape, text: `tensor(${elementTypeName(elementType)})` };
    }
    if (no === 4) return wrapped("sequence", innerType(inner, 1));
    if (no === 5) {
      const value = innerType(inner, 2);
      const key = elementTypeName(scalars(inner).ints.get(1) ?? 0);
      const mapOf = value?.kind === "tensor" ? value.elementType : null;
      return { kind: "map", text: `map(${key}, ${value?.text ?? "?"})`, mapOf };
    }
    if (no === 7) return { kind: "opaque", text: "opaque", mapOf: null };
    if (no === 8) {
      const { elementType } = readTensorType(inner);
      return { kind: "sparse tensor", text: `sparse_tensor(${elementTypeName(elementType)})`, mapOf: null };
    }
    if (no === 9) return wrapped("optional", innerType(inner, 1));
  }
  return null;
}

function wrapped(kind: "sequence" | "optional", inner: ValueType | null): ValueType {
  return { kind, text: `${kind}(${inner?.text ?? "?"})`, mapOf: inner !== null && inner.kind === "map" ? inner.mapOf : null };
}

function innerType(bytes: Uint8Array, no: number): ValueType | null {
  for (const field of wireFields(bytes)) if (field.no === no) return readType(field.bytes);
  return null;
}

function readTensorType(bytes: Uint8Array): { elementType: number; shape: Dimension[] | null } {
  let elementType = 0;
  let shape: Dimension[] | null = null;
  for (const field of wireFields(bytes)) {
    if (field.no === 1) elementType = field.int;
    if (field.no === 2) {
      shape = [];
      for (const dim of wireFields(field.bytes)) if (dim.no === 1) shape.push(readDimension(dim.bytes));
    }
  }
  return { elementType, shape };
}

/** Some exporters write -1 where they mean "any". */
function readDimension(bytes: Uint8Array): Dimension {
  const { texts, ints } = scalars(bytes);
  const value = ints.get(1);
  if (value !== undefined) return value >= 0 ? value : null;
  return texts.get(2) || null;
}
