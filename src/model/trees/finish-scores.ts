/**
 * From sums to what the operators give: base values, averages, labels, post-transforms, in float32 steps as the runtime takes them
 * (onnxruntime/core/providers/cpu/ml/tree_ensemble_aggregator.h and ml_common.h). exp is taken in double and rounded, which is the
 * runtime's float32 exp but for rare last bits.
 */
import type { SessionTensor } from "../feeds.ts";
import type { EnsembleNode } from "./read-ensemble.ts";

/** The node's outputs 0 and 1; a label is only made where it is asked for. */
export type Finish = (sums: Float32Array, rows: number, output: number) => SessionTensor;

const { fround } = Math;

/** @param columns of the sums @returns null for what only the runtime can do */
export function finisherOf({ operator, attributes, classLabels }: EnsembleNode, columns: number, trees: number): Finish | null {
  const transform = attributes.text.get("post_transform") ?? "NONE";
  const aggregate = attributes.text.get("aggregate_function") ?? "SUM";
  const base = attributes.floats.get("base_values") ?? new Float32Array(0);
  if (operator === "TreeEnsembleRegressor") {
    if (transform !== "NONE" || (aggregate !== "SUM" && aggregate !== "AVERAGE")) return null;
    if (base.length !== 0 && base.length !== columns) return null;
    return (sums, rows) => {
      for (let k = 0; k < sums.length; k++) {
        if (aggregate === "AVERAGE") sums[k] = sums[k]! / trees;
        if (base.length > 0) sums[k] = sums[k]! + base[k % columns]!;
      }
      return { type: "float32", dims: [rows, columns], data: sums };
    };
  }
  if (classLabels === null) return null;
  const labels = labelsOf(attributes, classLabels);
  return columns === 1 ? twoClasses(attributes, labels, transform, base) : manyClasses(labels, transform, base, columns);
}

type Labels = { type: "int64"; values: bigint[] } | { type: "string"; values: string[] };

function labelsOf({ texts }: EnsembleNode["attributes"], labels: readonly string[]): Labels {
  if (texts.has("classlabels_strings")) return { type: "string", values: [...labels] };
  return { type: "int64", values: labels.map(BigInt) };
}

function labelTensor(labels: Labels, rows: number, classOf: (row: number) => number): SessionTensor {
  if (labels.type === "string") {
    return { type: "string", dims: [rows], data: Array.from({ length: rows }, (_, row) => labels.values[classOf(row)]!) };
  }
  const data = new BigInt64Array(rows);
  for (let row = 0; row < rows; row++) data[row] = labels.values[classOf(row)]!;
  return { type: "int64", dims: [rows], data };
}

function manyClasses(labels: Labels, transform: string, base: Float32Array, columns: number): Finish | null {
  if (transform !== "NONE" && transform !== "SOFTMAX" && transform !== "LOGISTIC") return null;
  if (base.length !== 0 && base.length !== columns) return null;
  return (sums, rows, output) => {
    const scores = base.length === 0 ? sums : sums.map((sum, k) => sum + base[k % columns]!);
    if (output === 0) {
      return labelTensor(labels, rows, (row) => {
        let best = 0;
        for (let k = 1; k < columns; k++) if (scores[row * columns + k]! > scores[row * columns + best]!) best = k;
        return best;
      });
    }
    const data = Float32Array.from(scores);
    if (transform === "LOGISTIC") for (let k = 0; k < data.length; k++) data[k] = logistic(data[k]!);
    if (transform === "SOFTMAX") for (let at = 0; at < data.length; at += columns) softmax(data.subarray(at, at + columns));
    return { type: "float32", dims: [rows, columns], data };
  };
}

/** One sum per row; the other class gets what is left. */
function twoClasses(
  { floats }: EnsembleNode["attributes"],
  labels: Labels,
  transform: string,
  base: Float32Array,
): Finish | null {
  if ((transform !== "NONE" && transform !== "LOGISTIC") || base.length > 1) return null;
  const allPositive = floats.get("class_weights")!.every((weight) => weight >= 0);
  const border = allPositive ? 0.5 : 0;
  return (sums, rows, output) => {
    const scores = base.length === 0 ? sums : sums.map((sum) => sum + base[0]!);
    if (output === 0) return labelTensor(labels, rows, (row) => (scores[row]! > border ? 1 : 0));
    const data = new Float32Array(rows * 2);
    for (let row = 0; row < rows; row++) {
      const score = scores[row]!;
      const asIs = allPositive || transform === "NONE";
      data[row * 2 + 1] = asIs ? score : logistic(score);
      data[row * 2] = allPositive ? 1 - score : asIs ? -score : logistic(-score);
    }
    return { type: "float32", dims: [rows, 2], data };
  };
}

function logistic(value: number): number {
  const part = fround(1 / fround(1 + fround(Math.exp(-Math.abs(value)))));
  return value < 0 ? fround(1 - part) : part;
}

function softmax(values: Float32Array): void {
  let largest = -3.4028234663852886e38;
  for (const value of values) if (value > largest) largest = value;
  let sum = 0;
  for (let k = 0; k < values.length; k++) {
    values[k] = Math.exp(fround(values[k]! - largest));
    sum = fround(sum + values[k]!);
  }
  for (let k = 0; k < values.length; k++) values[k] = values[k]! / sum;
}
