/**
 * A session that a worker opens before it is told how: for a small model what the plan will say is known, and the main thread is busy with the
 * data meanwhile.
 */
import type { ModelSignature } from "../core/model-signature.ts";
import { type LoadedModel, loadSignature } from "../model/load-signature.ts";
import { openSession, type PredictSession } from "../model/session.ts";
import type { WorkerSetup } from "./protocol.ts";

export interface OpenedModel {
  model: LoadedModel;
  session: PredictSession;
}

/** As most plans have it. */
const LIKELY = { threads: 1, overrides: [], kernel: true };

export class SessionAhead {
  readonly #path: string;
  #opened: Promise<OpenedModel | null>;

  /** @param path of the model; what is wrong with it is told when the worker is set up */
  constructor(path: string) {
    this.#path = path;
    this.#opened = this.#open().catch(() => null);
  }

  async #open(): Promise<OpenedModel> {
    const model = await loadSignature(this.#path);
    return { model, session: await openSession(model, LIKELY) };
  }

  /** @returns null when it is not the one that is wanted; it is released then */
  async take(setup: WorkerSetup): Promise<OpenedModel | null> {
    const opened = await this.#opened;
    const fits =
      opened !== null &&
      setup.modelPath === this.#path &&
      setup.modelSha256 === opened.model.signature.sha256 &&
      setup.threads === LIKELY.threads &&
      setup.kernel !== false &&
      overridesOf(setup, opened.model.signature).length === 0;
    if (!fits) await this.release();
    this.#opened = Promise.resolve(null);
    return fits ? opened : null;
  }

  async release(): Promise<void> {
    const opened = await this.#opened;
    await opened?.session.release();
  }
}

/** Optional inputs that every run will feed: their defaults leave the model. */
export function overridesOf({ plan }: WorkerSetup, { inputs }: ModelSignature): string[] {
  const fed = new Set([...plan.inputs, ...plan.constants].map(({ input }) => input));
  return inputs.filter(({ optional, name }) => optional && fed.has(name)).map(({ name }) => name);
}
