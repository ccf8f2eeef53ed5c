/**
 * A session whose tree ensemble is walked by our own kernel: the runtime takes 4 us per row and 100 trees, the kernel a third of it. The
 * kernel is used only where its results were seen to be the runtime's on rows drawn around the model's own thresholds; all that
 * it does not know (other feeds, other outputs) goes to the runtime as before.
 */
import type { ModelSignature } from "../../core/model-signature.ts";
import type { SessionTensor } from "../feeds.ts";
import type { PredictSession } from "../session.ts";
import { type CompiledTrees, compileEnsemble } from "./compile-ensemble.ts";
import { type Finish, finisherOf } from "./finish-scores.ts";
import { readEnsemble } from "./read-ensemble.ts";
import { TreeScorer } from "./tree-scorer.ts";

const CHECKED_ROWS = 64;
/** What one exp may differ in its last bits, carried through a softmax. */
const TOLERANCE = 4e-7;

/** @param bytes the model as the session loaded it @returns the session itself where the kernel cannot stand in for it */
export async function withTreeKernel(
  session: PredictSession,
  signature: ModelSignature,
  bytes: Uint8Array,
): Promise<PredictSession> {
  const node = readEnsemble(bytes);
  const input = signature.inputs.find(({ name }) => name === node?.input);
  if (node === null || input?.type !== "float32" || signature.inputs.length !== 1) return session;
  const trees = compileEnsemble(node);
  const finish = trees === null ? null : finisherOf(node, trees.targets, trees.trees);
  if (trees === null || finish === null) return session;
  const width = input.shape.length === 2 && typeof input.shape[1] === "number" ? input.shape[1] : null;
  const outputs = new Map([...node.outputs].filter(([name]) => signature.outputs.some((output) => output.name === name)));
  const own = new TreeSession(session, { input: input.name, width, outputs, trees, finish });
  const fixed = input.shape[0];
  return (await agrees(session, own, typeof fixed === "number" ? fixed : null)) ? own : session;
}

interface TreeModel {
  input: string;
  /** Columns of every row, where the model says so. */
  width: number | null;
  outputs: ReadonlyMap<string, number>;
  trees: CompiledTrees;
  finish: Finish;
}

class TreeSession implements PredictSession {
  readonly runtimeVersion: string;
  readonly model: TreeModel;
  readonly #session: PredictSession;
  readonly #scorer: TreeScorer;

  constructor(session: PredictSession, model: TreeModel) {
    this.#session = session;
    this.model = model;
    this.#scorer = new TreeScorer(model.trees);
    this.runtimeVersion = session.runtimeVersion;
  }

  async run(feeds: Record<string, SessionTensor>, outputs: readonly string[]): Promise<Record<string, SessionTensor>> {
    const rows = this.#rowsOf(feeds);
    if (rows === null || !outputs.every((name) => this.model.outputs.has(name))) return this.#session.run(feeds, outputs);
    const [count, width] = rows.dims as [number, number];
    const results: Record<string, SessionTensor> = {};
    const sums = this.#scorer.sums(rows.data as Float32Array, count, width);
    for (const name of outputs) {
      const at = this.model.outputs.get(name)!;
      // Finishing may work in place, so all but the last get a copy.
      results[name] = this.model.finish(name === outputs.at(-1) ? sums : sums.slice(), count, at);
    }
    return results;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }

  /** null: something the runtime must take, or refuse. */
  #rowsOf(feeds: Record<string, SessionTensor>): SessionTensor | null {
    const { input, width, trees } = this.model;
    const rows = feeds[input];
    if (rows === undefined || Object.keys(feeds).length !== 1 || rows.type !== "float32" || rows.dims.length !== 2) return null;
    const [count, columns] = rows.dims as [number, number];
    const fits = columns >= trees.features && (width === null || columns === width);
    return fits && rows.data instanceof Float32Array && rows.data.length === count * columns ? rows : null;
  }
}

/** Whether both give the same on rows around the thresholds, missing values among them. Costs some 64 rows by each. */
async function agrees(session: PredictSession, own: TreeSession, fixedBatch: number | null): Promise<boolean> {
  const { input, outputs, trees } = own.model;
  const width = own.model.width ?? trees.features;
  const names = [...outputs.keys()];
  const batch = fixedBatch ?? CHECKED_ROWS;
  const data = rowsAround(trees, Math.ceil(CHECKED_ROWS / batch) * batch, width);
  try {
    for (let at = 0; at < data.length; at += batch * width) {
      const feeds = {
        [input]: { type: "float32", dims: [batch, width], data: data.slice(at, at + batch * width) } as SessionTensor,
      };
      const theirs = await session.run(feeds, names);
      const ours = await own.run(feeds, names);
      if (!names.every((name) => sameTensor(theirs[name], ours[name]))) return false;
    }
    return true;
  } catch {
    // Whatever the runtime refuses here, it refuses in the run, with the user's rows.
    return false;
  }
}

function rowsAround({ thresholds }: CompiledTrees, rows: number, width: number): Float32Array {
  let state = 1;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const data = new Float32Array(rows * width);
  for (let k = 0; k < data.length; k++) {
    const known = thresholds.get(k % width);
    const kind = next();
    if (known === undefined || kind > 0.95) data[k] = Number.NaN;
    else {
      const threshold = known[Math.floor(next() * known.length)]!;
      data[k] = kind < 0.3 ? threshold : threshold + (next() - 0.5) * (Math.abs(threshold) + 1) * 0.1;
    }
  }
  return data;
}

function sameTensor(a: SessionTensor | undefined, b: SessionTensor | undefined): boolean {
  if (!a || !b || a.type !== b.type || a.dims.join() !== b.dims.join() || a.data.length !== b.data.length) return false;
  for (let k = 0; k < a.data.length; k++) {
    const [x, y] = [a.data[k]!, b.data[k]!];
    if (Object.is(x, y) || x === y) continue;
    if (typeof x !== "number" || typeof y !== "number") return false;
    if (!(Math.abs(x - y) <= TOLERANCE * Math.max(1e-3, Math.abs(x)))) return false;
  }
  return true;
}
