/** Signatures, columns and settings in a line each, so that a test shows only what it is about. */
import { type BindingSettings, type PlannedBinding, planBinding } from "../../src/binding/plan-binding.ts";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { Dimension, ModelInput, ModelOutput, ModelSignature } from "../../src/core/model-signature.ts";
import type { ColumnRole, SourceColumn } from "../../src/core/source.ts";
import type { TensorType } from "../../src/core/tensor-types.ts";

export function input(name: string, shape: Dimension[], type: TensorType = "float32", optional = false): ModelInput {
  return { name, type, shape, optional };
}

export function output(name: string, labels: string[] | null = null, zipMap = false): ModelOutput {
  return { name, type: "float32", shape: [null], labels, zipMap };
}

export function signature(inputs: ModelInput[], outputs: ModelOutput[] = [output("y")]): ModelSignature {
  return {
    path: "model.onnx",
    sha256: "00",
    sizeBytes: 1,
    irVersion: 8,
    opset: { "ai.onnx": 13 },
    producer: { name: "", version: "" },
    graphName: "g",
    metadata: {},
    inputs,
    outputs,
    fixedBatch: null,
    rewritten: false,
    externalData: [],
  };
}

/** `age` a CSV column of numbers, `city:text`, `when:other`, `flag:bool`, `price:number` (typed), `emb:list4`, `emb:list` (width unknown). */
export function columns(...specs: string[]): SourceColumn[] {
  return specs.map((spec, index) => {
    const at = spec.lastIndexOf(":");
    const [name, kind] = at === -1 ? [spec, "numbers"] : [spec.slice(0, at), spec.slice(at + 1)];
    return column(name, index, kind);
  });
}

export function column(name: string, index: number, kind = "numbers"): SourceColumn {
  const size = /^list(\d*)$/.exec(kind)?.[1];
  const role: ColumnRole = size !== undefined ? "list" : kind === "numbers" ? "text" : (kind as ColumnRole);
  const type = { text: "text", number: "float64", bool: "bool", list: "list<float32>", other: "timestamp[us]" }[role];
  return {
    name,
    index,
    type,
    role,
    listSize: size ? Number(size) : null,
    keptType: role === "text" ? "utf8" : "source",
    numeric: kind === "numbers" || kind === "number",
  };
}

export function settings(given: Partial<BindingSettings> = {}): BindingSettings {
  return {
    features: null,
    bind: {},
    shapes: {},
    constants: {},
    keep: null,
    key: [],
    missing: { default: "auto", columns: {} },
    onError: "fail",
    model: "model.onnx",
    whereRows: null,
    shard: null,
    ...given,
  };
}

export function bind(inputs: ModelInput[], data: SourceColumn[], given: Partial<BindingSettings> = {}): PlannedBinding {
  return planBinding(signature(inputs), data, settings(given));
}

/** Columns per model input, as the plan says. */
export function bound({ plan }: PlannedBinding): Record<string, string[]> {
  return Object.fromEntries(
    plan.inputs.map(({ input: name, from }) => [
      name,
      from.kind === "list" ? [from.column.name] : from.columns.map((one) => one.name),
    ]),
  );
}

export function refusal(act: () => unknown): BatchPredictError {
  try {
    act();
  } catch (error) {
    if (error instanceof BatchPredictError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** Every problem of a refusal: the error itself when there is one only. */
export function messages(error: BatchPredictError): string[] {
  return error.details.problems?.map((problem) => problem.message) ?? [error.message];
}
