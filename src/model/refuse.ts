/** What cannot be served is refused here, in our own words, before the runtime sees it; everything wrong with a model at once. */
import { basename } from "node:path";
import { BatchPredictError, type ErrorDetails, toWire } from "../core/errors.ts";
import { elementTypeName, tensorTypeOf } from "./element-types.ts";
import type { ModelStructure, ValueInfo } from "./model-structure.ts";

/** Domains whose operators the runtime's Node package carries. */
const RUNTIME_DOMAINS = new Set([
  "",
  "ai.onnx.ml",
  "ai.onnx.training",
  "ai.onnx.preview",
  "ai.onnx.preview.training",
  "com.microsoft",
  "com.microsoft.nchwc",
  "com.microsoft.experimental",
  "com.ms.internal.nhwc",
  "org.pytorch.aten",
]);
const EXTENSIONS_DOMAINS = new Set(["ai.onnx.contrib", "com.microsoft.extensions"]);

/** @throws BP_MODEL_INVALID for bytes that stopped being protobuf: cut off, or never ONNX */
export function refuseBytes(path: string, error: unknown, bytes: Uint8Array): never {
  // Messages nested beyond the stack are no model either; anything else is a fault of ours.
  if (error instanceof RangeError) {
    refuseBytes(path, new BatchPredictError("BP_MODEL_INVALID", error.message, { cause: error }), bytes);
  }
  if (!(error instanceof BatchPredictError)) throw error;
  const name = basename(path);
  // Positions inside of the graph are relative to it; only those of the outermost message are positions in the file.
  const outermost = error.details.actual === `${bytes.length} bytes`;
  const where = outermost ? { file: path, ...error.details.where } : { file: path };
  const details: ErrorDetails = { where, cause: error };
  // An ONNX file starts with its IR version: field 1, a varint.
  const startsWell = bytes[0] === 0x08;
  if (startsWell && outermost && error.details.expected !== undefined) {
    throw new BatchPredictError(
      "BP_MODEL_INVALID",
      `${name} ends too early: it was cut off, as an interrupted download leaves it`,
      {
        ...details,
        expected: error.details.expected,
        actual: `${bytes.length} bytes`,
        hints: ["download or copy the model again and compare its size or checksum"],
      },
    );
  }
  if (startsWell) {
    throw new BatchPredictError("BP_MODEL_INVALID", `${name} starts like an ONNX model but is corrupt further on`, {
      ...details,
      hints: ["download or export the model again and compare its size or checksum"],
    });
  }
  throw new BatchPredictError("BP_MODEL_INVALID", `${name} is not an ONNX model: its bytes cannot be read as one`, {
    ...details,
    hints: ["check that --model names the exported .onnx file, and that it was downloaded in binary mode"],
  });
}

/** @throws BP_MODEL_INVALID without IR version, graph or operator set; BP_MODEL_UNSUPPORTED for operators the runtime has not */
export function refuseStructure(path: string, model: ModelStructure): void {
  const name = basename(path);
  const where = { file: path };
  if (!model.hasGraph) {
    const message =
      model.irVersion === null ? `${name} is not an ONNX model` : `${name} holds no graph, so there is nothing to run`;
    throw new BatchPredictError("BP_MODEL_INVALID", message, { where, hints: ["export the model again"] });
  }
  if (model.irVersion === null || model.opset.size === 0) {
    const missing = [model.irVersion === null ? "IR version" : null, model.opset.size === 0 ? "operator set" : null].filter(
      (part) => part !== null,
    );
    throw new BatchPredictError(
      "BP_MODEL_INVALID",
      `${name} declares no ${missing.join(" and no ")}, so its operators have no meaning`,
      {
        where,
        hints: ["export it again with a current exporter: files from before ONNX 1.0 lack these"],
      },
    );
  }
  for (const [domain, operators] of model.operators) {
    if (RUNTIME_DOMAINS.has(domain) || model.functionDomains.has(domain)) continue;
    const list = [...operators].sort().join(", ");
    const extensions = EXTENSIONS_DOMAINS.has(domain);
    throw new BatchPredictError(
      "BP_MODEL_UNSUPPORTED",
      extensions
        ? `${name} needs onnxruntime-extensions (operators ${list}), which cannot be loaded here`
        : `${name} uses operators of the unknown domain "${domain}": ${list}`,
      {
        where,
        expected: "operators of ai.onnx, ai.onnx.ml or com.microsoft",
        actual: [...operators].map((operator) => `${domain}.${operator}`).join(", "),
        hints: [
          extensions
            ? "export the model without its tokenizer or pre-processing step and feed it that step's results as columns"
            : "custom operators live in a library of their own; export the model with standard operators instead",
        ],
      },
    );
  }
}

/**
 * @param rewritten outputs that will be tensors by the time the model is loaded
 * @throws BP_MODEL_UNSUPPORTED naming every input and output that is no tensor of a type we serve
 */
export function refuseValues(
  path: string,
  inputs: readonly ValueInfo[],
  outputs: readonly ValueInfo[],
  rewritten: ReadonlySet<string>,
): void {
  const file = basename(path);
  const where = { file: path };
  if (inputs.length === 0) {
    throw new BatchPredictError("BP_MODEL_UNSUPPORTED", `${file} takes no inputs, so rows of data have nowhere to go`, {
      where,
      hints: ["export the model with its features as an input instead of a constant"],
    });
  }
  if (outputs.length === 0) {
    throw new BatchPredictError("BP_MODEL_INVALID", `${file} has no outputs, so it predicts nothing`, { where });
  }
  const problems = [
    ...inputs.map((value) => valueProblem(path, "input", value)),
    ...outputs.filter(({ name }) => !rewritten.has(name)).map((value) => valueProblem(path, "output", value)),
  ].filter((problem) => problem !== null);
  if (problems.length === 1) throw problems[0];
  if (problems.length > 1) {
    throw new BatchPredictError(
      "BP_MODEL_UNSUPPORTED",
      `${file} cannot be served: ${problems.length} of its inputs and outputs have unsupported types`,
      {
        where,
        problems: problems.map((problem) => {
          const { stack: _stack, ...wire } = toWire(problem);
          return wire;
        }),
      },
    );
  }
}

function valueProblem(path: string, side: "input" | "output", { name, type }: ValueInfo): BatchPredictError | null {
  const where = { file: path };
  const expected = "a tensor of numbers, booleans or strings";
  if (type === null) {
    return new BatchPredictError("BP_MODEL_UNSUPPORTED", `${side} "${name}" has no declared type`, {
      where,
      expected,
      hints: ["let onnx.shape_inference.infer_shapes fill it in, and save the model again"],
    });
  }
  if (type.kind === "tensor") {
    if (tensorTypeOf(type.elementType) !== null) return null;
    const element = elementTypeName(type.elementType);
    return new BatchPredictError(
      "BP_MODEL_UNSUPPORTED",
      `${side} "${name}" is a tensor of ${element}, which cannot be ${side === "input" ? "fed" : "read"} here`,
      {
        where,
        expected,
        actual: type.text,
        hints: [`put a Cast at this ${side} when exporting, so that it is float32 or float16 outside`],
      },
    );
  }
  return new BatchPredictError(
    "BP_MODEL_UNSUPPORTED",
    `${side} "${name}" is of type ${type.text}; only tensors can be ${side === "input" ? "fed from columns" : "written as columns"}`,
    {
      where,
      expected,
      actual: type.text,
      hints: [
        side === "input"
          ? KIND_HINTS[type.kind]
          : type.mapOf !== null
            ? ZIPMAP_HINT
            : "export the model with a tensor as its output",
      ],
    },
  );
}

const ZIPMAP_HINT = "export it without ZipMap: convert_sklearn(..., options={'zipmap': False})";
const KIND_HINTS = {
  map: "export the steps behind the dictionary (DictVectorizer) only, with the vector as input",
  sequence: "export the model with one tensor per input",
  optional: "export the model with a plain tensor instead of the optional",
  "sparse tensor": "export the model with a dense input",
  opaque: "export the model with a tensor as input",
} as const;
