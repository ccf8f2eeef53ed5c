/** The tree kernel against ONNX Runtime on the same rows: random ensembles of every kind the kernel takes, and the real ones. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadSignature } from "../../src/model/load-signature.ts";
import { openSession, type PredictSession, type SessionTensor } from "../../src/model/session.ts";
import { attribute, floats, floatTensor, int, ints, message, text, texts, treeNodes } from "../onnx-builder.ts";
import { hasMaterial, model } from "./material.ts";

const FEATURES = 4;
/** Few values, so that rows hit thresholds exactly and sums meet in ties. */
const VALUES = [
  -1.5,
  -1,
  -0.1,
  -0,
  0,
  1e-45,
  0.1,
  0.5,
  1,
  3.4e38,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
];
const value = fc.constantFrom(...VALUES).map(Math.fround);
const threshold = fc.oneof(
  value.filter((each) => !Number.isNaN(each)),
  fc.float({ noNaN: true }),
);

interface Node {
  mode: string;
  feature: number;
  value: number;
  missing: boolean;
  low: number;
  high: number;
}

/** A tree as its splits in the order in which leaves are split. */
const tree = fc
  .array(
    fc.record({
      at: fc.nat(1000),
      feature: fc.nat(FEATURES - 1),
      value: threshold,
      missing: fc.boolean(),
    }),
    { maxLength: 12 },
  )
  .map((splits): Node[] => {
    const nodes: Node[] = [{ mode: "LEAF", feature: 0, value: 0, missing: false, low: 0, high: 0 }];
    for (const { at, ...split } of splits) {
      const leaves = nodes.flatMap((node, k) => (node.mode === "LEAF" ? [k] : []));
      const chosen = leaves[at % leaves.length]!;
      nodes[chosen] = { ...split, mode: "BRANCH", low: nodes.length, high: nodes.length + 1 };
      for (let k = 0; k < 2; k++) nodes.push({ mode: "LEAF", feature: 0, value: 0, missing: false, low: 0, high: 0 });
    }
    return nodes;
  });

const MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"] as const;
const KINDS = ["regressor", "two targets", "many classes", "two classes", "two classes of texts"] as const;
const ensembles = fc.record({
  kind: fc.constantFrom(...KINDS),
  mode: fc.constantFrom(...MODES),
  trees: fc.array(tree, { minLength: 3, maxLength: 12 }),
  weights: fc.array(fc.float({ min: -2, max: 2, noNaN: true }), { minLength: 7, maxLength: 40 }),
  positive: fc.boolean(),
  base: fc.boolean(),
  average: fc.boolean(),
  softmax: fc.constantFrom("NONE", "SOFTMAX", "LOGISTIC"),
  rows: fc.array(fc.array(fc.oneof(value, fc.float()), { minLength: FEATURES, maxLength: FEATURES }), {
    minLength: 1,
    maxLength: 40,
  }),
});
type Ensemble = typeof ensembles extends fc.Arbitrary<infer T> ? T : never;

function bytesOf({ kind, mode: branch, trees, weights, positive, base, average, softmax }: Ensemble): Uint8Array {
  const all = trees.flatMap((nodes, at) => nodes.map((node, id) => ({ at, id, node })));
  const classes = kind === "many classes" ? 3 : kind === "two targets" ? 2 : 1;
  const leaves = all.filter(({ node }) => node.mode === "LEAF");
  const regressor = kind === "regressor" || kind === "two targets";
  // Boosted: a tree per class in turn; two targets share their leaves.
  const entries = leaves.flatMap(({ at, id }) =>
    kind === "two targets" ? [0, 1].map((target) => ({ at, id, target })) : [{ at, id, target: at % classes }],
  );
  const prefix = regressor ? "target" : "class";
  const weightOf = (k: number): number => (positive ? Math.abs(weights[k % weights.length]!) : weights[k % weights.length]!);
  const node = message(
    1,
    text(1, "x"),
    ...(regressor ? [text(2, "y")] : [text(2, "label"), text(2, "y")]),
    text(4, regressor ? "TreeEnsembleRegressor" : "TreeEnsembleClassifier"),
    text(7, "ai.onnx.ml"),
    ...treeNodes(
      all.map(({ at, id, node: { mode, feature, value: threshold, low, high } }) => ({
        tree: at,
        id,
        mode: mode === "LEAF" ? mode : branch,
        feature,
        threshold,
        low,
        high,
      })),
    ),
    ints(
      "nodes_missing_value_tracks_true",
      all.map(({ node: { missing } }) => Number(missing)),
    ),
    ints(
      `${prefix}_treeids`,
      entries.map(({ at }) => at),
    ),
    ints(
      `${prefix}_nodeids`,
      entries.map(({ id }) => id),
    ),
    ints(
      `${prefix}_ids`,
      entries.map(({ target }) => target),
    ),
    floats(
      `${prefix}_weights`,
      entries.map((_, k) => weightOf(k)),
    ),
    ...(base
      ? [floats("base_values", regressor || kind === "many classes" ? [0.25, -0.5, 0.125].slice(0, classes) : [0.25])]
      : []),
    ...(regressor
      ? [attribute("n_targets", 2, int(3, classes)), attribute("aggregate_function", 3, text(4, average ? "AVERAGE" : "SUM"))]
      : [attribute("post_transform", 3, text(4, kind !== "many classes" && softmax === "SOFTMAX" ? "NONE" : softmax))]),
    ...(kind === "many classes" ? [ints("classlabels_int64s", [7, 3, 5])] : []),
    ...(kind === "two classes" ? [ints("classlabels_int64s", [-1, 1])] : []),
    ...(kind === "two classes of texts" ? [texts("classlabels_strings", ["no", "yes"])] : []),
  );
  const label = message(
    12,
    text(1, "label"),
    message(2, message(1, int(1, kind === "two classes of texts" ? 8 : 7), message(2, message(1, text(2, "N"))))),
  );
  const scores = floatTensor(12, "y", ["N", regressor ? classes : Math.max(2, classes)]);
  const graph = message(7, node, text(2, "trees"), floatTensor(11, "x", ["N", FEATURES]), ...(regressor ? [] : [label]), scores);
  const writer = new BinaryWriter();
  const opsets = [message(8, text(1, ""), int(2, 13)), message(8, text(1, "ai.onnx.ml"), int(2, 3))];
  for (const write of [int(1, 8), graph, ...opsets]) write(writer);
  return writer.finish();
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "batchpredict-trees-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function sessionsOf(
  file: string,
): Promise<{ ours: PredictSession; theirs: PredictSession; inUse: boolean; outputs: string[] }> {
  const loaded = await loadSignature(file);
  const ours = await openSession(loaded, { threads: 1 });
  const theirs = await openSession(loaded, { threads: 1, kernel: false });
  const inUse = ours.constructor.name === "TreeSession" && theirs.constructor.name !== "TreeSession";
  return { ours, theirs, inUse, outputs: loaded.signature.outputs.map(({ name }) => name) };
}

const plain = ({ data }: SessionTensor): unknown[] => [...(data as Float32Array)];

/** Bit for bit, but for the last bits of an exp. */
function expectSame(ours: SessionTensor, theirs: SessionTensor, exact: boolean): void {
  expect(ours.dims).toEqual(theirs.dims);
  expect(ours.type).toBe(theirs.type);
  if (exact || ours.type !== "float32") {
    expect(plain(ours)).toEqual(plain(theirs));
    return;
  }
  for (const [k, each] of plain(theirs).entries()) {
    const got = plain(ours)[k] as number;
    if (!Object.is(got, each))
      expect(Math.abs(got - (each as number))).toBeLessThanOrEqual(3e-7 * Math.max(1e-3, Math.abs(each as number)));
  }
}

describe("the tree kernel", () => {
  it("gives what ONNX Runtime gives, for ensembles and rows of every kind", async () => {
    const used = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(ensembles, async (ensemble) => {
        const file = path.join(folder, "trees.onnx");
        writeFileSync(file, bytesOf(ensemble));
        const { ours, theirs, inUse, outputs } = await sessionsOf(file);
        if (inUse) for (const what of [ensemble.kind, ensemble.mode]) used.set(what, (used.get(what) ?? 0) + 1);
        const { rows } = ensemble;
        const feeds = (): Record<string, SessionTensor> => ({
          x: { type: "float32", dims: [rows.length, FEATURES], data: Float32Array.from(rows.flat()) },
        });
        const [a, b] = [await ours.run(feeds(), outputs), await theirs.run(feeds(), outputs)];
        for (const name of outputs) expectSame(a[name]!, b[name]!, ensemble.softmax === "NONE" || ensemble.kind === "regressor");
        await ours.release();
        await theirs.release();
      }),
      { numRuns: 80 },
    );
    // A kernel that never runs would agree as well.
    for (const what of [...KINDS, ...MODES]) expect([what, (used.get(what) ?? 0) > 2]).toEqual([what, true]);
  });

  it.each(["equality", "several modes"])("leaves ensembles of %s to the runtime", async (odd) => {
    const made = fc.sample(ensembles, { numRuns: 40, seed: 4 }).find(({ trees }) => trees.flat().length > 30)!;
    const bytes = Buffer.from(bytesOf({ ...made, kind: "regressor", mode: "BRANCH_LEQ" })).toString("latin1");
    const wide = odd === "equality" ? bytes.replaceAll("BRANCH_LEQ", "BRANCH_NEQ") : bytes.replace("BRANCH_LEQ", "BRANCH_GTE");
    const file = path.join(folder, "odd.onnx");
    writeFileSync(file, Buffer.from(wide, "latin1"));
    const { inUse, ours, theirs } = await sessionsOf(file);
    expect(inUse).toBe(false);
    await ours.release();
    await theirs.release();
  });
});

describe.skipIf(!hasMaterial)("real tree models", () => {
  const KERNEL = [
    "bench_rf_reg",
    "boston_xgb",
    "iris_mltools_xgb_reg",
    "iris_rf_zipmap_hududed",
    "treecl3_unknown_width",
    "treecl_unknown_width",
    "wine_xgb",
    "digits_xgb_fixed_batch1",
    "iris_rf_fixed_batch1_zipmap",
  ];
  it.each(KERNEL)("%s runs through the kernel, with the runtime's results", async (name) => {
    const { ours, theirs, inUse, outputs } = await sessionsOf(model(name).path);
    expect(inUse).toBe(true);
    const { signature } = await loadSignature(model(name).path);
    const { shape, name: input } = signature.inputs[0]!;
    const width = typeof shape[1] === "number" ? shape[1] : 32;
    const rows = typeof shape[0] === "number" ? shape[0] : 500;
    for (let round = 0; round < (rows === 1 ? 50 : 1); round++) {
      const data = Float32Array.from({ length: rows * width }, (_, k) => Math.sin(k * 7 + round) * 10);
      const feeds = { [input]: { type: "float32", dims: [rows, width], data } satisfies SessionTensor };
      const [a, b] = [await ours.run(feeds, outputs), await theirs.run(feeds, outputs)];
      for (const each of outputs) expectSame(a[each]!, b[each]!, false);
    }
    await ours.release();
    await theirs.release();
  });

  it("in doubles, or behind other operators, are the runtime's", async () => {
    for (const name of ["tree_double_in_out", "lgbm_fixed_batch1_zipmap"]) {
      const { inUse, ours, theirs } = await sessionsOf(model(name).path);
      expect([name, inUse]).toEqual([name, false]);
      await ours.release();
      await theirs.release();
    }
  });
});
