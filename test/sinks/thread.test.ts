import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { Worker } from "node:worker_threads";
import { Float32, Int64 } from "apache-arrow";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import { startSinkThread } from "../../src/sinks/sink-thread.ts";
import { childScript } from "../child-script.ts";
import { batchOf, type Column, makeFolder, optionsFor, recordOf } from "../conformance/sink-batches.ts";
import { readTable } from "../conformance/sink-readers.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = makeFolder();
  file = path.join(folder, "out.db");
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const columns: Column[] = [
  { name: "id", type: new Int64(), values: [1n, 2n] },
  { name: "score", type: new Float32(), values: [0.5, 1.5] },
];

async function failure(promise: Promise<unknown>): Promise<BatchPredictError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BatchPredictError);
  return error as BatchPredictError;
}

describe("a sink on its own thread", () => {
  it("takes batches by transfer and publishes at finish", async () => {
    const handle = await startSinkThread(optionsFor(file, "sqlite"));
    const batch = batchOf(columns);
    const written = handle.write(batch);
    expect(batch.columns.columns.map(({ values }) => values!.byteLength)).toEqual(batch.columns.columns.map(() => 0));
    await Promise.all([written, handle.write(batchOf(columns))]);
    expect(fs.existsSync(file)).toBe(false);
    const result = await handle.finish(recordOf("r", 4));
    expect(result).toMatchObject({ path: file, rows: 4 });
    expect(readTable(file, "predictions")).toHaveLength(4);
    await handle.abort();
    await handle.close();
    expect(readTable(file, "predictions")).toHaveLength(4);
  });

  it("fails to start with the sink's own error and leaves nothing", async () => {
    fs.mkdirSync(file);
    const error = await failure(startSinkThread(optionsFor(file, "sqlite")));
    expect(error.code).toBe("BP_OUTPUT_PATH");
    expect(error.details.where).toEqual({ file });
    expect(fs.readdirSync(folder)).toEqual(["out.db"]);
  });

  it("answers a bad write and every one after it with the same error, and aborts clean", async () => {
    const handle = await startSinkThread(optionsFor(file, "csv"));
    await handle.write(batchOf(columns));
    const lying = { ...batchOf(columns), rows: 7 };
    const results = [handle.write(lying), handle.write(batchOf(columns))].map(failure);
    const [first, second] = await Promise.all(results);
    expect(first!.code).toBe("BP_INTERNAL");
    expect(second!.message).toBe(first!.message);
    expect((await failure(handle.finish(recordOf("r", 2)))).message).toBe(first!.message);
    await handle.abort();
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("can be aborted after a failed finish", async () => {
    const handle = await startSinkThread(optionsFor(file, "csv"));
    expect((await failure(handle.finish(recordOf("r", 0)))).code).toBe("BP_INTERNAL");
    await handle.close();
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("turns an uncaught error of the thread into a coded one for all who wait", async () => {
    const handle = await startSinkThread(optionsFor(file, "csv"));
    (handle as unknown as { worker: Worker }).worker.postMessage(null);
    const waiting = failure(handle.write(batchOf(columns)));
    expect((await waiting).code).toBe("BP_INTERNAL");
    expect((await waiting).message).toContain("the thread that writes the output failed");
    expect((await failure(handle.write(batchOf(columns)))).message).toBe((await waiting).message);
    await handle.abort();
  });

  const SINK_THREAD = `export { startSinkThread } from ${JSON.stringify(path.resolve("src/sinks/sink-thread.ts"))};`;

  it("lets the process end after abort and after a failed start, whatever flags it runs under", () => {
    const script = `
      import { startSinkThread } from ${JSON.stringify(childScript("sink-thread", SINK_THREAD))};
      const options = ${JSON.stringify(optionsFor(path.join(folder, "a.csv"), "csv"))};
      await (await startSinkThread(options)).abort();
      await (await startSinkThread({ ...options, path: ${JSON.stringify(folder)} }).catch((error) => ({ close() { process.stdout.write(error.code); } }))).close();
    `;
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      timeout: 30_000,
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "BP_OUTPUT_PATH", stderr: "" });
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});
