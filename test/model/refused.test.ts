import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { BatchPredictError, type ErrorCode } from "../../src/core/errors.ts";
import { loadSignature } from "../../src/model/load-signature.ts";
import { checkRowAlignment } from "../../src/model/row-alignment.ts";
import { openSession } from "../../src/model/session.ts";
import { hasMaterial, models } from "./material.ts";

const folder = mkdtempSync(join(tmpdir(), "batchpredict-model-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function refusal(path: string): Promise<BatchPredictError> {
  const error = await loadSignature(path).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof BatchPredictError)) throw new Error(`expected a refusal of ${path}, got ${String(error)}`);
  return error;
}

/** All that a user would read, in one string. */
function told(error: BatchPredictError): string {
  const { expected, actual, hints, problems } = error.details;
  return [error.message, expected, actual, ...(hints ?? []), ...(problems ?? []).map(({ message }) => message)].join("\n");
}

/** What each must be refused with. Two load: a model of one image per row, and a loop whose results follow no rows. */
const EXPECTED: Record<string, { code: ErrorCode; says: RegExp } | "loads"> = {
  bert_tokenizer_extensions: { code: "BP_MODEL_UNSUPPORTED", says: /needs onnxruntime-extensions.*BertTokenizer/ },
  bfloat16_input: { code: "BP_MODEL_UNSUPPORTED", says: /input "input" is a tensor of bfloat16/ },
  corrupt_protobuf: { code: "BP_MODEL_INVALID", says: /is not an ONNX model/ },
  custom_op_unregistered_domain: {
    code: "BP_MODEL_UNSUPPORTED",
    says: /unknown domain "test.customop": CustomOpOne, CustomOpTwo/,
  },
  external_data_file_missing: { code: "BP_MODEL_NOT_FOUND", says: /weights in model_with_orig_ext_data.bin, which is missing/ },
  external_data_path_traversal: { code: "BP_MODEL_INVALID", says: /"evil_weights" outside of its own folder[\s\S]*etc\/passwd/ },
  float16_in_bfloat16_out: { code: "BP_MODEL_UNSUPPORTED", says: /output "OutputA" is a tensor of bfloat16/ },
  image_squeezenet_zipmap: "loads",
  loop_model: "loads",
  map_input_int64: { code: "BP_MODEL_UNSUPPORTED", says: /input "float_input" is of type map\(int64, tensor\(float32\)\)/ },
  map_input_string: { code: "BP_MODEL_UNSUPPORTED", says: /input "X" is of type map\(string, tensor\(float32\)\)/ },
  needs_ort_extensions: { code: "BP_MODEL_UNSUPPORTED", says: /needs onnxruntime-extensions.*StringUpper/ },
  no_inputs: { code: "BP_MODEL_UNSUPPORTED", says: /takes no inputs/ },
  old_2019_foo_no_ir: { code: "BP_MODEL_INVALID", says: /declares no IR version/ },
  optional_io: {
    code: "BP_MODEL_UNSUPPORTED",
    says: /2 of its inputs and outputs[\s\S]*input "y" is of type optional[\s\S]*output "17" is of type optional/,
  },
  ours_empty_file: { code: "BP_MODEL_INVALID", says: /is empty \(0 bytes\)/ },
  ours_git_lfs_pointer: { code: "BP_MODEL_INVALID", says: /git-lfs pointer[\s\S]*git lfs pull/ },
  ours_html_page: { code: "BP_MODEL_INVALID", says: /download returned HTML/ },
  ours_truncated_download: { code: "BP_MODEL_INVALID", says: /ends too early[\s\S]*at least 66498 bytes[\s\S]*33260 bytes/ },
  ours_zip_file: { code: "BP_MODEL_INVALID", says: /is a zip archive/ },
  sequence_input: { code: "BP_MODEL_UNSUPPORTED", says: /input "X" is of type sequence/ },
  sequence_output: { code: "BP_MODEL_UNSUPPORTED", says: /output "output_sequence" is of type sequence\(tensor\(int64\)\)/ },
  sparse_input: { code: "BP_MODEL_UNSUPPORTED", says: /input "sparse_A" is of type sparse_tensor/ },
  winml_bad_names_no_opset: { code: "BP_MODEL_INVALID", says: /no operator set/ },
};

describe.skipIf(!hasMaterial)("models that cannot be served", () => {
  it.each(models("models_bad"))("$name", async ({ name, path }) => {
    const expected = EXPECTED[name];
    if (expected === undefined) throw new Error(`say in this test how ${name} is refused`);
    if (expected === "loads") {
      const session = await openSession(await loadSignature(path), { threads: 1 });
      await session.release();
      return;
    }
    const error = await refusal(path);
    expect(error.code).toBe(expected.code);
    expect(told(error)).toMatch(expected.says);
    expect(told(error)).not.toMatch(/onnxruntime_src|\x1b|::/);
    expect(error.message).toMatch(/^(model\.onnx|input|output) /);
    expect(error.details.hints).not.toEqual([]);
  });

  it("a loop whose results do not follow the rows is refused by its shapes", async () => {
    const { path } = models("models_bad").find(({ name }) => name === "loop_model")!;
    const session = await openSession(await loadSignature(path), { threads: 1 });
    const feeds = {
      MAX_ITERS: { type: "int64" as const, dims: [1], data: new BigInt64Array([3n]) },
      A: { type: "float32" as const, dims: [1], data: new Float32Array([5]) },
    };
    const outputs = await session.run(feeds, ["C", "D"]);
    await session.release();
    expect(outputs.D!.dims).toEqual([3, 1]);
    expect(() => checkRowAlignment(outputs, 1)).toThrow(/output "D" came back with 3 entries for 1 row/);
  });
});

describe("paths and files that are no model", () => {
  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  it("a missing file is not found, with the name that was meant", async () => {
    file("churn.onnx", "x");
    const error = await refusal(join(folder, "chrun.onnx"));
    expect(error.code).toBe("BP_MODEL_NOT_FOUND");
    expect(error.details.hints).toEqual(["did you mean churn.onnx?"]);
  });

  it("a folder is refused, with the models it holds", async () => {
    mkdirSync(join(folder, "export"));
    writeFileSync(join(folder, "export", "a.onnx"), "x");
    const error = await refusal(join(folder, "export"));
    expect(error.code).toBe("BP_MODEL_UNREADABLE");
    expect(told(error)).toMatch(/is a folder[\s\S]*it holds a\.onnx/);
  });

  it.skipIf(process.getuid?.() === 0)("a file without read permission is unreadable", async () => {
    const path = file("secret.onnx", "x");
    chmodSync(path, 0);
    const error = await refusal(path);
    expect(error.code).toBe("BP_MODEL_UNREADABLE");
    expect(error.message).toContain("no permission");
  });

  it.each([
    ["a pickle", new Uint8Array([0x80, 0x04, 0x95, 1, 2, 3]), /Python pickle[\s\S]*skl2onnx/],
    ["HDF5", "\x89HDF\r\n\x1a\n", /HDF5/],
    ["Parquet", "PAR1....PAR1", /Parquet file[\s\S]*--input/],
    ["safetensors", new Uint8Array([16, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0x61]), /safetensors/],
    ["gzip", new Uint8Array([0x1f, 0x8b, 8, 0]), /gzip[\s\S]*gunzip/],
    ["JSON", '{"learner": {}}', /JSON text/],
    ["CSV", "id,amount,country\n1,2.5,CH\n", /is not an ONNX model/],
    ["a page with a byte order mark", "\ufeff\n<!DOCTYPE html><html>", /HTML/],
    ["Model without a graph", new Uint8Array([0x08, 0x08]), /holds no graph/],
  ])("%s is recognised", async (name, content, says) => {
    const bytes = typeof content === "string" && content.startsWith("\x89") ? Buffer.from(content, "latin1") : content;
    const error = await refusal(file(`${name}.onnx`, bytes));
    expect(error.code).toBe("BP_MODEL_INVALID");
    expect(told(error)).toMatch(says);
  });
});
