import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadSignature } from "../../src/model/load-signature.ts";
import { hasMaterial, model, models } from "./material.ts";

const OURS: Record<string, string> = { float: "float32", double: "float64" };
const ourType = (onnx: string): string => {
  const element = /^tensor\((.+)\)$/.exec(onnx)?.[1] ?? onnx;
  return OURS[element] ?? element;
};

/** The catalogue holds the shape the runtime infers where the file declares none. */
const INFERRED_BY_THE_RUNTIME = ["symbolic_repeated"];

describe.skipIf(!hasMaterial)("signature of every real model", () => {
  it.each(models("models"))(
    "$name: inputs, outputs, types, shapes and hash are those of its catalogue entry",
    async ({ path, about }) => {
      const { signature } = await loadSignature(path);
      expect(signature.sha256).toBe(createHash("sha256").update(readFileSync(path)).digest("hex"));
      expect(signature.sizeBytes).toBe(readFileSync(path).length);
      const required = signature.inputs.filter((input) => !input.optional);
      expect(required.map(({ name, type, shape }) => ({ name, type, shape }))).toEqual(
        about.inputs.map(({ name, type, shape }) => ({ name, type: ourType(type), shape })),
      );
      expect(signature.outputs.map(({ name, zipMap }) => ({ name, zipMap }))).toEqual(
        about.outputs.map(({ name, zipmap_classes }) => ({ name, zipMap: zipmap_classes !== undefined })),
      );
      for (const [index, output] of about.outputs.entries()) {
        const { type, shape, labels } = signature.outputs[index]!;
        if (output.zipmap_classes !== undefined) {
          expect(type).toBe("float32");
          expect(labels).toEqual(output.zipmap_classes.map(String));
          expect(shape).toEqual([null, output.zipmap_classes.length]);
        } else {
          const declared = INFERRED_BY_THE_RUNTIME.includes(about.name) ? output.shape.map(() => null) : output.shape;
          expect({ type, shape }).toEqual({ type: ourType(output.type), shape: declared });
        }
      }
      expect(signature.fixedBatch).toBe(about.fixed_batch);
      expect(signature.rewritten).toBe(about.outputs.some(({ zipmap_classes }) => zipmap_classes !== undefined));
      if (about.opset !== undefined) expect(signature.opset).toMatchObject(about.opset);
    },
  );
});

describe.skipIf(!hasMaterial)("what a signature knows beyond names and shapes", () => {
  const labels = async (name: string, output: string): Promise<string[] | null | undefined> =>
    (await loadSignature(model(name).path)).signature.outputs.find((candidate) => candidate.name === output)?.labels;

  it("names the classes of a classifier's scores without a ZipMap", async () => {
    expect(await labels("wine_xgb", "probabilities")).toEqual(["0", "1", "2"]);
    expect(await labels("treecl3_unknown_width", "proba_0")).toEqual(["0", "1", "2", "3"]);
  });

  it("follows the scores through Normalizer and Identity", async () => {
    expect(await labels("linear_clf_14", "probabilities")).toHaveLength(14);
    expect(await labels("mlnet_multiclass_uint32", "Score.onnx")).toEqual(["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
  });

  it("claims no classes for the label itself, nor for scores of unknown origin", async () => {
    expect(await labels("wine_xgb", "label")).toBeNull();
    expect(await labels("wine_hb_lgbm", "probabilities")).toBeNull();
  });

  it("hides the weights that old files list as inputs, and shows later ones as optional", async () => {
    const old = await loadSignature(model("mnist_cntk_opset7").path);
    expect(old.signature.irVersion).toBe(3);
    expect(old.signature.inputs.map(({ name }) => name)).toEqual(["Input3"]);
    const overridable = await loadSignature(model("overridable_initializer").path);
    expect(overridable.signature.inputs.map(({ name, optional }) => ({ name, optional }))).toEqual([
      { name: "Label", optional: false },
      { name: "F2", optional: false },
      { name: "F1", optional: true },
    ]);
  });

  it("lists the files that hold weights, each once", async () => {
    const { signature } = await loadSignature(model("extdata_two_files").path);
    expect(signature.externalData).toEqual(["multi_external_weights.bin", "multi_external_bias.bin"]);
  });

  it("reads producer, graph name and metadata", async () => {
    const { signature } = await loadSignature(model("iris_rf_zipmap_hududed").path);
    expect(signature.producer).toEqual({ name: "skl2onnx", version: expect.stringContaining("1.7") });
    expect(signature.graphName).not.toBe("");
  });
});
