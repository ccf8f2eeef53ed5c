/**
 * scikit-learn exports end in ZipMap, which turns scores [N,K] into a list of N dictionaries that the runtime's Node binding cannot
 * return. Each such node is replaced by an Identity, so the output keeps its name and carries the scores themselves, bit for
 * bit; whatever else the scores feed is untouched. Everything but these nodes and outputs is copied byte by byte.
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { GRAPH, NODE, readNode, readValueInfo } from "./model-proto.ts";
import type { GraphNode, ModelStructure } from "./model-structure.ts";
import { lengthDelimited, rewriteGraph } from "./rewrite-graph.ts";
import type { WireField } from "./wire-fields.ts";

export interface ZipMapOutput {
  /** Graph output, and name of the ZipMap's output. */
  output: string;
  /** The scores that fed the ZipMap. */
  scores: string;
  /** TensorProto.DataType of the scores. */
  elementType: number;
  labels: string[] | null;
}

const FLOAT = 1;

/** Graph outputs made by a ZipMap that nothing else reads. */
export function findZipMaps(model: ModelStructure): ZipMapOutput[] {
  const read = new Set(model.nodes.flatMap((node) => node.inputs));
  const found: ZipMapOutput[] = [];
  for (const { name, type } of model.outputs) {
    const node = model.nodes.find((candidate) => isZipMap(candidate) && candidate.outputs[0] === name);
    const scores = node?.inputs[0];
    if (node === undefined || scores === undefined || read.has(name) || found.some(({ output }) => output === name)) continue;
    const elementType = type !== null && type.kind !== "tensor" ? (type.mapOf ?? FLOAT) : FLOAT;
    found.push({ output: name, scores, elementType, labels: node.classLabels });
  }
  return found;
}

export function isZipMap(node: GraphNode): boolean {
  return node.opType === "ZipMap" && node.domain === "ai.onnx.ml";
}

/**
 * Costs one copy of the model. A file that imports ai.onnx.ml alone needs no import for Identity: the runtime adds those of its own domains.
 * @param zipMaps as found by findZipMaps in the same bytes
 */
export function rewriteZipMaps(bytes: Uint8Array, zipMaps: readonly ZipMapOutput[]): Uint8Array<ArrayBuffer> {
  const byOutput = new Map(zipMaps.map((zipMap) => [zipMap.output, zipMap]));
  return rewriteGraph(bytes, (field) => rewriteField(field, byOutput));
}

function rewriteField(field: WireField, byOutput: ReadonlyMap<string, ZipMapOutput>): Uint8Array[] {
  if (field.no === GRAPH.node) return rewriteNode(field, byOutput);
  if (field.no === GRAPH.output) return rewriteOutput(field, byOutput);
  // The old type of the output may be noted a second time.
  if (field.no === GRAPH.valueInfo && byOutput.has(readValueInfo(field.bytes).name)) return [];
  return [field.raw];
}

function rewriteNode(field: WireField, byOutput: ReadonlyMap<string, ZipMapOutput>): Uint8Array[] {
  const node = readNode(field.bytes, null);
  const zipMap = byOutput.get(node.outputs[0] ?? "");
  if (zipMap === undefined || !isZipMap(node)) return [field.raw];
  const identity = new BinaryWriter();
  identity.tag(NODE.input, WireType.LengthDelimited).string(zipMap.scores);
  identity.tag(NODE.output, WireType.LengthDelimited).string(zipMap.output);
  identity.tag(NODE.name, WireType.LengthDelimited).string(node.name);
  identity.tag(NODE.opType, WireType.LengthDelimited).string("Identity");
  return lengthDelimited(GRAPH.node, [identity.finish()]);
}

/** The new type carries no shape: the runtime infers it from the scores. */
function rewriteOutput(field: WireField, byOutput: ReadonlyMap<string, ZipMapOutput>): Uint8Array[] {
  const zipMap = byOutput.get(readValueInfo(field.bytes).name);
  if (zipMap === undefined) return [field.raw];
  const value = new BinaryWriter();
  value.tag(1, WireType.LengthDelimited).string(zipMap.output);
  value.tag(2, WireType.LengthDelimited).fork();
  value.tag(1, WireType.LengthDelimited).fork();
  value.tag(1, WireType.Varint).int32(zipMap.elementType);
  value.join().join();
  return lengthDelimited(GRAPH.output, [value.finish()]);
}
