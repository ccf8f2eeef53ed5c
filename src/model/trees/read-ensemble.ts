/**
 * TreeEnsembleRegressor and TreeEnsembleClassifier nodes out of a ModelProto, with the outputs of the graph that are theirs.
 * Source: onnx/docs/Operators-ml.md (ai.onnx.ml, versions 1 to 3); field numbers of onnx.proto.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { GRAPH, MODEL, NODE, readNode } from "../model-proto.ts";
import { wireFields } from "../wire-fields.ts";

const ATTRIBUTE = { name: 1, int: 3, text: 4, floats: 7, ints: 8, texts: 9 } as const;
/** Elements of a tensor that only renames: Cast to the type that is there already. */
const TENSOR_TYPE = { int64: 7, string: 8, float: 1 } as const;

export interface EnsembleAttributes {
  floats: ReadonlyMap<string, Float32Array>;
  ints: ReadonlyMap<string, Int32Array>;
  texts: ReadonlyMap<string, string[]>;
  /** Single numbers and texts. */
  int: ReadonlyMap<string, number>;
  text: ReadonlyMap<string, string>;
  /** All names, those of other kinds too. */
  names: ReadonlySet<string>;
}

export interface EnsembleNode {
  operator: "TreeEnsembleRegressor" | "TreeEnsembleClassifier";
  /** Graph input that feeds it. */
  input: string;
  /** Graph output -> which output of the node it is (0 or 1). */
  outputs: ReadonlyMap<string, number>;
  attributes: EnsembleAttributes;
  /** Of a classifier: class names as texts, whole numbers included. */
  classLabels: readonly string[] | null;
}

/** @returns null when the graph has no such node, or more than one, or something else than names stands between it and the graph's input */
export function readEnsemble(bytes: Uint8Array): EnsembleNode | null {
  const graph = [...wireFields(bytes)].find(({ no }) => no === MODEL.graph)?.bytes;
  if (graph === undefined) return null;
  let found: Uint8Array | null = null;
  /** Output of a node that only renames -> its input. */
  const renamed = new Map<string, string>();
  const inputs = new Set<string>();
  const outputs: string[] = [];
  for (const field of wireFields(graph)) {
    if (field.no === GRAPH.input || field.no === GRAPH.output) {
      const name = [...wireFields(field.bytes)].find(({ no }) => no === 1)?.text ?? "";
      if (field.no === GRAPH.input) inputs.add(name);
      else outputs.push(name);
    }
    if (field.no !== GRAPH.node) continue;
    const { opType, domain, inputs: from, outputs: to } = readNode(field.bytes, null);
    if (domain === "ai.onnx.ml" && (opType === "TreeEnsembleRegressor" || opType === "TreeEnsembleClassifier")) {
      if (found !== null) return null;
      found = field.bytes;
    } else if (opType === "Identity" && domain === "") renamed.set(to[0] ?? "", from[0] ?? "");
    else if (opType === "Cast" && domain === "") renamed.set(to[0] ?? "", `${from[0] ?? ""}\0${castTarget(field.bytes)}`);
  }
  if (found === null) return null;
  const { opType, inputs: from, outputs: to, classLabels } = readNode(found, null);
  if (!inputs.has(from[0] ?? "")) return null;
  const operator = opType as EnsembleNode["operator"];
  const attributes = readAttributes(found);
  const elementTypes =
    operator === "TreeEnsembleRegressor"
      ? [TENSOR_TYPE.float]
      : [attributes.texts.has("classlabels_strings") ? TENSOR_TYPE.string : TENSOR_TYPE.int64, TENSOR_TYPE.float];
  const own = new Map<string, number>();
  for (const output of outputs) {
    const at = sourceOf(output, to, renamed, elementTypes);
    if (at >= 0) own.set(output, at);
  }
  return own.size === 0 ? null : { operator, input: from[0]!, outputs: own, attributes, classLabels };
}

/** Follows names back to an output of the node; -1 when there is a computation on the way. */
function sourceOf(output: string, of: readonly string[], renamed: ReadonlyMap<string, string>, types: readonly number[]): number {
  let name = output;
  for (let hops = 0; hops < 8; hops++) {
    const at = of.indexOf(name);
    if (at >= 0) return at;
    const [before, cast] = (renamed.get(name) ?? "").split("\0");
    if (!before) return -1;
    const from = of.indexOf(before);
    if (cast !== undefined && (from < 0 || types[from] !== Number(cast))) return -1;
    name = before;
  }
  return -1;
}

function castTarget(node: Uint8Array): number {
  for (const field of wireFields(node)) {
    if (field.no !== NODE.attribute) continue;
    for (const part of wireFields(field.bytes)) if (part.no === ATTRIBUTE.int) return part.int;
  }
  return 0;
}

function readAttributes(node: Uint8Array): EnsembleAttributes {
  const floats = new Map<string, Float32Array>();
  const ints = new Map<string, Int32Array>();
  const texts = new Map<string, string[]>();
  const int = new Map<string, number>();
  const text = new Map<string, string>();
  const names = new Set<string>();
  for (const field of wireFields(node)) {
    if (field.no !== NODE.attribute) continue;
    const { name, ...values } = readAttribute(field.bytes);
    names.add(name);
    if (values.floats.length > 0) floats.set(name, Float32Array.from(values.floats));
    if (values.ints.length > 0) ints.set(name, Int32Array.from(values.ints));
    if (values.texts.length > 0) texts.set(name, values.texts);
    if (values.int !== null) int.set(name, values.int);
    if (values.text !== null) text.set(name, values.text);
  }
  return { floats, ints, texts, int, text, names };
}

interface Values {
  name: string;
  floats: number[];
  /** Their lower 32 bits: ids and flags are small. */
  ints: number[];
  texts: string[];
  int: number | null;
  text: string | null;
}

/** One reader over the whole attribute: exporters write a tag before each of millions of numbers. */
function readAttribute(bytes: Uint8Array): Values {
  const values: Values = { name: "", floats: [], ints: [], texts: [], int: null, text: null };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [no, wire] = reader.tag();
    const packed = wire === WireType.LengthDelimited;
    if (no === ATTRIBUTE.floats || no === ATTRIBUTE.ints) {
      const end = packed ? reader.uint32() + reader.pos : reader.pos + 1;
      while (reader.pos < end) {
        if (no === ATTRIBUTE.floats) values.floats.push(reader.float());
        else values.ints.push(reader.int32());
      }
    } else if (no === ATTRIBUTE.texts) values.texts.push(reader.string());
    else if (no === ATTRIBUTE.name) values.name = reader.string();
    else if (no === ATTRIBUTE.text) values.text = reader.string();
    else if (no === ATTRIBUTE.int) values.int = reader.int32();
    else reader.skip(wire, no);
  }
  return values;
}
