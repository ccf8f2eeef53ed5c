/**
 * Attributes of a tree ensemble -> tables that src/kernels/trees.ts walks. Whatever it cannot say exactly is left to the runtime (null):
 * equality branches, several modes in one ensemble, double thresholds, unusual aggregates and post-transforms.
 */
import type { EnsembleNode } from "./read-ensemble.ts";

const NODE_BYTES = 16;
/** 64 MB of nodes; beyond that a copy per worker costs more than it brings. */
const MAX_NODES = 4_000_000;

export interface CompiledTrees {
  trees: number;
  /** Sums per row. */
  targets: number;
  /** NODE_BYTES each; child addresses are relative to the first node. */
  nodes: Uint32Array;
  /** Address of each tree's root, relative to the first node. */
  roots: Uint32Array;
  /** `targets` per leaf; empty with one target, whose leaves hold their value. */
  weights: Float32Array;
  /** Some node sends NaN to its lower side. */
  missing: boolean;
  /** Columns a row must have. */
  features: number;
  /** Thresholds by feature, for the check against the runtime. */
  thresholds: Map<number, number[]>;
}

interface Source {
  ids: Int32Array;
  features: Int32Array;
  values: Float32Array;
  modes: string[];
  whenTrue: Int32Array;
  whenFalse: Int32Array;
  missing: Int32Array | undefined;
  /** Index of a node in these arrays, by tree and node id. */
  at: Map<number, Map<number, number>>;
  leafWeights: Map<number, Float32Array>;
}

/** @returns null for what only the runtime can do */
export function compileEnsemble({ operator, attributes, classLabels }: EnsembleNode): CompiledTrees | null {
  const { floats, ints, texts, int, names } = attributes;
  if ([...names].some((name) => name.endsWith("_as_tensor"))) return null;
  const prefix = operator === "TreeEnsembleRegressor" ? "target" : "class";
  const ids = ints.get("nodes_nodeids");
  const treeIds = ints.get("nodes_treeids");
  const features = ints.get("nodes_featureids");
  const values = floats.get("nodes_values");
  const modes = texts.get("nodes_modes");
  const whenTrue = ints.get("nodes_truenodeids");
  const whenFalse = ints.get("nodes_falsenodeids");
  const missing = ints.get("nodes_missing_value_tracks_true");
  if (!ids || !treeIds || !features || !values || !modes || !whenTrue || !whenFalse) return null;
  const size = ids.length;
  const same = [treeIds, features, values, modes, whenTrue, whenFalse].every(({ length }) => length === size);
  if (!same || size > MAX_NODES || (missing !== undefined && missing.length !== size)) return null;
  const targets = prefix === "target" ? (int.get("n_targets") ?? 1) : (classLabels?.length ?? 0);
  // The runtime has loops of its own for ensembles of several modes, which do not always give what the modes say.
  if (new Set(modes.filter((mode) => mode !== "LEAF")).size > 1 || values.some(Number.isNaN)) return null;
  const at = indexNodes(treeIds, ids);
  const columns = at === null ? null : weightColumns(attributes, prefix, targets);
  if (at === null || columns === null || targets < 1) return null;
  const leafWeights = readWeights(attributes, prefix, at, columns);
  if (leafWeights === null) return null;
  const width = columns.size === 1 ? 1 : targets;
  if (prefix === "class" && width > 1 && !scoresAllClasses(attributes, at, modes, targets)) return null;
  return emit({ ids, features, values, modes, whenTrue, whenFalse, missing, at, leafWeights }, width);
}

/** Trees in the order in which they appear, which is the order of the sums. */
function indexNodes(treeIds: Int32Array, ids: Int32Array): Map<number, Map<number, number>> | null {
  const trees = new Map<number, Map<number, number>>();
  for (let k = 0; k < ids.length; k++) {
    let tree = trees.get(treeIds[k]!);
    if (tree === undefined) {
      tree = new Map();
      trees.set(treeIds[k]!, tree);
    } else if (treeIds[k - 1] !== treeIds[k] || tree.has(ids[k]!)) return null;
    tree.set(ids[k]!, k);
  }
  return trees;
}

/** Target id -> column of the sums. A classifier of two classes may weigh only one: its sums then have one column. */
function weightColumns({ ints }: EnsembleNode["attributes"], prefix: string, targets: number): Map<number, number> | null {
  const used = [...new Set(ints.get(`${prefix}_ids`) ?? [])].sort((a, b) => a - b);
  if (used.length === 0 || used[0]! < 0 || used.at(-1)! >= targets) return null;
  if (used.length === 1 && (targets === 1 || (prefix === "class" && targets === 2 && used[0] === 0)))
    return new Map([[used[0]!, 0]]);
  // Every class must have a weight somewhere, and two-class sums of two columns have rules of their own.
  if (prefix === "class" && (used.length !== targets || targets === 2)) return null;
  return new Map(Array.from({ length: targets }, (_, k) => [k, k]));
}

function readWeights(
  { ints, floats }: EnsembleNode["attributes"],
  prefix: string,
  at: Source["at"],
  columns: ReadonlyMap<number, number>,
): Map<number, Float32Array> | null {
  const trees = ints.get(`${prefix}_treeids`);
  const nodes = ints.get(`${prefix}_nodeids`);
  const targets = ints.get(`${prefix}_ids`);
  const weights = floats.get(`${prefix}_weights`);
  if (!trees || !nodes || !targets || !weights || trees.length !== weights.length || nodes.length !== weights.length) return null;
  if (targets.length !== weights.length) return null;
  const leaves = new Map<number, Float32Array>();
  const given = new Set<string>();
  for (let k = 0; k < weights.length; k++) {
    const node = at.get(trees[k]!)?.get(nodes[k]!);
    const key = `${node}:${targets[k]}`;
    if (node === undefined || given.has(key)) return null;
    given.add(key);
    const leaf = leaves.get(node) ?? new Float32Array(columns.size);
    leaf[columns.get(targets[k]!)!] = weights[k]!;
    leaves.set(node, leaf);
  }
  return leaves;
}

/**
 * The runtime's label is the best of the classes that some tree spoke of. That is the best of all sums only where every class has a
 * tree with a weight for it in each of its leaves.
 */
function scoresAllClasses(
  { ints }: EnsembleNode["attributes"],
  at: Source["at"],
  modes: readonly string[],
  classes: number,
): boolean {
  const trees = ints.get("class_treeids")!;
  const ids = ints.get("class_ids")!;
  const weighed = new Map<number, number>();
  for (let k = 0; k < ids.length; k++) {
    const key = trees[k]! * classes + ids[k]!;
    weighed.set(key, (weighed.get(key) ?? 0) + 1);
  }
  const always = new Set<number>();
  for (const [tree, byId] of at) {
    let leaves = 0;
    for (const node of byId.values()) leaves += modes[node] === "LEAF" ? 1 : 0;
    for (let k = 0; k < classes; k++) if (weighed.get(tree * classes + k) === leaves) always.add(k);
  }
  return always.size === classes;
}

function emit(source: Source, width: number): CompiledTrees | null {
  const { features, values, modes, at, leafWeights } = source;
  const nodes = new Uint32Array(features.length * 4);
  const asFloat = new Float32Array(nodes.buffer);
  const roots = new Uint32Array(at.size);
  const weights: Float32Array[] = [];
  const thresholds = new Map<number, number[]>();
  let used = 0;
  let anyMissing = false;
  let widest = 0;
  let tree = 0;
  for (const byId of at.values()) {
    roots[tree++] = used * NODE_BYTES;
    const queue: [node: number, slot: number][] = [[byId.values().next().value as number, used++]];
    for (const [node, slot] of queue) {
      const place = slot * 4;
      if (modes[node] === "LEAF") {
        const leaf = leafWeights.get(node);
        if (leaf === undefined) return null;
        if (width === 1) asFloat[place] = leaf[0]!;
        else {
          nodes[place] = weights.length;
          weights.push(leaf);
        }
        nodes[place + 2] = slot * NODE_BYTES;
        continue;
      }
      const branch = branchOf(modes[node]!, values[node]!);
      const lower = byId.get((branch?.swapped ? source.whenFalse : source.whenTrue)[node]!);
      const upper = byId.get((branch?.swapped ? source.whenTrue : source.whenFalse)[node]!);
      const feature = features[node]!;
      // A node that is met twice (shared, or on a circle) would run the table over.
      if (branch === null || lower === undefined || upper === undefined || feature < 0 || used + 2 > features.length) return null;
      const tracksTrue = source.missing?.[node] === 1;
      const missingBelow = branch.swapped ? !tracksTrue : tracksTrue;
      asFloat[place] = branch.threshold;
      nodes[place + 1] = (feature << 2) | (missingBelow ? 1 : 0);
      nodes[place + 2] = used * NODE_BYTES;
      nodes[place + 3] = NODE_BYTES;
      anyMissing ||= missingBelow;
      widest = Math.max(widest, feature + 1);
      const known = thresholds.get(feature);
      if (known) known.push(branch.threshold);
      else thresholds.set(feature, [branch.threshold]);
      queue.push([lower, used], [upper, used + 1]);
      used += 2;
    }
  }
  const flat = new Float32Array(weights.length * width);
  for (const [k, leaf] of weights.entries()) flat.set(leaf, k * width);
  return { trees: at.size, targets: width, nodes, roots, weights: flat, missing: anyMissing, features: widest, thresholds };
}

/** As `value <= threshold`; `swapped`: the node's true side is the upper one. NaN compares false whatever the mode. */
function branchOf(mode: string, value: number): { threshold: number; swapped: boolean } | null {
  switch (mode) {
    case "BRANCH_LEQ":
      return { threshold: value, swapped: false };
    case "BRANCH_LT":
      return { threshold: justBelow(value), swapped: false };
    case "BRANCH_GT":
      return { threshold: value, swapped: true };
    case "BRANCH_GTE":
      return { threshold: justBelow(value), swapped: true };
    default:
      return null;
  }
}

const FLOAT = new Float32Array(1);
const BITS = new Int32Array(FLOAT.buffer);

/** The next smaller float32: `v < t` is `v <= justBelow(t)` for every float32 v. NaN below minus infinity, which nothing is. */
function justBelow(value: number): number {
  if (value === 0) return -1.401298464324817e-45;
  if (Number.isNaN(value) || value === Number.NEGATIVE_INFINITY) return Number.NaN;
  FLOAT[0] = value;
  BITS[0] = BITS[0]! + (value > 0 ? -1 : 1);
  return FLOAT[0]!;
}
