/** The only door to onnxruntime-node. The runtime blocks its thread while it loads and runs, so sessions live in worker threads. */
import { createRequire } from "node:module";
import { basename, dirname, resolve } from "node:path";
import type { InferenceSession, OnnxValue } from "onnxruntime-node";
import { BatchPredictError } from "../core/errors.ts";
import type { ModelSignature } from "../core/model-signature.ts";
import type { TensorArray, TensorType } from "../core/tensor-types.ts";
import { checkFeeds, type SessionTensor } from "./feeds.ts";
import { explainLoadError } from "./load-errors.ts";
import type { LoadedModel } from "./load-signature.ts";
import { isOrtFormat } from "./ort-format.ts";
import { readModelFile } from "./read-model-file.ts";
import { dropDefaults } from "./rewrite-defaults.ts";
import { cleanRuntimeText, failedNode } from "./runtime-text.ts";

export type { SessionTensor } from "./feeds.ts";

export interface SessionOptions {
  /** Threads inside of one operator. Always set: the runtime would count the host's cores, whatever the container allows. */
  threads: number;
  /** Optional inputs of the signature that every run will feed. Their defaults are taken out of the model; others keep theirs. */
  overrides?: readonly string[];
  /** false: tree ensembles too are the runtime's. */
  kernel?: boolean;
}

export interface PredictSession {
  readonly runtimeVersion: string;
  /**
   * One inference call. Blocks the calling thread although it is async.
   * @param feeds by input name; the data is read during the call and not kept
   * @param outputs names as in the signature; only these are computed and returned
   * @throws BP_BINDING (a feed that does not fit the model), BP_INFERENCE (the runtime failed on these rows)
   */
  run(feeds: Record<string, SessionTensor>, outputs: readonly string[]): Promise<Record<string, SessionTensor>>;
  /** Frees the native memory; no run may follow. */
  release(): Promise<void>;
}

/** Fatal only: every error is thrown as well, and the log would print it a second time, in colour, past our own rendering. */
const LOG_FATAL = 4;

/**
 * @throws BP_MODEL_INVALID, BP_MODEL_UNSUPPORTED with the runtime's reason as `actual`; BP_MODEL_CHANGED when overrides are asked for and the
 * file is not the one of the signature any more
 */
export async function openSession(model: LoadedModel, options: SessionOptions): Promise<PredictSession> {
  const { signature } = model;
  const bytes = await sessionBytes(model, options.overrides ?? []);
  const ort = await loadRuntime();
  ort.env.logLevel = "fatal";
  const sessionOptions = resolveOptions(signature, options, bytes !== null);
  let session: InferenceSession;
  try {
    session =
      bytes === null
        ? await ort.InferenceSession.create(resolve(signature.path), sessionOptions)
        : await ort.InferenceSession.create(bytes, sessionOptions);
  } catch (error) {
    throw explainLoadError(signature.path, error);
  }
  const opened = new OrtSession(session, model, runtimeVersion());
  if (!model.hasTrees || options.kernel === false || (options.overrides ?? []).length > 0) return opened;
  const { withTreeKernel } = await import("./trees/tree-session.ts");
  return withTreeKernel(opened, signature, bytes ?? (await readUnchanged(signature)));
}

/** Loads the native library: 20 ms that a thread may spend before it is told what to do. */
export async function loadRuntime(): Promise<typeof import("onnxruntime-node")> {
  // A CommonJS package: from a bundle it comes as the default alone.
  return (await import("onnxruntime-node")).default;
}

/** null: load by path. */
async function sessionBytes(
  { signature, bytes }: LoadedModel,
  overrides: readonly string[],
): Promise<Uint8Array<ArrayBuffer> | null> {
  const defaults = signature.inputs.filter(({ name, optional }) => optional && overrides.includes(name)).map(({ name }) => name);
  if (defaults.length === 0) return bytes;
  const whole = bytes ?? (await readUnchanged(signature));
  if (!isOrtFormat(whole)) return dropDefaults(whole, defaults);
  throw new BatchPredictError(
    "BP_MODEL_UNSUPPORTED",
    `the defaults of ${defaults.join(", ")} cannot be replaced in a model of ONNX Runtime's own format`,
    {
      where: { file: signature.path },
      hints: ["give the .onnx file it was made from", `bind nothing to ${defaults.join(", ")}`],
    },
  );
}

async function readUnchanged(signature: ModelSignature): Promise<Uint8Array<ArrayBuffer>> {
  const { bytes, sha256 } = await readModelFile(signature.path);
  if (sha256 === signature.sha256) return bytes;
  throw new BatchPredictError("BP_MODEL_CHANGED", `${basename(signature.path)} was replaced since it was first read`, {
    where: { file: signature.path },
    expected: `sha256 ${signature.sha256}`,
    actual: `sha256 ${sha256}`,
    hints: ["run again: nothing was predicted with the new file"],
  });
}

function resolveOptions(
  signature: ModelSignature,
  { threads }: SessionOptions,
  fromMemory: boolean,
): InferenceSession.SessionOptions {
  const dynamicBehindBatch = signature.inputs.some(({ shape }) =>
    shape.slice(1).some((dimension) => typeof dimension !== "number"),
  );
  return {
    executionProviders: ["cpu"],
    logSeverityLevel: LOG_FATAL,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    enableMemPattern: !dynamicBehindBatch,
    // A model in memory has no folder: without this, weights beside the file would be searched in the working directory.
    ...(fromMemory && signature.externalData.length > 0
      ? { extra: { session: { model_external_initializers_file_folder_path: dirname(resolve(signature.path)) } } }
      : {}),
  };
}

class OrtSession implements PredictSession {
  readonly runtimeVersion: string;
  private readonly session: InferenceSession;
  private readonly model: LoadedModel;

  constructor(session: InferenceSession, model: LoadedModel, version: string) {
    this.session = session;
    this.model = model;
    this.runtimeVersion = version;
  }

  async run(feeds: Record<string, SessionTensor>, outputs: readonly string[]): Promise<Record<string, SessionTensor>> {
    const { signature, sessionOutputs } = this.model;
    checkFeeds(feeds, signature.inputs, this.session.inputNames);
    const fetches = [...new Set(outputs.map((name) => this.sessionName(name)))];
    let results: InferenceSession.OnnxValueMapType;
    try {
      results = await this.session.run(
        Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toRuntime(tensor)])),
        fetches,
      );
    } catch (error) {
      throw inferenceError(error);
    }
    return Object.fromEntries(
      outputs.map((name) => [name, fromRuntime(results[nameInSession(sessionOutputs, name)] as RuntimeTensor)]),
    );
  }

  private sessionName(name: string): string {
    if (!this.model.signature.outputs.some((output) => output.name === name)) {
      throw new BatchPredictError("BP_BINDING", `the model has no output "${name}"`, {
        expected: this.model.signature.outputs.map((output) => output.name).join(", "),
      });
    }
    return nameInSession(this.model.sessionOutputs, name);
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}

interface RuntimeTensor {
  type: TensorType;
  dims: readonly number[];
  data: TensorArray;
}

/**
 * The binding reads these four properties and nothing else. The runtime's Tensor class is passed by, because where Node has Float16Array
 * (23 and later) it turns float16 bits into one, which the binding then refuses ("not enough space: expected 10, got 0").
 */
function toRuntime({ type, dims, data }: SessionTensor): OnnxValue {
  return { type, dims, data, location: "cpu" } as unknown as OnnxValue;
}

/** Results come through the Tensor class: float16 is a Float16Array where Node has one, and goes back to its bits. */
function fromRuntime({ type, dims, data }: RuntimeTensor): SessionTensor {
  if (type !== "float16" || Array.isArray(data) || data instanceof Uint16Array) return { type, dims: [...dims], data };
  return { type, dims: [...dims], data: new Uint16Array(data.buffer, data.byteOffset, data.length) };
}

function inferenceError(error: unknown): BatchPredictError {
  const actual = cleanRuntimeText(error);
  const node = failedNode(actual);
  return new BatchPredictError(
    "BP_INFERENCE",
    node === null ? "the model failed on these rows" : `the model failed on these rows in ${node}`,
    {
      actual,
      hints: ["--on-error reject puts the rows that fail aside and goes on"],
      cause: error,
    },
  );
}

/** Version of onnxruntime-node, recorded with every run. Read from its package, so that the native library is not loaded for it. */
export function runtimeVersion(): string {
  const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string };
  return version;
}

export interface Provider {
  name: string;
  /** Comes with the package; others need libraries of the vendor. */
  bundled: boolean;
}

/** Execution providers the installed runtime was built with, for `doctor`. Loads the native library. Predictions use "cpu". */
export async function describeProviders(): Promise<Provider[]> {
  const ort = await loadRuntime();
  return ort.listSupportedBackends().map(({ name, bundled }) => ({ name, bundled }));
}

/** A model may call its output "constructor". */
function nameInSession(sessionOutputs: Readonly<Record<string, string>>, name: string): string {
  return Object.hasOwn(sessionOutputs, name) ? sessionOutputs[name]! : name;
}
