import { GRAPH } from "./model-proto.ts";
import { rewriteGraph } from "./rewrite-graph.ts";
import { tensorName } from "./tensor-proto.ts";

/**
 * An input with a default (an initializer of its name) can be fed in ONNX, but the runtime's Node binding knows required inputs only and
 * ignores any other feed without a word. Without its initializer the input is required, and so can be fed. Costs one copy of the model.
 */
export function dropDefaults(bytes: Uint8Array, inputs: readonly string[]): Uint8Array<ArrayBuffer> {
  return rewriteGraph(bytes, (field) =>
    field.no === GRAPH.initializer && inputs.includes(tensorName(field.bytes)) ? [] : [field.raw],
  );
}
