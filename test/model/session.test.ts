import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { explainLoadError } from "../../src/model/load-errors.ts";
import { loadSignature } from "../../src/model/load-signature.ts";
import { cleanRuntimeText, failedNode } from "../../src/model/runtime-text.ts";
import {
  describeProviders,
  openSession,
  type PredictSession,
  runtimeVersion,
  type SessionTensor,
} from "../../src/model/session.ts";
import { hasMaterial, model, usePrivateLocale } from "./material.ts";
import { readTable } from "./rows-of-csv.ts";

usePrivateLocale();

async function withSession<T>(name: string, use: (session: PredictSession) => Promise<T>): Promise<T> {
  const session = await openSession(await loadSignature(model(name).path), { threads: 1 });
  try {
    return await use(session);
  } finally {
    await session.release();
  }
}

const floats = (dims: number[], fill = 0): SessionTensor => ({
  type: "float32",
  dims,
  data: new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(fill),
});

describe.skipIf(!hasMaterial)("feeds are checked in our own words", () => {
  const wrong: [string, Record<string, SessionTensor>, string, object][] = [
    ["a missing input", {}, 'model input "X" is not fed', {}],
    ["a name the model has not", { X: floats([2, 3]), x: floats([2, 3]) }, 'the model has no input "x"', { expected: "X" }],
    [
      "another type",
      { X: { type: "float64", dims: [2, 3], data: new Float64Array(6) } },
      "does not fit",
      { expected: "float32 [?, 3]", actual: "float64 [2, 3]" },
    ],
    ["another width", { X: floats([2, 4]) }, "does not fit", { actual: "float32 [2, 4]" }],
    ["another rank", { X: floats([3]) }, "does not fit", { actual: "float32 [3]" }],
    [
      "too few elements",
      { X: { type: "float32", dims: [2, 3], data: new Float32Array(5) } },
      "wrong number of elements",
      { actual: "5" },
    ],
  ];
  it.each(wrong)("%s", async (_what, feeds, message, details) => {
    await withSession("scaler_only", async (session) => {
      await expect(session.run(feeds, ["variable"])).rejects.toMatchObject({
        code: "BP_BINDING",
        message: expect.stringContaining(message),
        details,
      });
    });
  });

  it("an output the model has not", async () => {
    await withSession("scaler_only", async (session) => {
      await expect(session.run({ X: floats([1, 3]) }, ["y"])).rejects.toMatchObject({
        code: "BP_BINDING",
        details: { expected: "variable" },
      });
    });
  });

  it("a NUL in a text, which the runtime would cut it at, with its row", async () => {
    await withSession("identity_string_2x2", async (session) => {
      const feeds = (data: string[]): Record<string, SessionTensor> => ({ "input:0": { type: "string", dims: [2, 2], data } });
      expect((await session.run(feeds(["a", "", "é", "😀"]), ["output:0"]))["output:0"]!.data).toEqual(["a", "", "é", "😀"]);
      await expect(session.run(feeds(["a", "b", "c", "d\0e"]), ["output:0"])).rejects.toMatchObject({
        code: "BP_INFERENCE",
        details: { where: { row: 1 } },
      });
    });
  });
});

describe.skipIf(!hasMaterial)("running", () => {
  it("takes zero rows and views into larger buffers", async () => {
    await withSession("scaler_only", async (session) => {
      expect((await session.run({ X: floats([0, 3]) }, ["variable"])).variable!.dims).toEqual([0, 3]);
      const whole = new Float32Array([9, 9, 9, 1, 2, 3]);
      const of = async (data: Float32Array): Promise<unknown> =>
        (await session.run({ X: { type: "float32", dims: [1, 3], data } }, ["variable"])).variable!.data;
      expect(await of(whole.subarray(3))).toEqual(await of(new Float32Array([1, 2, 3])));
    });
  });

  it("float16 goes in and comes out as bits in a Uint16Array", async () => {
    const bits = new Uint16Array([0x3c00, 0xc000, 0x7bff, 0x0001, 0x7e00]);
    await withSession("fp16_in_fp32_out", async (session) => {
      const { output } = await session.run({ input: { type: "float16", dims: [1, 5], data: bits } }, ["output"]);
      expect([...(output!.data as Float32Array)]).toEqual([1, -2, 65504, 2 ** -24, Number.NaN]);
    });
    await withSession("fp32_in_fp16_out", async (session) => {
      const { output } = await session.run(
        { input: { type: "float32", dims: [1, 5], data: new Float32Array([1, -2, 65504, 2 ** -24, 0]) } },
        ["output"],
      );
      expect(output).toEqual({ type: "float16", dims: [1, 5], data: new Uint16Array([0x3c00, 0xc000, 0x7bff, 1, 0]) });
    });
  });

  it("a row that kills its batch is an inference error that names the node, and the session lives on", async () => {
    const { folder } = model("text_newsgroups_2cols_zipmap");
    const { poison_rows_0based: poison } = JSON.parse(readFileSync(`${folder}/poison.json`, "utf8")) as {
      poison_rows_0based: number[];
    };
    const table = readTable(`${folder}/input_poison.csv`);
    const feed = (rows: number[]): Record<string, SessionTensor> => ({
      input: { type: "string", dims: [rows.length, 2], data: rows.flatMap((row) => table.rows[row]!) },
    });
    await withSession("text_newsgroups_2cols_zipmap", async (session) => {
      const failed = session.run(feed([40, poison[0]!, 43]), ["output_probability"]);
      await expect(failed).rejects.toMatchObject({
        code: "BP_INFERENCE",
        message: expect.stringMatching(/failed on these rows in node ".+" \(Concat\)/),
      });
      await expect(failed).rejects.toMatchObject({ details: { actual: expect.not.stringMatching(/onnxruntime_src|\x1b|\n/) } });
      expect((await session.run(feed([40, 43]), ["output_probability"])).output_probability!.dims).toEqual([2, 2]);
    });
  });
});

describe("what the runtime says", () => {
  it("is cleaned of build paths, signatures and colours", () => {
    const raw =
      "\x1b[1;31mLoad model from model.onnx failed:/onnxruntime_src/onnxruntime/core/graph/model.cc:197 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&, const onnxruntime::logging::Logger&) Missing model IR version.\n\x1b[m";
    expect(cleanRuntimeText(new Error(raw))).toBe("Load model from model.onnx failed:Missing model IR version.");
  });

  it("yields the node that failed", () => {
    expect(failedNode("Non-zero status code returned while running Concat node. Name:'Co1' Status Message: x")).toBe(
      'node "Co1" (Concat)',
    );
    expect(failedNode("something else")).toBeNull();
  });

  it("about a missing locale becomes a hint how to get one", () => {
    const raw =
      "Exception during initialization: /x/string_normalizer.cc:235 onnxruntime::StringNormalizer::Locale::Locale(const std::string&)::<lambda()> Failed to construct locale with name:en_US.UTF-8:locale::facet::_S_create_c_locale name not valid";
    const error = explainLoadError("/models/text.onnx", new Error(raw));
    expect(error.code).toBe("BP_MODEL_UNSUPPORTED");
    expect(error.message).toBe("text.onnx normalises text and needs a system locale that is not installed");
    expect(error.details.hints?.join("\n")).toMatch(/en_US\.UTF-8[\s\S]*LOCPATH/);
  });
});

describe("the runtime itself", () => {
  it("tells its version without being loaded, and its providers", async () => {
    expect(runtimeVersion()).toMatch(/^\d+\.\d+\.\d+$/);
    expect(await describeProviders()).toContainEqual({ name: "cpu", bundled: true });
  });

  it("is not loaded by reading signatures", () => {
    const importer = new URL("../../src/model/load-signature.ts", import.meta.url);
    const chain = [
      importer,
      ...["read-model-file", "refuse", "rewrite-zipmap", "ort-format", "model-proto"].map(
        (name) => new URL(`${name}.ts`, importer),
      ),
    ];
    for (const file of chain)
      expect(readFileSync(file, "utf8")).not.toMatch(/from "onnxruntime-node"|import\("onnxruntime-node"\)/);
  });
});
