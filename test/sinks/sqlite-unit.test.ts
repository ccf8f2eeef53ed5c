/** A new database takes rows as they come, and keeps none of them before their unit is committed. */
import fs from "node:fs";
import path from "node:path";
import { Int64 } from "apache-arrow";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Sink, SinkBatch, SinkOptions } from "../../src/core/sink.ts";
import { openSqliteSink } from "../../src/sinks/sqlite/sqlite-sink.ts";
import { batchOf, makeFolder, optionsFor, recordOf, rejectOf } from "../conformance/sink-batches.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = makeFolder();
  file = path.join(folder, "out.db");
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Rows `from` and `from + 1`, and a reject behind each pair. */
function pair(from: number): SinkBatch {
  const read = from + 2 + (from + 2) / 2;
  const checkpoint = {
    nextChunk: from / 2 + 1,
    position: null,
    file: 0,
    rowBase: read,
    lineBase: 0,
    totals: { read, predicted: from + 2, rejected: (from + 2) / 2, bytes: 0 },
    values: [],
    inputCrc: 0,
  };
  const ids = [BigInt(from), BigInt(from + 1)];
  return batchOf([{ name: "id", type: new Int64(), values: ids }], { rejects: [rejectOf(from)], checkpoint });
}

/** Two pairs with their rejects are a unit. */
function opened(): Sink {
  const work = { fingerprint: {}, fresh: false, startedAt: "then" };
  return openSqliteSink(optionsFor(file, "sqlite", { work, rejects: { path: null }, commitRows: 6 }));
}

const partial = (): string => path.join(folder, fs.readdirSync(folder).find((name) => name.endsWith(".partial"))!);

function counts(at: string): unknown {
  const db = new Database(at);
  try {
    return db.prepare("SELECT (SELECT count(*) FROM predictions), (SELECT count(*) FROM predictions_rejects)").raw().get();
  } finally {
    db.close();
  }
}

it("goes on behind the last unit that was committed, without the rows of the open one", () => {
  const first = opened();
  first.open();
  for (const from of [0, 2, 4]) first.write(pair(from));
  expect(first.suspend().resumable).toBe(true);
  expect(counts(partial())).toEqual([4, 2]);
  const second = opened();
  expect(second.open().checkpoint).toMatchObject({ nextChunk: 2, totals: { predicted: 4 } });
  for (const from of [4, 6, 8]) second.write(pair(from));
  second.commit();
  expect(second.suspend().resumable).toBe(true);
  expect(counts(partial())).toEqual([10, 5]);
  const third = opened();
  expect(third.open().checkpoint).toMatchObject({ nextChunk: 5 });
  third.write(pair(10));
  expect(third.finish(recordOf("one", 12, 6)).rows).toBe(12);
  expect(counts(file)).toEqual([12, 6]);
  const db = new Database(file);
  expect(db.prepare("SELECT id FROM predictions ORDER BY rowid").pluck().all()).toEqual(
    Array.from({ length: 12 }, (_, id) => id),
  );
  db.close();
});

it("keeps nothing of a unit that fails while it is open", () => {
  const work = { fingerprint: {}, fresh: false, startedAt: "then" };
  const more: Partial<SinkOptions> = { work, ifExists: "upsert", key: ["id"], rejects: { path: null }, commitRows: 6 };
  const sink = openSqliteSink(optionsFor(file, "sqlite", more));
  sink.open();
  for (const from of [0, 2, 4]) sink.write(pair(from));
  expect(() => sink.write(batchOf([{ name: "id", type: new Int64(), values: [6n, null] }]))).toThrow('key column "id" is empty');
  expect(sink.suspend().resumable).toBe(true);
  expect(counts(partial())).toEqual([4, 2]);
});
