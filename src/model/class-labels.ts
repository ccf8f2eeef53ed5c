/**
 * Which class each column of a scores output stands for. A label is only claimed where the file proves it: the classifier's
 * scores reach the graph output through nodes that keep the last axis as it is.
 */
import type { Dimension } from "../core/model-signature.ts";
import type { GraphNode } from "./model-structure.ts";

const CLASSIFIERS = new Set(["TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier"]);
/** One input, same shape out, and column k stays column k. */
const COLUMN_PRESERVING = new Set(["Identity", "Cast", "Normalizer", "Softmax", "LogSoftmax", "Sigmoid", "Clip", "Dropout"]);

/**
 * @param tensor name of the graph output, or of the tensor that fed its ZipMap
 * @param shape as declared; a number of labels that contradicts a fixed last dimension is a number of something else
 */
export function scoreLabels(tensor: string, shape: readonly Dimension[] | null, nodes: readonly GraphNode[]): string[] | null {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  let current = tensor;
  // A graph has no cycles, but a corrupt file may: no walk is longer than the number of nodes.
  for (let steps = 0; steps <= nodes.length; steps++) {
    const node = producers.get(current);
    if (node === undefined) return null;
    if (CLASSIFIERS.has(node.opType)) {
      return node.outputs[1] === current && fits(node.classLabels, shape) ? node.classLabels : null;
    }
    const input = node.inputs[0];
    if (!COLUMN_PRESERVING.has(node.opType) || input === undefined || node.outputs[0] !== current) return null;
    current = input;
  }
  return null;
}

export function fits(labels: readonly string[] | null, shape: readonly Dimension[] | null): boolean {
  if (labels === null) return false;
  const last = shape?.at(-1);
  return typeof last === "number" ? last === labels.length : true;
}
