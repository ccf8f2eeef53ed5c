/**
 * Which class each column of a scores output stands for. A label is only claimed where the file proves it: the scores come from a classifier
 * that names its classes, or their largest column picks a class out of a list, and reach the graph output through nodes that keep
 * the last axis as it is.
 */
import type { Dimension } from "../core/model-signature.ts";
import type { GraphNode, ModelStructure } from "./model-structure.ts";

const CLASSIFIERS = new Set(["TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier"]);
/** One input, same shape out, and column k stays column k. */
const COLUMN_PRESERVING = new Set(["Identity", "Cast", "Normalizer", "Softmax", "LogSoftmax", "Sigmoid", "Clip", "Dropout"]);
/** Element by element: column k is made of the columns k. Scaled, weighted, averaged over several classifiers, or turned (1 - p). */
const ELEMENTWISE = new Set(["Add", "Sub", "Mul", "Div", "Sum", "Mean", "Min", "Max"]);
/** `(list, places) -> elements`: the class at the place of the largest score. */
const PICKS = new Set(["ArrayFeatureExtractor", "Gather"]);

/**
 * @param tensor name of the graph output, or of the tensor that fed its ZipMap
 * @param shape as declared; a number of labels that contradicts a fixed last dimension is a number of something else
 */
export function scoreLabels(
  tensor: string,
  shape: readonly Dimension[] | null,
  { nodes, labelTensors }: Pick<ModelStructure, "nodes" | "labelTensors">,
): string[] | null {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const picked = new Map<string, string[]>();
  for (const node of nodes) {
    const [list, places] = node.inputs;
    const labels = PICKS.has(node.opType) ? labelTensors.get(list ?? "") : undefined;
    const largest = places === undefined ? undefined : producers.get(places);
    if (labels && largest?.opType === "ArgMax" && largest.inputs[0] !== undefined) picked.set(largest.inputs[0], labels);
  }
  // A graph has no cycles, but a corrupt file may; and what was asked once needs no second look.
  const known = new Map<string, string[] | null>();
  const labelsOf = (current: string): string[] | null => {
    const before = known.get(current);
    if (before !== undefined) return before;
    known.set(current, null);
    const labels = picked.get(current) ?? fromProducer(current, producers.get(current), labelsOf);
    known.set(current, labels);
    return labels;
  };
  const labels = labelsOf(tensor);
  return fits(labels, shape) ? labels : null;
}

function fromProducer(
  current: string,
  node: GraphNode | undefined,
  labelsOf: (tensor: string) => string[] | null,
): string[] | null {
  if (node === undefined) return null;
  if (CLASSIFIERS.has(node.opType)) return node.outputs[1] === current ? node.classLabels : null;
  if (node.outputs[0] !== current) return null;
  if (COLUMN_PRESERVING.has(node.opType)) return labelsOf(node.inputs[0] ?? "");
  const parts = node.inputs.map(labelsOf);
  if (ELEMENTWISE.has(node.opType)) {
    const [first, ...others] = parts.filter((part) => part !== null);
    return first !== undefined && others.every((other) => other.join("\n") === first.join("\n")) ? first : null;
  }
  // Classifiers of different classes side by side.
  if (node.opType !== "Concat" || parts.includes(null)) return null;
  const all = (parts as string[][]).flat();
  return new Set(all).size === all.length ? all : null;
}

export function fits(labels: readonly string[] | null, shape: readonly Dimension[] | null): boolean {
  if (labels === null) return false;
  const last = shape?.at(-1);
  return typeof last === "number" ? last === labels.length : true;
}
