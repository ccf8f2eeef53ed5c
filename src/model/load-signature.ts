import { basename } from "node:path";
import { BatchPredictError } from "../core/errors.ts";
import type { Dimension, ModelInput, ModelOutput, ModelSignature } from "../core/model-signature.ts";
import type { TensorType } from "../core/tensor-types.ts";
import { scoreLabels } from "./class-labels.ts";
import { tensorTypeOf } from "./element-types.ts";
import { checkExternalData } from "./external-data.ts";
import { readModelProto } from "./model-proto.ts";
import type { ModelStructure, ValueInfo } from "./model-structure.ts";
import { isOrtFormat, readOrtFormat, redirectOutputs } from "./ort-format.ts";
import { readModelFile } from "./read-model-file.ts";
import { refuseBytes, refuseStructure, refuseValues } from "./refuse.ts";
import { findZipMaps, rewriteZipMaps, type ZipMapOutput } from "./rewrite-zipmap.ts";

/** Plain data, so it can be posted to workers. */
export interface LoadedModel {
  signature: ModelSignature;
  /** The model as the session must load it, or null: load the file by its path. */
  bytes: Uint8Array<ArrayBuffer> | null;
  /** Output of the signature -> its name in the session, where they differ. */
  sessionOutputs: Record<string, string>;
  /** There is a tree ensemble in the graph. */
  hasTrees: boolean;
}

/** Since IR version 4 an input that is also an initializer is a default that may be overridden; before, every weight had to be listed as an input. */
const OVERRIDABLE_SINCE_IR = 4;

/**
 * Everything the file says, without loading it into the runtime. Reads and hashes the whole file (weights in files of their own are
 * only checked for presence and size). `path` is used as given, in messages too.
 * @throws BP_MODEL_NOT_FOUND, BP_MODEL_UNREADABLE, BP_MODEL_INVALID, BP_MODEL_UNSUPPORTED, BP_MODEL_CHANGED
 */
export async function loadSignature(path: string): Promise<LoadedModel> {
  const { bytes, sha256 } = await readModelFile(path);
  const ortFormat = isOrtFormat(bytes);
  const model = readStructure(path, bytes, ortFormat);
  refuseStructure(path, model);
  const zipMaps = findZipMaps(model);
  const inputs = model.inputs.filter((input) => !isHidden(input, model));
  refuseValues(path, inputs, model.outputs, new Set(zipMaps.map(({ output }) => output)));
  const externalData = await checkExternalData(path, model.externalTensors);
  const required = inputs.filter(({ name }) => !model.initializers.has(name));
  const signature: ModelSignature = {
    path,
    sha256,
    sizeBytes: bytes.length,
    irVersion: model.irVersion ?? 0,
    opset: Object.fromEntries([...model.opset].map(([domain, version]) => [domain || "ai.onnx", version])),
    producer: model.producer,
    graphName: model.graphName,
    metadata: model.metadata,
    inputs: inputs.map((input) => ({ ...tensorOf(input), optional: model.initializers.has(input.name) }) satisfies ModelInput),
    outputs: model.outputs.map((output) => describeOutput(output, model, zipMaps)),
    fixedBatch: fixedBatch(required),
    rewritten: zipMaps.length > 0,
    externalData,
  };
  const hasTrees = !ortFormat && model.nodes.some(({ opType }) => opType.startsWith("TreeEnsemble"));
  return { signature, hasTrees, ...sessionForm(path, bytes, ortFormat, zipMaps) };
}

function readStructure(path: string, bytes: Uint8Array, ortFormat: boolean): ModelStructure {
  try {
    return ortFormat ? readOrtFormat(bytes) : readModelProto(bytes);
  } catch (error) {
    if (!ortFormat) refuseBytes(path, error, bytes);
    throw new BatchPredictError(
      "BP_MODEL_INVALID",
      `${basename(path)} is a corrupt or truncated model in ONNX Runtime's own format`,
      {
        where: { file: path },
        hints: ["copy it again, or give the .onnx file it was made from"],
        cause: error,
      },
    );
  }
}

/** Weights of old files, and defaults of a type that cannot be fed: the runtime does not ask for either. */
function isHidden(input: ValueInfo, model: ModelStructure): boolean {
  if (!model.initializers.has(input.name)) return false;
  if ((model.irVersion ?? 0) < OVERRIDABLE_SINCE_IR) return true;
  return input.type === null || input.type.kind !== "tensor" || tensorTypeOf(input.type.elementType) === null;
}

/** Only after refuseValues, which leaves tensors of served types. */
function tensorOf({ name, type }: ValueInfo): { name: string; type: TensorType; shape: Dimension[]; shapeDeclared?: false } {
  const tensor = type?.kind === "tensor" ? type : null;
  const elementType = tensorTypeOf(tensor?.elementType ?? 0);
  if (tensor === null || elementType === null) throw new BatchPredictError("BP_INTERNAL", `value "${name}" is not a tensor`);
  return tensor.shape === null
    ? { name, type: elementType, shape: [], shapeDeclared: false }
    : { name, type: elementType, shape: tensor.shape };
}

function describeOutput(output: ValueInfo, model: ModelStructure, zipMaps: readonly ZipMapOutput[]): ModelOutput {
  const zipMap = zipMaps.find((candidate) => candidate.output === output.name);
  if (zipMap === undefined) {
    const tensor = tensorOf(output);
    const shape = tensor.shapeDeclared === false ? null : tensor.shape;
    return { ...tensor, labels: scoreLabels(output.name, shape, model), zipMap: false };
  }
  const labels = zipMap.labels ?? scoreLabels(zipMap.scores, null, model);
  return {
    name: output.name,
    type: tensorTypeOf(zipMap.elementType) ?? "float32",
    shape: [null, labels?.length ?? null],
    labels,
    zipMap: true,
  };
}

/** An input whose first dimension is fixed dictates the rows of a call; two that disagree cannot both be rows, and dictate nothing. */
function fixedBatch(required: readonly ValueInfo[]): number | null {
  const fixed = new Set<number>();
  for (const { type } of required) {
    const first = type?.kind === "tensor" ? type.shape?.[0] : undefined;
    if (typeof first === "number") fixed.add(first);
  }
  const [only] = fixed;
  return fixed.size === 1 && only !== undefined ? only : null;
}

function sessionForm(
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
  ortFormat: boolean,
  zipMaps: readonly ZipMapOutput[],
): { bytes: Uint8Array<ArrayBuffer> | null; sessionOutputs: Record<string, string> } {
  if (zipMaps.length === 0) {
    // By path the runtime knows its own format by the extension only; from memory it looks at the bytes.
    return { bytes: ortFormat && !path.endsWith(".ort") ? bytes : null, sessionOutputs: {} };
  }
  if (!ortFormat) return { bytes: rewriteZipMaps(bytes, zipMaps), sessionOutputs: {} };
  const redirected = redirectOutputs(bytes, zipMaps);
  return { bytes: redirected.bytes, sessionOutputs: redirected.sessionNames };
}
