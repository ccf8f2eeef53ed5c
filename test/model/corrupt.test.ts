import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import { loadSignature } from "../../src/model/load-signature.ts";
import { wireFields } from "../../src/model/wire-fields.ts";
import { hasMaterial, model } from "./material.ts";

const folder = mkdtempSync(join(tmpdir(), "batchpredict-corrupt-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function outcome(bytes: Uint8Array): Promise<BatchPredictError | null> {
  const path = join(folder, "model.onnx");
  writeFileSync(path, bytes);
  try {
    await loadSignature(path);
    return null;
  } catch (error) {
    if (error instanceof BatchPredictError) return error;
    throw error;
  }
}

describe.skipIf(!hasMaterial)("damaged files", () => {
  it.each(["voting_string_label_zipmap", "voting_string_label_zipmap_ort_format", "multitype_fixed"])(
    "%s cut at any byte is refused as invalid",
    async (name) => {
      const whole = readFileSync(model(name).path);
      // Cut between two operator set imports at the very end the rest is a model of its own, which the runtime takes too.
      const borders = name.endsWith("ort_format") ? [] : [...wireFields(whole)].map(({ end }) => end);
      for (let length = 1; length < whole.length; length += Math.ceil(whole.length / 150)) {
        const error = await outcome(whole.subarray(0, length));
        if (error === null && borders.includes(length)) continue;
        expect(error?.code ?? "read", `cut at ${length}`).toMatch(/^BP_MODEL_(INVALID|UNSUPPORTED)$/);
      }
    },
  );

  it.each(["voting_string_label_zipmap", "voting_string_label_zipmap_ort_format", "extdata_two_files"])(
    "%s with any bytes changed is read or refused, never a crash",
    async (name) => {
      const whole = readFileSync(model(name).path);
      const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
          const damaged = new Uint8Array(whole);
          for (const [position, byte] of changes) damaged[position] = byte;
          const error = await outcome(damaged);
          expect(error?.code ?? "BP_MODEL_").toMatch(/^BP_MODEL_/);
        }),
        { numRuns: 300 },
      );
    },
  );

  it("a file with an impossible number in its class labels is corrupt, and says so", async () => {
    const whole = readFileSync(model("voting_string_label_zipmap").path);
    const damaged = new Uint8Array(whole);
    damaged[656] = 66;
    damaged[0] = 8;
    expect((await outcome(damaged))?.message).toBe("model.onnx starts like an ONNX model but is corrupt further on");
  });

  it("random bytes are refused", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
        expect((await outcome(bytes))?.code).toBe("BP_MODEL_INVALID");
      }),
      { numRuns: 300 },
    );
  });
});
