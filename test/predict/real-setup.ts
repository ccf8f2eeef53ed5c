/** A real model and real data, set up as a run would, without the run. */
import path from "node:path";
import { type BindingSettings, planBinding } from "../../src/binding/plan-binding.ts";
import { planOutputs } from "../../src/binding/plan-outputs.ts";
import type { Chunk } from "../../src/core/chunk.ts";
import type { ModelSignature } from "../../src/core/model-signature.ts";
import type { OutputPlan } from "../../src/core/output-plan.ts";
import { loadSignature } from "../../src/model/load-signature.ts";
import type { ProbeResult, WorkerSetup } from "../../src/predict/protocol.ts";
import { openSource } from "../../src/sources/registry.ts";
import { settings } from "../binding/made-signature.ts";
import { FIXTURES } from "../corpora.ts";

/** y = linear of 4 iris columns; 1,000 rows of `id,sepal_length,sepal_width,petal_length,petal_width,species`. */
export const LINEAR = path.join(FIXTURES, "models/features4_linear/model.onnx");
export const IRIS = path.join(FIXTURES, "models/features4_linear/input.csv");
export const IRIS_FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"];

export interface RealSetup {
  setup: WorkerSetup;
  signature: ModelSignature;
  chunks: Chunk[];
  outputs(probe: ProbeResult): OutputPlan;
}

export async function realSetup(
  model: string,
  data: string,
  given: Partial<BindingSettings>,
  chunkBytes = 1 << 20,
): Promise<RealSetup> {
  const { signature } = await loadSignature(model);
  const source = await openSource([data], { csv: {} }, () => process.stdin);
  try {
    const { plan } = planBinding(signature, source.description.columns, settings(given));
    const chunks: Chunk[] = [];
    for await (const chunk of source.chunks({ chunkBytes })) chunks.push(chunk);
    const setup = { modelPath: model, modelSha256: signature.sha256, threads: 1, source: source.description, plan };
    const kept = plan.keep.map((column) => column.name);
    return {
      setup,
      signature,
      chunks,
      outputs: (probe) => planOutputs(signature, probe.outputs, kept, { outputs: null }, false),
    };
  } finally {
    await source.close();
  }
}
