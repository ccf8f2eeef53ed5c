/** The three models of the benchmark: linear, a small network, gradient-boosted trees; each with its slow and obvious version in JavaScript. */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { floats, floatTensor, initializer, int, ints, message, text, treeNodes, type Write } from "../onnx-builder.ts";

export const FEATURES = 20;
const LEAVES = 31;

export interface BenchModel {
  name: string;
  bytes: Uint8Array;
  predict(row: Float32Array): number;
}

/** A small generator with a fixed seed (mulberry32), so that models and data are the same everywhere. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function linear(): BenchModel {
  const [weights, bias] = layer(random(1), FEATURES, 1);
  const predict = (row: Float32Array): number => dense(row, weights, bias)[0]!;
  return { name: "linear", bytes: network([[weights, bias]]), predict };
}

/** 20-64-32-1 with ReLU between. */
export function mlp(): BenchModel {
  const next = random(2);
  const layers = [layer(next, FEATURES, 64), layer(next, 64, 32), layer(next, 32, 1)] as const;
  const predict = (row: Float32Array): number =>
    layers.reduce((values: ArrayLike<number>, [weights, bias], at) => {
      const out = dense(values, weights, bias);
      return at < layers.length - 1 ? out.map((value) => Math.max(0, value)) : out;
    }, row)[0]!;
  return { name: "mlp", bytes: network(layers), predict };
}

/** 100 trees of 31 leaves, as boosted models of real work have them (BRANCH_LEQ). */
export function trees(count = 100): BenchModel {
  const next = random(3);
  const forest = Array.from({ length: count }, () => growTree(next));
  const predict = (row: Float32Array): number => forest.reduce((sum, tree) => sum + tree.leafOf(row), 0);
  return { name: `trees-${count}`, bytes: forestModel(forest), predict };
}

type Layer = readonly [weights: Float32Array, bias: Float32Array];

function layer(next: () => number, inputs: number, outputs: number): Layer {
  const weights = Float32Array.from({ length: inputs * outputs }, () => (next() - 0.5) * (2 / Math.sqrt(inputs)));
  return [weights, Float32Array.from({ length: outputs }, () => next() - 0.5)];
}

function dense(values: ArrayLike<number>, weights: Float32Array, bias: Float32Array): number[] {
  return Array.from(bias, (start, out) => {
    let sum = start;
    for (let at = 0; at < values.length; at++) sum += values[at]! * weights[at * bias.length + out]!;
    return sum;
  });
}

function network(layers: readonly Layer[]): Uint8Array {
  const nodes: Write[] = [];
  const weights: Write[] = [];
  let from = "x";
  layers.forEach(([matrix, bias], at) => {
    const last = at === layers.length - 1;
    const to = last ? "y" : `h${at}`;
    nodes.push(message(1, text(1, from), text(1, `w${at}`), text(1, `b${at}`), text(2, to), text(4, "Gemm")));
    if (!last) nodes.push(message(1, text(1, to), text(2, `r${at}`), text(4, "Relu")));
    weights.push(
      initializer(`w${at}`, [matrix.length / bias.length, bias.length], matrix),
      initializer(`b${at}`, [bias.length], bias),
    );
    from = `r${at}`;
  });
  return model([...nodes, text(2, "network"), ...weights], [message(8, text(1, ""), int(2, 13))]);
}

function model(graph: Write[], opsets: Write[]): Uint8Array {
  const io = [floatTensor(11, "x", ["N", FEATURES]), floatTensor(12, "y", ["N", 1])];
  const writer = new BinaryWriter();
  for (const write of [int(1, 8), text(2, "batchpredict bench"), message(7, ...graph, ...io), ...opsets]) write(writer);
  return writer.finish();
}

interface Node {
  feature: number;
  threshold: number;
  low: number;
  high: number;
  /** Leaves only. */
  value: number | null;
}

interface Tree {
  nodes: Node[];
  leafOf(row: Float32Array): number;
}

function growTree(next: () => number): Tree {
  const nodes: Node[] = [{ feature: 0, threshold: 0, low: 0, high: 0, value: Math.fround(next() - 0.5) }];
  for (let leaves = 1; leaves < LEAVES; leaves++) {
    const open = nodes.flatMap((node, at) => (node.value === null ? [] : [at]));
    const split = nodes[open[Math.floor(next() * open.length)]!]!;
    const leaf = (): Node => ({ feature: 0, threshold: 0, low: 0, high: 0, value: Math.fround(next() - 0.5) });
    Object.assign(split, {
      feature: Math.floor(next() * FEATURES),
      threshold: Math.fround(next() * 3 - 1.5),
      low: nodes.length,
      high: nodes.length + 1,
      value: null,
    });
    nodes.push(leaf(), leaf());
  }
  const leafOf = (row: Float32Array): number => {
    let node = nodes[0]!;
    while (node.value === null) node = nodes[row[node.feature]! <= node.threshold ? node.low : node.high]!;
    return node.value;
  };
  return { nodes, leafOf };
}

/** ai.onnx.ml TreeEnsembleRegressor, opset 3. */
function forestModel(forest: readonly Tree[]): Uint8Array {
  const all = forest.flatMap((tree, at) => tree.nodes.map((node, id) => ({ at, id, node })));
  const leaves = all.filter(({ node }) => node.value !== null);
  const node = message(
    1,
    text(1, "x"),
    text(2, "y"),
    text(4, "TreeEnsembleRegressor"),
    text(7, "ai.onnx.ml"),
    ...treeNodes(
      all.map(({ at, id, node: { feature, threshold, value, low, high } }) => ({
        tree: at,
        id,
        mode: value === null ? "BRANCH_LEQ" : "LEAF",
        feature,
        threshold,
        low,
        high,
      })),
    ),
    ints(
      "target_treeids",
      leaves.map(({ at }) => at),
    ),
    ints(
      "target_nodeids",
      leaves.map(({ id }) => id),
    ),
    ints(
      "target_ids",
      leaves.map(() => 0),
    ),
    floats(
      "target_weights",
      leaves.map(({ node: { value } }) => value!),
    ),
    message(5, text(1, "n_targets"), int(3, 1), int(20, 2)),
  );
  return model([node, text(2, "trees")], [message(8, text(1, ""), int(2, 13)), message(8, text(1, "ai.onnx.ml"), int(2, 3))]);
}
