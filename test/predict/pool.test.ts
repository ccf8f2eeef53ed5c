/** Real worker threads, from dist as they ship. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import { PredictPool } from "../../src/predict/pool.ts";
import type { WorkerSetup } from "../../src/predict/protocol.ts";
import { childScript } from "../child-script.ts";
import { ROOT } from "../corpora.ts";
import { tableOf } from "../wire.ts";
import { IRIS, IRIS_FEATURES, LINEAR, type RealSetup, realSetup } from "./real-setup.ts";

let folder: string;
const pools: PredictPool[] = [];
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "batchpredict-pool-"));
});
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.stop();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function poolOf(setup: WorkerSetup): PredictPool {
  const pool = new PredictPool(setup);
  pools.push(pool);
  return pool;
}

const features = { bind: { features: IRIS_FEATURES } };

async function begun(workers: number, real: RealSetup): Promise<PredictPool> {
  const pool = poolOf(real.setup);
  await pool.grow(1);
  const probe = await pool.probe(real.chunks[0]!, null, ["variable"]);
  await pool.grow(workers);
  pool.begin({ outputs: real.outputs(probe), batchSize: 64, fixedBatch: null });
  return pool;
}

const failure = (promise: Promise<unknown>): Promise<BatchPredictError> =>
  promise.then(
    () => expect.fail("nothing was thrown"),
    (error: unknown) => {
      expect(error).toBeInstanceOf(BatchPredictError);
      return error as BatchPredictError;
    },
  );

const threads = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === "MessagePort" || name === "Worker").length;

describe("the pool", () => {
  it("gives every chunk its own result, however many workers share them and whoever is first", async () => {
    const real = await realSetup(LINEAR, IRIS, features, 2000);
    expect(real.chunks.length).toBeGreaterThan(10);
    const pool = await begun(2, real);
    const results = await Promise.all(real.chunks.map((chunk) => pool.predict(chunk)));
    expect(results.map((result) => result.index)).toEqual(real.chunks.map((_, at) => at));
    const ids = results.flatMap(({ columns }) => [...tableOf(columns).getChild("id")!].map(Number));
    expect(ids).toEqual(Array.from({ length: 1000 }, (_, row) => row + 1));
  });

  it("counts and predicts side by side", async () => {
    const real = await realSetup(LINEAR, IRIS, features, 4000);
    const pool = await begun(2, real);
    const rows = await Promise.all(
      real.chunks.map(async (chunk, at) =>
        at % 2 === 0 ? (await pool.predict(chunk)).rowsRead : (await pool.count(chunk)).rows,
      ),
    );
    expect(rows.reduce((sum, one) => sum + one, 0)).toBe(1000);
  });

  it("transfers the bytes of a chunk that carries them, but for the probe, which comes before the run", async () => {
    const real = await realSetup(LINEAR, IRIS, features);
    const [chunk] = real.chunks;
    if (chunk?.kind !== "bytes") return expect.fail("not a chunk of bytes");
    const inline = new Uint8Array(readFileSync(IRIS).subarray(chunk.byteStart, chunk.byteEnd));
    const pool = await begun(1, { ...real, chunks: [{ ...chunk, inline }] });
    expect(inline.byteLength).toBe(chunk.byteEnd - chunk.byteStart);
    expect((await pool.predict({ ...chunk, inline })).rows).toBe(1000);
    expect(inline.byteLength).toBe(0);
  });

  it("hands errors of the set-up to the caller with code and place, and still stops", async () => {
    const { setup } = await realSetup(LINEAR, IRIS, features);
    const pool = poolOf({ ...setup, modelSha256: "0".repeat(64) });
    const error = await failure(pool.grow(2));
    expect(error.code).toBe("BP_MODEL_CHANGED");
    expect(error.details.where).toEqual({ file: LINEAR });
    await pool.stop();
    const absent = poolOf({ ...setup, modelPath: path.join(folder, "absent.onnx") });
    expect((await failure(absent.grow(1))).code).toBe("BP_MODEL_NOT_FOUND");
  });

  it("hands errors of one chunk to that chunk only", async () => {
    const real = await realSetup(LINEAR, IRIS, features, 20_000);
    const pool = await begun(1, real);
    const beyond = { ...real.chunks[0]!, index: 99, byteStart: 10_000_000, byteEnd: 10_000_100 };
    const [bad, good] = await Promise.allSettled([pool.predict(beyond as never), pool.predict(real.chunks[0]!)]);
    expect(bad).toMatchObject({ status: "rejected", reason: { code: "BP_INPUT_CHANGED" } });
    expect(good).toMatchObject({ status: "fulfilled" });
  });

  it("stops after the chunks at hand, leaves no thread, and may be stopped twice", async () => {
    const before = threads();
    const real = await realSetup(LINEAR, IRIS, features, 5000);
    const pool = await begun(2, real);
    expect(threads()).toBeGreaterThan(before);
    const results = real.chunks.map((chunk) => pool.predict(chunk));
    await pool.stop();
    for (const result of results) expect((await result).rows).toBeGreaterThan(0);
    expect(threads()).toBe(before);
    await pool.stop();
  });
});

/** What the package itself does not give out. */
const POOL = `export { PredictPool } from ${JSON.stringify(path.join(ROOT, "src/predict/pool.ts"))};`;

it("works from a process whose own flags would keep a thread from starting", async () => {
  const real = await realSetup(LINEAR, IRIS, features);
  const script = path.join(folder, "setup.json");
  writeFileSync(script, JSON.stringify(real.setup));
  const program = `
    import { readFileSync } from "node:fs";
    import { PredictPool } from ${JSON.stringify(childScript("pool", POOL))};
    const pool = new PredictPool(JSON.parse(readFileSync(${JSON.stringify(script)}, "utf8")));
    await pool.grow(1);
    await pool.stop();
    console.log("stopped");
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { cwd: ROOT });
  expect(stdout).toBe("stopped\n");
});
