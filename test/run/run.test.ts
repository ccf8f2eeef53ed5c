/** Whole runs over real files, with real threads, read back by other libraries. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RunEvent, RunSummary } from "../../src/core/events.ts";
import { run } from "../../src/library/library.ts";
import type { RunRequest } from "../../src/library/options.ts";
import { initializer, input, modelBytes, node, output } from "../model/made-model.ts";
import { parquetKeyValues, readParquet } from "../parquet.ts";
import { IRIS, IRIS_FEATURES, LINEAR } from "../predict/real-setup.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "batchpredict-run-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const FLOAT = 1;

function file(name: string, content: string | Uint8Array): string {
  const at = path.join(folder, name);
  writeFileSync(at, content);
  return at;
}

async function summaryOf(options: RunRequest): Promise<{ summary: RunSummary; events: RunEvent[] }> {
  const handle = run({ cwd: folder, output: "out.parquet", ...options });
  const events: RunEvent[] = [];
  for await (const event of handle) events.push(event);
  const last = events.at(-1);
  return { summary: last?.type === "finished" ? last.summary : expect.fail("no finished event"), events };
}

const iris: RunRequest = { model: LINEAR, input: IRIS, features: IRIS_FEATURES, keep: ["id"] };

/** The first `rows` rows of the iris file, with the sepal length of some of them replaced. */
function irisWith(cells: Record<number, string>, rows = 40): string {
  const lines = readFileSync(IRIS, "utf8")
    .trimEnd()
    .split("\n")
    .slice(0, rows + 1);
  for (const [row, cell] of Object.entries(cells))
    lines[Number(row) + 1] = lines[Number(row) + 1]!.replace(/^(\d+),[^,]*/, `$1,${cell}`);
  return file("iris.csv", `${lines.join("\n")}\n`);
}

const ids = async (): Promise<number[]> => (await readParquet(path.join(folder, "out.parquet"))).map((row) => Number(row.id));

describe("a run", () => {
  it("gives the same rows whatever the workers, chunks and batches", async () => {
    const outputs: unknown[] = [];
    for (const options of [
      { workers: 1, chunkBytes: 1 << 20, batchSize: 1000 },
      { workers: 2, chunkBytes: 500, batchSize: 1000 },
    ]) {
      const { summary } = await summaryOf({ ...iris, ...options, output: `out-${options.workers}.parquet` });
      expect(summary).toMatchObject({ status: "succeeded", rows: { read: 1000, predicted: 1000, rejected: 0 } });
      const rows = await readParquet(path.join(folder, `out-${options.workers}.parquet`));
      outputs.push(rows.map((row) => [Number(row.id), Math.fround(Number(row.variable)).toFixed(3)]));
    }
    expect(outputs[1]).toEqual(outputs[0]);
  });

  it("tells its story in order, and leaves it in the output", async () => {
    const { summary, events } = await summaryOf(iris);
    const types = events.map((event) => event.type).filter((type) => type !== "progress" && type !== "notice");
    expect(types).toEqual(["started", "finished"]);
    expect(summary).toMatchObject({
      job: null,
      output: { path: path.join(folder, "out.parquet"), format: "parquet" },
      rejects: null,
      resumed_from_row: null,
      warnings: [],
    });
    expect(summary.run_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    const record = JSON.parse(parquetKeyValues(path.join(folder, "out.parquet")).batchpredict!);
    expect(record).toMatchObject({
      run_id: summary.run_id,
      rows_read: 1000,
      rows_predicted: 1000,
      model_sha256: summary.model.sha256,
    });
  });

  it("that meets a bad row says where, writes nothing and leaves nothing behind", async () => {
    const data = irisWith({ 17: "wide" });
    const { summary } = await summaryOf({ ...iris, input: data, chunkBytes: 300, workers: 2 });
    expect(summary.status).toBe("failed");
    expect(summary.error).toMatchObject({
      code: "BP_SOURCE_CELL",
      where: { file: data, line: 19, row: 17, column: "sepal_length", columnIndex: 2 },
      exitCode: 1,
    });
    expect(readdirSync(folder)).toEqual(["iris.csv"]);
  });

  it("puts bad rows aside and predicts the others", async () => {
    const { summary } = await summaryOf({ ...iris, input: irisWith({ 3: "x", 30: "y" }), onError: "reject", chunkBytes: 300 });
    expect(summary).toMatchObject({ status: "succeeded", rows: { read: 40, predicted: 38, rejected: 2 } });
    expect((await ids()).length).toBe(38);
    const rejects = readFileSync(summary.rejects!.path, "utf8").trimEnd().split("\n");
    expect(rejects).toHaveLength(3);
    expect(rejects[1]).toMatch(/^3,5,\d+,sepal_length,BP_SOURCE_CELL,/);
    expect(rejects[2]).toMatch(/^30,32,/);
  });

  it("over too many bad rows is a failed run with exit code 3", async () => {
    const { summary } = await summaryOf({
      ...iris,
      input: irisWith({ 3: "x", 30: "y" }),
      onError: "reject",
      maxRejects: { percent: 1 },
    });
    expect(summary).toMatchObject({ status: "failed", output: null, error: { code: "BP_TOO_MANY_REJECTS", exitCode: 3 } });
    expect(existsSync(path.join(folder, "out.parquet"))).toBe(false);
  });

  it("of a dry kind checks everything and writes nothing", async () => {
    const { summary } = await summaryOf({ ...iris, dryRun: true });
    expect(summary).toMatchObject({ status: "succeeded", output: null, rows: { read: 0 } });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("a part of the input", () => {
  const wanted = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at + 1);

  it.each([1 << 20, 300])("is predicted whole although a bad row stands before it (chunks of %d bytes)", async (chunkBytes) => {
    const { summary } = await summaryOf({ ...iris, input: irisWith({ 2: "bad" }), whereRows: { start: 5, end: 30 }, chunkBytes });
    expect(summary.error).toBeUndefined();
    expect(summary.rows).toEqual({ read: 25, predicted: 25, rejected: 0 });
    expect(await ids()).toEqual(wanted(5, 30));
  });

  it("fails for a bad row of its own, named by its place in the whole", async () => {
    const { summary } = await summaryOf({
      ...iris,
      input: irisWith({ 2: "bad", 20: "worse", 25: "worst" }),
      whereRows: { start: 5, end: 30 },
    });
    expect(summary.error).toMatchObject({ code: "BP_SOURCE_CELL", where: { row: 20, line: 22 } });
  });

  it("ends before a bad row behind it", async () => {
    const { summary } = await summaryOf({ ...iris, input: irisWith({ 20: "bad" }), limit: 20 });
    expect(summary.error).toBeUndefined();
    expect(await ids()).toEqual(wanted(0, 20));
  });

  it("by shards is the whole when put together, and rows keep their numbers over bad rows of other shards", async () => {
    const data = irisWith({ 1: "bad" });
    const rows: number[] = [];
    const codes: (string | undefined)[] = [];
    for (const index of [1, 2, 3]) {
      const { summary } = await summaryOf({
        ...iris,
        input: data,
        keep: [],
        output: `shard-${index}.parquet`,
        shard: { index, count: 3 },
        chunkBytes: 300,
      });
      codes.push(summary.error?.code);
      if (summary.error) continue;
      rows.push(...(await readParquet(path.join(folder, `shard-${index}.parquet`))).map((row) => Number(row.row)));
    }
    // Only the shard that holds the bad row fails.
    expect(codes).toEqual(["BP_SOURCE_CELL", undefined, undefined]);
    expect(new Set(rows).size).toBe(rows.length);
    expect(Math.max(...rows)).toBeLessThan(40);
    const { summary } = await summaryOf({
      ...iris,
      input: data,
      onError: "reject",
      keep: [],
      shard: { index: 1, count: 3 },
      chunkBytes: 300,
    });
    expect(summary.rows.rejected).toBe(1);
    rows.push(...(await readParquet(path.join(folder, "out.parquet"))).map((row) => Number(row.row)));
    expect(rows.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, row) => row).filter((row) => row !== 1));
  });

  it("that holds no chunk is an empty output with all columns", async () => {
    const { summary } = await summaryOf({ ...iris, input: irisWith({}), shard: { index: 2, count: 2 }, chunkBytes: 1 << 20 });
    expect(summary.error).toBeUndefined();
    expect(summary.rows).toEqual({ read: 0, predicted: 0, rejected: 0 });
    expect(await readParquet(path.join(folder, "out.parquet"))).toEqual([]);
  });
});

describe("a model with an output that does not follow the rows", () => {
  /** y = x + w per row; total = the sum of x over all rows. */
  const model = (): string =>
    file(
      "model.onnx",
      modelBytes({
        graph: [
          initializer("w", [1]),
          node("Add", ["x", "w"], ["y"]),
          node("ReduceSum", ["x"], ["total"]),
          input("x", FLOAT, ["n", 1]),
          output("y", FLOAT, ["n", 1]),
          output("total", FLOAT, [1, 1]),
        ],
      }),
    );
  const data = (): string => file("x.csv", "x\n1\n2\n3\n4\n");

  it("is refused with the advice to leave it out", async () => {
    const { summary } = await summaryOf({ model: model(), input: data() });
    expect(summary.error).toMatchObject({ code: "BP_MODEL_ROWS", exitCode: 2 });
    expect(summary.error!.message).toContain('"total"');
    expect(summary.error!.hints?.[0]).toContain("--outputs");
  });

  it("is served when that advice is followed", async () => {
    const { summary } = await summaryOf({ model: model(), input: data(), outputs: ["y"] });
    expect(summary.error).toBeUndefined();
    const rows = await readParquet(path.join(folder, "out.parquet"));
    expect(rows.map((row) => row.y)).toEqual([2, 3, 4, 5]);
  });
});
