/** The public functions as a program uses them. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BatchPredictError, inspect, plan, type RunEvent, type RunRequest, run } from "../../src/index.ts";
import { readParquet } from "../parquet.ts";
import { IRIS, IRIS_FEATURES, LINEAR } from "../predict/real-setup.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "batchpredict-library-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const iris = (more: RunRequest = {}): RunRequest => ({
  model: LINEAR,
  input: IRIS,
  output: "out.parquet",
  features: IRIS_FEATURES,
  cwd: folder,
  ...more,
});

const failure = (promise: PromiseLike<unknown>): Promise<BatchPredictError> =>
  Promise.resolve(promise).then(
    () => expect.fail("nothing was thrown"),
    (error: unknown) => {
      expect(error).toBeInstanceOf(BatchPredictError);
      return error as BatchPredictError;
    },
  );

describe("run", () => {
  it("awaited gives the summary, with paths relative to cwd", async () => {
    const summary = await run(iris({ keep: ["id"], outputs: { variable: "score, scaled" } }));
    expect(summary).toMatchObject({ status: "succeeded", rows: { read: 1000, predicted: 1000, rejected: 0 } });
    expect(summary.output?.path).toBe(path.join(folder, "out.parquet"));
    const [first] = await readParquet(path.join(folder, "out.parquet"));
    expect(Object.keys(first!)).toEqual(["id", "score, scaled"]);
  });

  it("iterated gives the events, then ends", async () => {
    const types: string[] = [];
    for await (const event of run(iris())) types.push(event.type);
    expect(types[0]).toBe("started");
    expect(types.at(-1)).toBe("finished");
  });

  it("throws at once for options that contradict each other", () => {
    expect(() => run(iris({ ifExists: "upsert" }))).toThrow(BatchPredictError);
    expect(() => run({ cwd: folder })).toThrow(/--model, --input and --output are missing/);
  });

  it("rejects later with what went wrong, coded as the command line prints it", async () => {
    expect((await failure(run(iris({ model: "absent.onnx" })))).code).toBe("BP_MODEL_NOT_FOUND");
    const binding = await failure(run(iris({ features: ["sepal_length", "sepal_widht"] })));
    expect(binding.code).toBe("BP_BINDING");
    expect(binding.details.hints).toEqual(['did you mean "sepal_width"?']);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("refuses an output that exists", async () => {
    await run(iris());
    expect(await failure(run(iris()))).toMatchObject({ code: "BP_OUTPUT_EXISTS", details: { exitCode: 2 } });
    expect((await run(iris({ ifExists: "replace" }))).status).toBe("succeeded");
  });

  it("stopped before it began writes nothing", async () => {
    const error = await failure(run(iris({ signal: AbortSignal.abort() })));
    expect(error.code).toBe("BP_INTERRUPTED");
    expect(readdirSync(folder)).toEqual([]);
  });

  it("stopped on its way ends as cancelled, with nothing under the final name, and can be gone on with", async () => {
    const controller = new AbortController();
    const handle = run(iris({ chunkBytes: 200, batchSize: 1, workers: 1, signal: controller.signal }));
    const events: RunEvent[] = [];
    for await (const event of handle) {
      events.push(event);
      if (event.type === "started") controller.abort();
    }
    const last = events.at(-1);
    expect(last).toMatchObject({ type: "finished", summary: { status: "cancelled", output: null } });
    expect((await failure(handle)).code).toBe("BP_INTERRUPTED");
    expect(existsSync(path.join(folder, "out.parquet"))).toBe(false);
    const again = await run(iris({ chunkBytes: 200, batchSize: 1, workers: 1 }));
    expect(again.rows).toEqual({ read: 1000, predicted: 1000, rejected: 0 });
    expect(readdirSync(folder)).toEqual(["out.parquet"]);
  });
});

describe("plan", () => {
  it("tells what a run would do, and writes nothing", async () => {
    const report = await plan(iris({ batchSize: 100 }));
    expect(report.inputs).toMatchObject([{ name: "features", type: "float32", columns: IRIS_FEATURES, origin: "--features" }]);
    expect(report.outputs).toMatchObject([{ name: "variable", columns: ["variable"] }]);
    expect(report.keep.map((column) => column.name)).toEqual(["id", "species"]);
    expect(report).toMatchObject({ batch_size: 100, workers: 1, output: { format: "parquet", if_exists: "fail" } });
    expect(report.origin.batchSize).toBe("flag --batch-size");
    expect(readdirSync(folder)).toEqual([]);
  });

  it("needs no output", async () => {
    const { output: _output, ...options } = iris();
    expect((await plan(options)).output.path).toBe("");
  });
});

describe("inspect", () => {
  it("tells what a model takes and gives", async () => {
    expect(await inspect(LINEAR)).toMatchObject({
      kind: "model",
      inputs: [{ name: "features", type: "float32", shape: [null, 4], optional: false }],
      outputs: [{ name: "variable", type: "float32" }],
    });
  });

  it("tells what a dataset holds", async () => {
    const report = await inspect(path.basename(IRIS), { cwd: path.dirname(IRIS) });
    expect(report).toMatchObject({ kind: "data", format: "csv" });
    expect(report.kind === "data" && report.columns.map((column) => column.name)).toEqual(["id", ...IRIS_FEATURES, "species"]);
  });
});
