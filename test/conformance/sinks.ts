/** What every sink owes its users, whatever the format. One call per format, see sinks.test.ts. */
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { Bool, Float32, Int64, Utf8 } from "apache-arrow";
import { describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { SinkFormat, SinkOptions } from "../../src/core/sink.ts";
import { checkOutput, openSink } from "../../src/sinks/registry.ts";
import { childScript } from "../child-script.ts";
import { batchOf, type Column, inFolder, optionsFor, recordOf, rejectOf } from "./sink-batches.ts";
import { type Kind, readBack, readTable } from "./sink-readers.ts";

const CHILD = childScript("sink-child", `import ${JSON.stringify(path.resolve(import.meta.dirname, "sink-child.mjs"))};`);
const KINDS: Record<string, Kind> = { id: "int64", row: "int64", score: "float32", ok: "bool", name: "utf8" };

function simple(from: number, rows: number): Column[] {
  return [
    { name: "id", type: new Int64(), values: Array.from({ length: rows }, (_, i) => BigInt(from + i)) },
    { name: "score", type: new Float32(), values: Array.from({ length: rows }, (_, i) => (from + i) / 8) },
  ];
}

function simpleRows(from: number, rows: number): Record<string, string | null>[] {
  return Array.from({ length: rows }, (_, i) => ({ id: String(from + i), score: String((from + i) / 8) }));
}

/** The whole life of a sink over some batches. */
async function writeAll(
  options: SinkOptions,
  batches: ReturnType<typeof batchOf>[],
): Promise<ReturnType<Awaited<ReturnType<typeof openSink>>["finish"]>> {
  const sink = await openSink(options);
  sink.open();
  try {
    for (const batch of batches) sink.write(batch);
    const rows = batches.reduce((sum, { rowStart, rowEnd }) => sum + rowEnd - rowStart, 0);
    return sink.finish(recordOf(options.runId, rows));
  } catch (error) {
    sink.abort();
    throw error;
  }
}

async function errorOf(action: () => Promise<unknown>): Promise<BatchPredictError> {
  try {
    await action();
  } catch (error) {
    expect(error).toBeInstanceOf(BatchPredictError);
    return error as BatchPredictError;
  }
  throw new BatchPredictError("BP_INTERNAL", "an error was expected");
}

export interface SinkTraits {
  format: SinkFormat;
  extension: string;
  /** SQLite has no NaN. */
  keepsNaN: boolean;
}

export function sinkConformance({ format, extension, keepsNaN }: SinkTraits): void {
  const inFormat = (use: (file: string, folder: string) => Promise<void>): (() => Promise<void>) => {
    return () => inFolder((folder) => use(path.join(folder, `out${extension}`), folder));
  };

  describe(`${format} sink`, () => {
    it(
      "gives back what was written, in order, with nothing else in the folder",
      inFormat(async (file, folder) => {
        const result = await writeAll(optionsFor(file, format, { commitRows: 100 }), [
          batchOf(simple(0, 257)),
          batchOf(simple(257, 1)),
          batchOf(simple(258, 99)),
        ]);
        expect(await readBack(file, format, KINDS)).toEqual(simpleRows(0, 357));
        expect(result).toEqual({ path: file, rows: 357, bytes: fs.statSync(file).size, rejectsPath: null });
        expect(fs.readdirSync(folder)).toEqual([path.basename(file)]);
      }),
    );

    it(
      "keeps int64 limits, float32 bits, booleans, odd texts and nulls",
      inFormat(async (file) => {
        const ids = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 32n, -1n, null];
        const scores = [0.1, 16777216, 1e-45, 3.4028234663852886e38, Number.NEGATIVE_INFINITY, Number.NaN, null];
        const oks = [true, false, true, true, false, null, true];
        const names = ['say "hi", now', "two\nlines\r\n", "", "\u{1F600} žluťoučký", " padded ", null, "nul\0inside"];
        await writeAll(optionsFor(file, format), [
          batchOf([
            { name: "id", type: new Int64(), values: ids },
            { name: "score", type: new Float32(), values: scores },
            { name: "ok", type: new Bool(), values: oks },
            { name: "name", type: new Utf8(), values: names },
          ]),
        ]);
        expect(await readBack(file, format, KINDS)).toEqual(
          ids.map((id, at) => ({
            id: id === null ? null : String(id),
            score: floatOrNull(scores[at]!, keepsNaN),
            ok: oks[at] === null ? null : String(oks[at]),
            name: names[at],
          })),
        );
      }),
    );

    it(
      "takes column names as they are",
      inFormat(async (file) => {
        const names = ['a "quoted" name', "semi;colon -- drop table", "select", "höhe", "a,b", " x ", "two\nlines"];
        await writeAll(optionsFor(file, format), [batchOf(names.map((name) => ({ name, type: new Int64(), values: [7n] })))]);
        const [row] = await readBack(file, format, {});
        expect(Object.keys(row!)).toEqual(names);
        expect(Object.values(row!)).toEqual(names.map(() => "7"));
      }),
    );

    it(
      "writes an output of no rows that can be read",
      inFormat(async (file) => {
        const result = await writeAll(optionsFor(file, format), [batchOf(simple(0, 0))]);
        expect(result.rows).toBe(0);
        expect(await readBack(file, format, KINDS)).toEqual([]);
      }),
    );

    it(
      "cuts a batch by rowStart and rowEnd and adds the row base beyond 32 bits",
      inFormat(async (file) => {
        const rows = { name: "row", type: new Int64(), values: [0n, 1n, 2n, 3n, 4n] };
        const flags = { name: "ok", type: new Bool(), values: [true, null, false, true, null] };
        const base = 2 ** 33 + 4_000_000_000;
        await writeAll(optionsFor(file, format), [
          batchOf([rows, flags], { rowStart: 1, rowEnd: 4, rowBase: base, rowColumn: "row" }),
        ]);
        expect(await readBack(file, format, KINDS)).toEqual([
          { row: String(base + 1), ok: null },
          { row: String(base + 2), ok: "false" },
          { row: String(base + 3), ok: "true" },
        ]);
      }),
    );

    it(
      "leaves nothing behind after abort, before and after rows, and makes missing folders only for good",
      inFormat(async (file, folder) => {
        for (const batches of [[], [batchOf(simple(0, 5000))]]) {
          const target = path.join(folder, "new", "deeper", path.basename(file));
          const sink = await openSink(optionsFor(target, format, { commitRows: 100, rejects: { path: null } }));
          sink.open();
          for (const batch of batches) sink.write(batch);
          sink.abort();
          sink.abort();
          expect(fs.readdirSync(folder)).toEqual([]);
        }
        const target = path.join(folder, "new", "deeper", path.basename(file));
        await writeAll(optionsFor(target, format), [batchOf(simple(0, 1))]);
        expect(await readBack(target, format, KINDS)).toEqual(simpleRows(0, 1));
      }),
    );

    it(
      "refuses an existing output under fail, before the first row, and leaves it alone",
      inFormat(async (file) => {
        await writeAll(optionsFor(file, format), [batchOf(simple(0, 3))]);
        const before = fs.readFileSync(file);
        const checked = await errorOf(() => checkOutput(optionsFor(file, format)));
        expect(checked.code).toBe("BP_OUTPUT_EXISTS");
        expect(checked.details.exitCode).toBe(2);
        expect(checked.details.hints!.join()).toContain("--if-exists replace");
        expect((await errorOf(() => writeAll(optionsFor(file, format), [batchOf(simple(9, 3))]))).code).toBe("BP_OUTPUT_EXISTS");
        expect(fs.readFileSync(file).equals(before)).toBe(true);
      }),
    );

    it(
      "replaces only at finish",
      inFormat(async (file, folder) => {
        await writeAll(optionsFor(file, format), [batchOf(simple(0, 3))]);
        const options = optionsFor(file, format, { ifExists: "replace", runId: "second", commitRows: 10 });
        await checkOutput(options);
        const sink = await openSink(options);
        sink.open();
        sink.write(batchOf(simple(100, 50)));
        expect(await readBack(file, format, KINDS)).toEqual(simpleRows(0, 3));
        sink.finish(recordOf("second", 50));
        expect(await readBack(file, format, KINDS)).toEqual(simpleRows(100, 50));
        expect(fs.readdirSync(folder)).toEqual([path.basename(file)]);
      }),
    );

    it(
      "keeps the old output when the process is killed, and the next run clears what it left",
      inFormat(async (file, folder) => {
        await writeAll(optionsFor(file, format), [batchOf(simple(0, 3))]);
        const options = optionsFor(file, format, { ifExists: "replace", runId: "killed", rejects: { path: null } });
        await killInTheMiddle(options);
        expect(fs.readdirSync(folder).length).toBeGreaterThan(1);
        expect(await readBack(file, format, KINDS)).toEqual(simpleRows(0, 3));
        await writeAll({ ...options, runId: "after" }, [batchOf(simple(7, 2))]);
        expect(await readBack(file, format, KINDS)).toEqual(simpleRows(7, 2));
        expect(fs.readdirSync(folder)).toEqual([path.basename(file)]);
        if (format === "sqlite") {
          expect(readTable(file, "sqlite_schema").filter(({ name }) => String(name).includes("staging"))).toEqual([]);
        }
      }),
    );

    it(
      "shows no output when the process of a first run is killed",
      inFormat(async (file, folder) => {
        await killInTheMiddle(optionsFor(file, format, { runId: "killed" }));
        expect(fs.existsSync(file)).toBe(false);
        await writeAll(optionsFor(file, format), [batchOf(simple(0, 2))]);
        expect(fs.readdirSync(folder)).toEqual([path.basename(file)]);
      }),
    );

    it(
      "publishes rejects with the rows, and not without them",
      inFormat(async (file, folder) => {
        const options = optionsFor(file, format, { rejects: { path: null } });
        const batch = batchOf(simple(0, 2), { rejects: [rejectOf(1), rejectOf(3)] });
        const aborted = await openSink(options);
        aborted.open();
        aborted.write(batch);
        aborted.abort();
        expect(fs.readdirSync(folder)).toEqual([]);

        const sink = await openSink(options);
        sink.open();
        sink.write(batch);
        const { rejectsPath } = sink.finish(recordOf(options.runId, 2, 2));
        expect(await readBack(file, format, KINDS)).toEqual(simpleRows(0, 2));
        const stored =
          format === "sqlite"
            ? readTable(file, "predictions_rejects").map(({ run_id: _, ...row }) => row)
            : await readBack(rejectsPath!, "csv", {});
        expect(stored.map((row) => ({ ...row, row: Number(row.row), line: Number(row.line), byte: Number(row.byte) }))).toEqual([
          rejectOf(1),
          rejectOf(3),
        ]);
      }),
    );
  });
}

function floatOrNull(value: number | null, keepsNaN: boolean): string | null {
  if (value === null || (Number.isNaN(value) && !keepsNaN)) return null;
  return String(Math.fround(value));
}

/** SIGKILL, real: the process has no chance to clean up. */
function killInTheMiddle(options: SinkOptions): Promise<void> {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(options)], { stdio: ["ignore", "pipe", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (text) => {
    complaint += text;
  });
  child.stdout.once("data", () => child.kill("SIGKILL"));
  return new Promise((resolve, reject) => {
    child.once("exit", (_code, signal) => {
      if (signal === "SIGKILL") resolve();
      else reject(new BatchPredictError("BP_INTERNAL", `the child ended by itself: ${complaint}`));
    });
  });
}
