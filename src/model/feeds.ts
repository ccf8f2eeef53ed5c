/** Tensors on their way in: checked in our own words, because the runtime casts nothing, names no input, and cuts strings at NUL without a word. */
import { BatchPredictError } from "../core/errors.ts";
import type { ModelInput } from "../core/model-signature.ts";
import type { TensorArray, TensorType } from "../core/tensor-types.ts";

export interface SessionTensor {
  type: TensorType;
  dims: number[];
  /** Row-major; float16 as its bits in a Uint16Array, bool as one byte each. */
  data: TensorArray;
}

/**
 * Costs a look at each string of string inputs, nothing per element otherwise.
 * @throws BP_BINDING for names, types, ranks or sizes that do not fit the model, BP_INFERENCE for a text that cannot be passed
 */
export function checkFeeds(
  feeds: Readonly<Record<string, SessionTensor>>,
  inputs: readonly ModelInput[],
  taken: readonly string[],
): void {
  for (const name of taken) {
    if (!Object.hasOwn(feeds, name)) throw new BatchPredictError("BP_BINDING", `model input "${name}" is not fed`);
  }
  for (const [name, tensor] of Object.entries(feeds)) {
    const input = inputs.find((candidate) => candidate.name === name);
    if (input === undefined)
      throw new BatchPredictError("BP_BINDING", `the model has no input "${name}"`, {
        expected: inputs.map((known) => known.name).join(", "),
      });
    if (!taken.includes(name)) {
      throw new BatchPredictError(
        "BP_BINDING",
        `model input "${name}" keeps the default inside the model: the session was not opened to replace it`,
        {
          hints: [`bind no column to "${name}"`, `or open the session with overrides: ["${name}"]`],
        },
      );
    }
    checkTensor(input, tensor);
  }
}

function checkTensor(input: ModelInput, tensor: SessionTensor): void {
  const { name, shape } = input;
  const got = `${tensor.type} [${tensor.dims.join(", ")}]`;
  const wanted = `${input.type} [${shape.map((dimension) => dimension ?? "?").join(", ")}]`;
  const fits =
    input.shapeDeclared === false ||
    (shape.length === tensor.dims.length &&
      shape.every((dimension, axis) => typeof dimension !== "number" || dimension === tensor.dims[axis]));
  if (tensor.type !== input.type || !fits) {
    throw new BatchPredictError("BP_BINDING", `model input "${name}" was fed a tensor that does not fit`, {
      expected: wanted,
      actual: got,
    });
  }
  const elements = tensor.dims.reduce((product, dimension) => product * dimension, 1);
  if (tensor.data.length !== elements) {
    throw new BatchPredictError("BP_BINDING", `model input "${name}" was fed the wrong number of elements`, {
      expected: `${elements} for ${got}`,
      actual: `${tensor.data.length}`,
    });
  }
  if (Array.isArray(tensor.data)) checkTexts(name, tensor.data, tensor.dims[0] ?? 1);
}

function checkTexts(name: string, texts: readonly unknown[], rows: number): void {
  const perRow = rows === 0 ? 1 : texts.length / rows;
  for (let index = 0; index < texts.length; index++) {
    const text = texts[index];
    if (typeof text === "string" && !text.includes("\0")) continue;
    const what =
      typeof text === "string" ? "a NUL character, which ONNX Runtime would cut the text at" : "a value that is no text";
    throw new BatchPredictError("BP_INFERENCE", `model input "${name}" was given ${what}`, {
      where: { row: Math.floor(index / perRow) },
      expected: "text without NUL characters",
    });
  }
}
