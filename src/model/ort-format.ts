/**
 * ONNX Runtime's own format (.ort): a flatbuffer of ort.fbs (microsoft/onnxruntime, core/flatbuffers/schema). Slots are the positions of
 * fields in that schema; they only ever grow at the end.
 */
import { BatchPredictError } from "../core/errors.ts";
import type { Dimension } from "../core/model-signature.ts";
import { elementTypeName } from "./element-types.ts";
import { FlatTable } from "./flat-table.ts";
import {
  canonicalDomain,
  emptyStructure,
  type GraphNode,
  type ModelStructure,
  type ValueInfo,
  type ValueType,
} from "./model-structure.ts";
import type { ZipMapOutput } from "./rewrite-zipmap.ts";

const SESSION = { model: 1 } as const;
const MODEL = { irVersion: 0, opsetImport: 1, producerName: 2, producerVersion: 3, graph: 7, metadata: 9 } as const;
const GRAPH = { initializers: 0, nodeArgs: 1, nodes: 2, inputs: 5, outputs: 6 } as const;
const NODE = { name: 0, domain: 2, opType: 5, inputs: 8, outputs: 9, attributes: 10 } as const;
const ATTRIBUTE = { name: 0, ints: 9, strings: 10 } as const;
const VALUE = { name: 0, type: 2 } as const;
/** The union of TypeInfo: its kind, then its value. */
const TYPE = { kind: 1, value: 2 } as const;

export function isOrtFormat(bytes: Uint8Array): boolean {
  return String.fromCharCode(...bytes.subarray(4, 8)) === "ORTM";
}

/** @throws RangeError on a corrupt file */
export function readOrtFormat(bytes: Uint8Array): ModelStructure {
  const structure = emptyStructure();
  const model = FlatTable.root(bytes).table(SESSION.model);
  if (model === null) return structure;
  structure.irVersion = model.int64(MODEL.irVersion);
  structure.producer = { name: model.text(MODEL.producerName) ?? "", version: model.text(MODEL.producerVersion) ?? "" };
  for (const set of model.tables(MODEL.opsetImport)) structure.opset.set(canonicalDomain(set.text(0) ?? ""), set.int64(1));
  for (const entry of model.tables(MODEL.metadata)) structure.metadata[entry.text(0) ?? ""] = entry.text(1) ?? "";
  const graph = model.table(MODEL.graph);
  if (graph === null) return structure;
  structure.hasGraph = true;
  const types = new Map(
    graph.tables(GRAPH.nodeArgs).map((value) => [value.text(VALUE.name) ?? "", readType(value.table(VALUE.type))]),
  );
  const valueInfo = (name: string): ValueInfo => ({ name, type: types.get(name) ?? null });
  structure.inputs = graph.texts(GRAPH.inputs).map(valueInfo);
  structure.outputs = graph.texts(GRAPH.outputs).map(valueInfo);
  structure.initializers = new Set(graph.tables(GRAPH.initializers).map((tensor) => tensor.text(0) ?? ""));
  structure.nodes = graph.tables(GRAPH.nodes).map(readNode);
  for (const { domain, opType } of structure.nodes) {
    structure.operators.set(domain, (structure.operators.get(domain) ?? new Set()).add(opType));
  }
  return structure;
}

function readNode(node: FlatTable): GraphNode {
  const domain = canonicalDomain(node.text(NODE.domain) ?? "");
  const labelled =
    domain === "ai.onnx.ml"
      ? node.tables(NODE.attributes).filter((attribute) => (attribute.text(ATTRIBUTE.name) ?? "").startsWith("classlabels_"))
      : [];
  const labels = labelled.flatMap((attribute) => [
    ...attribute.texts(ATTRIBUTE.strings),
    ...attribute.int64s(ATTRIBUTE.ints).map(String),
  ]);
  return {
    name: node.text(NODE.name) ?? "",
    opType: node.text(NODE.opType) ?? "",
    domain,
    inputs: node.texts(NODE.inputs),
    outputs: node.texts(NODE.outputs),
    classLabels: labels.length > 0 ? labels : null,
  };
}

function readType(type: FlatTable | null): ValueType | null {
  const value = type?.table(TYPE.value) ?? null;
  if (type === null || value === null) return null;
  switch (type.uint8(TYPE.kind)) {
    case 1: {
      const elementType = value.int32(0);
      const shape = value.table(1)?.tables(0).map(readDimension) ?? null;
      return { kind: "tensor", elementType, shape, text: `tensor(${elementTypeName(elementType)})` };
    }
    case 2: {
      const inner = readType(value.table(0));
      return { kind: "sequence", text: `sequence(${inner?.text ?? "?"})`, mapOf: inner?.kind === "map" ? inner.mapOf : null };
    }
    case 3: {
      const inner = readType(value.table(1));
      const text = `map(${elementTypeName(value.int32(0))}, ${inner?.text ?? "?"})`;
      return { kind: "map", text, mapOf: inner?.kind === "tensor" ? inner.elementType : null };
    }
    default:
      return null;
  }
}

function readDimension(dimension: FlatTable): Dimension {
  const value = dimension.table(0);
  if (value === null) return null;
  const kind = value.uint8(0);
  if (kind === 1) return value.int64(1) >= 0 ? value.int64(1) : null;
  return kind === 2 ? value.text(2) || null : null;
}

/**
 * A flatbuffer cannot be edited in place, but it can grow at its end: a second list of output names is appended, in which a ZipMap's output
 * is replaced by the scores that feed it, and the graph is pointed at that list. The session then calls the output by the scores' name.
 * Costs one copy of the model.
 * @returns per ZipMap output its name in the session
 */
export function redirectOutputs(
  bytes: Uint8Array,
  zipMaps: readonly ZipMapOutput[],
): { bytes: Uint8Array<ArrayBuffer>; sessionNames: Record<string, string> } {
  const graph = FlatTable.root(bytes).table(SESSION.model)?.table(MODEL.graph);
  const field = graph?.position(GRAPH.outputs) ?? null;
  if (!graph || field === null) throw new BatchPredictError("BP_INTERNAL", "a graph without outputs has no ZipMap output");
  const sessionNames = Object.fromEntries(zipMaps.map(({ output, scores }) => [output, scores]));
  // A set, because the scores may be an output already and one name may be listed only once.
  const names = [...new Set(graph.texts(GRAPH.outputs).map((name) => sessionNames[name] ?? name))];
  const list = Math.ceil(bytes.length / 4) * 4;
  const appended = listOfTexts(names);
  const copy = new Uint8Array(list + appended.length);
  copy.set(bytes);
  copy.set(appended, list);
  new DataView(copy.buffer).setUint32(field, list - field, true);
  return { bytes: copy, sessionNames };
}

/** A vector of strings: count, offsets, then each string as length, bytes, NUL, padded to 4 bytes. Offsets only ever point forward. */
function listOfTexts(texts: readonly string[]): Uint8Array {
  const encoded = texts.map((text) => new TextEncoder().encode(text));
  const room = (text: Uint8Array): number => Math.ceil((4 + text.length + 1) / 4) * 4;
  const bytes = new Uint8Array(4 + 4 * texts.length + encoded.reduce((sum, text) => sum + room(text), 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, texts.length, true);
  let position = 4 + 4 * texts.length;
  for (const [index, text] of encoded.entries()) {
    const entry = 4 + 4 * index;
    view.setUint32(entry, position - entry, true);
    view.setUint32(position, text.length, true);
    bytes.set(text, position + 4);
    position += room(text);
  }
  return bytes;
}
