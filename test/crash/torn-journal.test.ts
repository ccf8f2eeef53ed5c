/**
 * A journal that ends anywhere, as a death or a power cut leaves it: what comes out is the output of an undisturbed run. One that was
 * changed in its middle is refused. Every 13th byte here, every byte with `npm run test:crash`.
 */
import fs from "node:fs";
import path from "node:path";
import { Float32, Int64 } from "apache-arrow";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Checkpoint } from "../../src/core/checkpoint.ts";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { Sink, SinkBatch, SinkOptions } from "../../src/core/sink.ts";
import { openCsvSink } from "../../src/sinks/csv/csv-sink.ts";
import { Journal, journalPrefix } from "../../src/sinks/journal.ts";
import { openSqliteSink } from "../../src/sinks/sqlite/sqlite-sink.ts";
import { batchOf, makeFolder, optionsFor, recordOf } from "../conformance/sink-batches.ts";

const UNITS = 4;
const STEP = process.env.BATCHPREDICT_CRASH ? 1 : 13;
/** A thousand databases are opened, and flushed, one after the other. */
const HANG_MS = process.env.BATCHPREDICT_CRASH ? 30 * 60_000 : 60_000;

let folder: string;
beforeEach(() => {
  folder = makeFolder();
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function unit(n: number): SinkBatch & { checkpoint: Checkpoint } {
  const ids = [10n * BigInt(n), 10n * BigInt(n) + 1n];
  const rows = 2 * (n + 1);
  const totals = { read: rows, predicted: rows, rejected: 0, bytes: 0 };
  const checkpoint = { nextChunk: n + 1, position: null, file: 0, rowBase: rows, lineBase: 0, totals, values: [], inputCrc: 0 };
  const columns = [
    { name: "id", type: new Int64(), values: ids },
    { name: "score", type: new Float32(), values: [n, n + 0.5] },
  ];
  return { ...batchOf(columns), checkpoint };
}

interface Output {
  open(file: string, runId: string): Sink;
  prepare(file: string): void;
  content(file: string): unknown;
}

const options = (file: string, format: "csv" | "sqlite", runId: string): SinkOptions =>
  optionsFor(file, format, {
    runId,
    ifExists: "append",
    commitRows: 1,
    work: { fingerprint: { "--batch-size": "1" }, fresh: false, startedAt: "then" },
  });

const OUTPUTS: Record<string, Output> = {
  "CSV append": {
    open: (file, runId) => openCsvSink(options(file, "csv", runId)),
    prepare: (file) => fs.writeFileSync(file, "id,score\n7,7\n"),
    content: (file) => fs.readFileSync(file, "utf8"),
  },
  "SQLite append": {
    open: (file, runId) => openSqliteSink(options(file, "sqlite", runId)),
    prepare(file) {
      const db = new Database(file);
      db.exec("CREATE TABLE predictions (id INTEGER, score REAL); INSERT INTO predictions VALUES (7, 7)");
      db.close();
    },
    content(file) {
      const db = new Database(file);
      const found = db.prepare("SELECT * FROM predictions").all();
      const tables = db.prepare("SELECT name FROM sqlite_schema").pluck().all();
      db.close();
      return { found, tables };
    },
  },
};

/** A run that died after `units` of its units, or after it had noted that it publishes. @returns its journal */
function die(file: string, { open, prepare }: Output, publishing: boolean): string {
  fs.rmSync(file, { force: true });
  prepare(file);
  const sink = open(file, "one");
  sink.open();
  for (let n = 0; n < UNITS; n++) sink.write(unit(n));
  expect(sink.suspend().resumable).toBe(true);
  const found = path.join(folder, fs.readdirSync(folder).find((name) => name.endsWith(".journal"))!);
  if (!publishing) return found;
  const isFile = file.endsWith(".csv");
  const journal = Journal.takeOver(found, journalPrefix(file, isFile ? null : "predictions"), "one")!;
  const temp = isFile ? fs.statSync(path.join(folder, ".out.csv.one.partial")) : null;
  const { checkpoint } = unit(UNITS - 1);
  const rest = { rows: 2 * UNITS, bytes: temp?.size ?? 0, output: temp?.ino ?? null, rejects: null, replace: true };
  journal.append({ kind: "publish", checkpoint, ...rest });
  journal.disown();
  return path.join(folder, fs.readdirSync(folder).find((name) => name.endsWith(".journal"))!);
}

/** @returns the unit it went on from, null when the run was done already */
function goOn(file: string, { open }: Output): number | null {
  const sink = open(file, "two");
  const { checkpoint, done } = sink.open();
  if (done === null) {
    for (let n = checkpoint?.nextChunk ?? 0; n < UNITS; n++) sink.write(unit(n));
    expect(sink.finish(recordOf("one", 2 * UNITS)).rows).toBe(2 * UNITS);
  }
  for (const name of fs.readdirSync(folder)) if (name.endsWith(".journal")) fs.rmSync(path.join(folder, name));
  return done === null ? (checkpoint?.nextChunk ?? 0) : null;
}

/** First bytes of the lines, and the length. */
function bordersOf(text: Buffer): number[] {
  const borders = [0];
  for (let at = text.indexOf(10); at >= 0; at = text.indexOf(10, at + 1)) borders.push(at + 1);
  return borders;
}

describe.each(Object.entries(OUTPUTS))("%s", (name, output) => {
  const nameOf = name.startsWith("CSV") ? "out.csv" : "out.db";

  it.each([false, true])(
    "goes on from the last line that is whole, wherever the journal is torn (publishing: %s)",
    (publishing) => {
      const file = path.join(folder, nameOf);
      const whole = fs.readFileSync(die(file, output, publishing));
      goOn(file, output);
      const expected = output.content(file);
      const borders = bordersOf(whole);
      const [start] = borders.slice(-3);
      const lengths = Array.from({ length: whole.length - start! + 1 }, (_, at) => start! + at);
      const near = (length: number): boolean => borders.some((border) => Math.abs(border - length) <= 1);
      const reached = new Set<number | null>();
      for (const length of lengths.filter((each) => (each - start!) % STEP === 0 || near(each))) {
        const journal = die(file, output, publishing);
        // Inodes and dates in it may have a digit more or less than in the first one.
        const now = fs.readFileSync(journal).subarray(0, length);
        fs.truncateSync(journal, now.length);
        const from = goOn(file, output);
        reached.add(from);
        expect(output.content(file), `torn after ${length} bytes`).toEqual(expected);
        expect(fs.readdirSync(folder), `torn after ${length} bytes`).toEqual([nameOf]);
        const lines = bordersOf(now).length - 1;
        if (nameOf === "out.csv" && !publishing) expect(from).toBe(Math.max(0, lines - 1));
      }
      expect(reached.size).toBeGreaterThan(1);
    },
    HANG_MS,
  );

  it("refuses a journal that was changed, whichever line it is, and starts over with --fresh", () => {
    const file = path.join(folder, nameOf);
    const whole = fs.readFileSync(die(file, output, true));
    const before = output.content(file);
    const borders = bordersOf(whole);
    for (const [line, start] of borders.slice(0, -1).entries()) {
      const journal = path.join(folder, fs.readdirSync(folder).find((each) => each.endsWith(".journal"))!);
      const bytes = Buffer.from(whole);
      bytes[start + 40]! ^= 1;
      fs.writeFileSync(journal, bytes);
      try {
        output.open(file, "two").open();
        expect.fail("the damaged journal was taken");
      } catch (error) {
        expect(error).toBeInstanceOf(BatchPredictError);
        expect(error).toMatchObject({ code: "BP_RESUME_DAMAGED", details: { exitCode: 2, where: { line: line + 1 } } });
      }
      expect(fs.readFileSync(journal).equals(bytes)).toBe(true);
      expect(output.content(file)).toEqual(before);
    }
    const format = nameOf === "out.csv" ? "csv" : "sqlite";
    const given = options(file, format, "two");
    const fresh = { ...given, work: { ...given.work!, fresh: true } };
    const sink = format === "csv" ? openCsvSink(fresh) : openSqliteSink(fresh);
    expect(sink.open().checkpoint).toBeNull();
    for (let n = 0; n < UNITS; n++) sink.write(unit(n));
    sink.finish(recordOf("two", 2 * UNITS));
    expect(fs.readdirSync(folder).filter((each) => each.endsWith(".partial"))).toEqual([]);
    const rows =
      nameOf === "out.csv"
        ? String(output.content(file)).split("\n").length - 2
        : (output.content(file) as { found: [] }).found.length;
    expect(rows).toBe(1 + 2 * UNITS);
  });
});
