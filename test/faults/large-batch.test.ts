/** A pipe of Arrow record batches under a memory limit: its writer decides how large they are, so they are counted, or refused with their size. */
import { Field, Float64, makeData, RecordBatch, RecordBatchStreamWriter, Schema, Struct } from "apache-arrow";
import { afterAll, beforeAll, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { run } from "../cli/iris.ts";

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
});
afterAll(() => dir.remove());

const NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"];

function streamOf(...sizes: number[]): Uint8Array {
  const fields = NAMES.map((name) => new Field(name, new Float64(), true));
  const schema = new Schema(fields);
  const writer = new RecordBatchStreamWriter();
  for (const length of sizes) {
    const children = fields.map(() =>
      makeData({ type: new Float64(), length, nullCount: 0, data: new Float64Array(length).fill(1) }),
    );
    writer.write(new RecordBatch(schema, makeData({ type: new Struct(fields), length, nullCount: 0, children })));
  }
  writer.finish();
  return writer.toUint8Array(true);
}

const score = (stdin: Uint8Array, ...more: string[]) =>
  batchpredict([...run("-", "out.csv", "--input-format", "arrow", "--if-exists", "replace", "--json"), ...more], {
    cwd: dir.path,
    stdin,
  });

const LIMIT = ["--memory-limit", "350MB"];

it("the first batch counts before the run, a later one when it comes; without a limit both are served", async () => {
  const first = await score(streamOf(1_000_000), ...LIMIT, "--fresh");
  expect(first.code, first.stderr).toBe(2);
  const { error } = first.json<{ error: { code: string; hints: string[] } }>();
  expect(error.code).toBe("BP_MEMORY_LIMIT");
  expect(error.hints.join("\n")).toMatch(/a record batch of the stream \(\d+ MB\) must be in memory at once/);

  const later = await score(streamOf(1000, 1_000_000), ...LIMIT, "--fresh");
  expect(later.code, later.stderr).toBe(1);
  expect(later.json()).toMatchObject({
    error: {
      code: "BP_MEMORY_LIMIT",
      message: "record batch 1 of the stream is too large for the memory limit",
      actual: "33 MB",
    },
  });

  const free = await score(streamOf(1000, 1_000_000), "--fresh");
  expect(free.json()).toMatchObject({ status: "succeeded", rows: { predicted: 1_001_000 } });
  const small = await score(streamOf(1000, 2000, 1000), ...LIMIT, "--fresh");
  expect(small.json()).toMatchObject({ status: "succeeded", rows: { predicted: 4000 } });
}, 60_000);
