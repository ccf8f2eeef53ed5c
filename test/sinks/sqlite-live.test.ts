/** Rows that are added to a table: visible unit by unit, exactly once, and taken out again when their run is given up. */
import fs from "node:fs";
import path from "node:path";
import { Float32, Int64, Utf8 } from "apache-arrow";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
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

type Row = [id: number | string, score: number];

function sql<T = unknown[]>(text: string): T[] {
  const db = new Database(file);
  try {
    const statement = db.prepare(text);
    if (statement.reader) return statement.raw().all() as T[];
    statement.run();
    return [];
  } finally {
    db.close();
  }
}

const rows = (): unknown[] => sql("SELECT id, score FROM predictions");
const everything = (): string =>
  JSON.stringify([
    sql("SELECT type, name, sql FROM sqlite_schema ORDER BY name"),
    sql("SELECT * FROM predictions"),
    sql("PRAGMA integrity_check"),
    fs.readdirSync(folder),
  ]);

/** One unit of the run, with the checkpoint behind it. @param before rows of the units before it */
function unit(pairs: Row[], before: number, rejects = 0): SinkBatch {
  const ids = pairs.map(([id]) => (typeof id === "number" ? BigInt(id) : id));
  const text = typeof pairs[0]?.[0] === "string";
  const columns = [
    { name: "id", type: text ? new Utf8() : new Int64(), values: ids },
    { name: "score", type: new Float32(), values: pairs.map(([, score]) => score) },
  ];
  const predicted = before + pairs.length;
  const totals = { read: predicted + rejects, predicted, rejected: rejects, bytes: 0 };
  const checkpoint = {
    nextChunk: predicted,
    position: null,
    file: 0,
    rowBase: predicted,
    lineBase: 0,
    totals,
    values: [],
    inputCrc: 0,
  };
  return batchOf(columns, { rejects: Array.from({ length: rejects }, (_, at) => rejectOf(at)), checkpoint });
}

interface Given {
  ifExists?: "append" | "upsert";
  runId?: string;
  fresh?: boolean;
  batch?: string;
  more?: Partial<SinkOptions>;
}

function opened({ ifExists = "append", runId = "one", fresh = false, batch = "1", more = {} }: Given = {}): Sink {
  const work = { fingerprint: { "--batch-size": batch }, fresh, startedAt: "then" };
  const key = ifExists === "upsert" ? ["id"] : [];
  return openSqliteSink(optionsFor(file, "sqlite", { ifExists, key, runId, work, commitRows: 1, ...more }));
}

function finish(sink: Sink, predicted: number, rejected = 0): ReturnType<Sink["finish"]> {
  const result = sink.finish(recordOf("one", predicted, rejected));
  for (const name of fs.readdirSync(folder)) if (name.endsWith(".journal")) fs.rmSync(path.join(folder, name));
  return result;
}

function refused(action: () => unknown): BatchPredictError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(BatchPredictError);
    return error as BatchPredictError;
  }
  return expect.fail("nothing was thrown");
}

const old = (): void => {
  sql("CREATE TABLE predictions (id INTEGER, score REAL, note TEXT DEFAULT 'new')");
  sql("INSERT INTO predictions VALUES (1, 0.5, 'mine'), (2, 0.25, NULL)");
};

describe("append to a table that is there", () => {
  it("shows each unit with its rejects as it is committed, and goes on behind it after a death", () => {
    old();
    const first = opened({ more: { rejects: { path: null } } });
    expect(first.open().checkpoint).toBeNull();
    first.write(unit([[10, 1]], 0, 1));
    expect(rows()).toEqual([
      [1, 0.5],
      [2, 0.25],
      [10, 1],
    ]);
    expect(sql("SELECT run_id FROM predictions_rejects")).toEqual([["one"]]);
    sql("INSERT INTO predictions VALUES (3, 3, 'between two units')");
    first.write(unit([[11, 2]], 1, 1));
    expect(first.suspend().resumable).toBe(true);
    const second = opened({ runId: "two", more: { rejects: { path: null } } });
    const found = second.open();
    expect(found).toMatchObject({ runId: "one", checkpoint: { rowBase: 2 } });
    second.write(unit([[12, 3]], 2, 1));
    expect(finish(second, 3, 3).rows).toBe(3);
    expect(rows()).toEqual([
      [1, 0.5],
      [2, 0.25],
      [10, 1],
      [3, 3],
      [11, 2],
      [12, 3],
    ]);
    expect(sql("SELECT count(*) FROM predictions_rejects")).toEqual([[3]]);
    expect(sql("SELECT name FROM sqlite_schema WHERE name LIKE '%staging%'")).toEqual([]);
    expect(fs.readdirSync(folder)).toEqual(["out.db"]);
  });

  it("takes out the rows of a run that failed, and no others", () => {
    old();
    const before = everything();
    const sink = opened({ more: { rejects: { path: null } } });
    sink.open();
    sink.write(
      unit(
        [
          [10, 1],
          [11, 1],
        ],
        0,
        2,
      ),
    );
    sql("INSERT INTO predictions VALUES (3, 3, 'of somebody else')");
    sink.write(unit([[12, 1]], 2, 2));
    expect(rows()).toHaveLength(6);
    sink.abort();
    expect(rows()).toEqual([
      [1, 0.5],
      [2, 0.25],
      [3, 3],
    ]);
    sql("DELETE FROM predictions WHERE id = 3");
    expect(everything()).toBe(before);
  });

  it.each([
    ["its own numbers", "id INTEGER PRIMARY KEY, score REAL"],
    ["no rowid", "id INTEGER PRIMARY KEY, score REAL) WITHOUT ROWID; --"],
    ["columns called rowid", "id INTEGER, score REAL, rowid TEXT DEFAULT 'x', _rowid_ TEXT DEFAULT 'y'"],
  ])("takes out the right rows of a table with %s", (_what, columns) => {
    sql(`CREATE TABLE predictions (${columns})`.replace("; --)", ""));
    sql("INSERT INTO predictions (id, score) VALUES (5, 0.5), (50, 0.5)");
    const before = everything();
    const sink = opened();
    sink.open();
    sink.write(
      unit(
        [
          [40, 1],
          [7, 1],
        ],
        0,
      ),
    );
    sql("INSERT INTO predictions (id, score) VALUES (30, 3)");
    sink.write(
      unit(
        [
          [60, 1],
          [6, 1],
        ],
        2,
      ),
    );
    expect(rows()).toHaveLength(7);
    sink.abort();
    expect(sql("SELECT id FROM predictions ORDER BY id").flat()).toEqual([5, 30, 50]);
    sql("DELETE FROM predictions WHERE id = 30");
    expect(everything()).toBe(before);
  });

  it("is not begun over by other work; --fresh takes the rows of the interrupted run out first", () => {
    old();
    const first = opened();
    first.open();
    first.write(
      unit(
        [
          [10, 1],
          [11, 1],
        ],
        0,
      ),
    );
    first.suspend();
    const error = refused(() => opened({ runId: "two", batch: "7" }).open());
    expect(error).toMatchObject({ code: "BP_RESUME_MISMATCH", details: { exitCode: 2 } });
    expect(error.details.hints![0]).toBe(
      'start over with --fresh: the rows it has written to table "predictions" are taken back first',
    );
    expect(rows()).toHaveLength(4);
    const fresh = opened({ runId: "two", batch: "7", fresh: true });
    expect(fresh.open().notices).toEqual(["--fresh: took back the rows of an interrupted run (2 rows)"]);
    expect(rows()).toEqual([
      [1, 0.5],
      [2, 0.25],
    ]);
    fresh.write(
      unit(
        [
          [10, 9],
          [11, 9],
        ],
        0,
      ),
    );
    finish(fresh, 2);
    expect(rows()).toEqual([
      [1, 0.5],
      [2, 0.25],
      [10, 9],
      [11, 9],
    ]);
  });

  it("takes out the rows of a run whose journal somebody removed", () => {
    old();
    const first = opened();
    first.open();
    first.write(unit([[10, 1]], 0));
    first.suspend();
    for (const name of fs.readdirSync(folder)) if (name.endsWith(".journal")) fs.rmSync(path.join(folder, name));
    const second = opened({ runId: "two" });
    expect(second.open().checkpoint).toBeNull();
    second.write(unit([[10, 1]], 0));
    finish(second, 1);
    expect(rows()).toEqual([
      [1, 0.5],
      [2, 0.25],
      [10, 1],
    ]);
  });

  it("keeps nothing of a run whose rows break a rule of the table in a later unit: going on would meet it again", () => {
    sql("CREATE TABLE predictions (id INTEGER UNIQUE, score REAL)");
    sql("INSERT INTO predictions VALUES (3, 3)");
    const before = everything();
    const sink = opened();
    sink.open();
    sink.write(unit([[2, 1]], 0));
    expect(refused(() => sink.write(unit([[3, 1]], 1))).message).toContain("UNIQUE constraint failed");
    expect(sink.suspend().resumable).toBe(false);
    expect(everything()).toBe(before);
  });

  it("notices a trigger that swallows rows", () => {
    old();
    sql("CREATE TRIGGER no AFTER INSERT ON predictions WHEN NEW.id = 11 BEGIN DELETE FROM predictions WHERE id = 11; END");
    const sink = opened();
    sink.open();
    expect(
      refused(() =>
        sink.write(
          unit(
            [
              [10, 1],
              [11, 1],
            ],
            0,
          ),
        ),
      ),
    ).toMatchObject({
      code: "BP_ACCOUNTING",
      details: { expected: "2 rows in this transaction", actual: "1 rows" },
    });
    sink.abort();
    expect(rows()).toHaveLength(2);
  });

  it("writes nothing behind the back of a process that has taken the run over", () => {
    old();
    const sleeper = opened();
    const journal = sleeper.open().journal;
    sleeper.write(unit([[10, 1]], 0));
    // As if the sleeper had looked for its journal a moment before: the state in the database is another's.
    fs.copyFileSync(journal, path.join(folder, ".out.db.t-0.one.0-0-00000000.journal"));
    sql("UPDATE _batchpredict_staging_one_checkpoint SET state = replace(state, '\"rows\":1', '\"rows\":2')");
    expect(refused(() => sleeper.write(unit([[11, 1]], 1)))).toMatchObject({ code: "BP_OUTPUT_BUSY", details: { exitCode: 75 } });
    expect(rows()).toHaveLength(3);
  });
});

describe("upsert into a table that is there", () => {
  it("puts renewed rows back as they were and takes added ones out when the run fails", () => {
    old();
    const before = everything();
    const sink = opened({ ifExists: "upsert" });
    sink.open();
    sink.write(
      unit(
        [
          [1, 10],
          [7, 10],
        ],
        0,
      ),
    );
    sink.write(
      unit(
        [
          [1, 20],
          [7, 20],
          [8, 20],
        ],
        2,
      ),
    );
    expect(sql("SELECT * FROM predictions")).toEqual([
      [1, 20, "mine"],
      [2, 0.25, null],
      [7, 20, "new"],
      [8, 20, "new"],
    ]);
    sink.abort();
    expect(everything()).toBe(before);
  });

  it("starts over with --fresh from the values before the interrupted run", () => {
    old();
    const first = opened({ ifExists: "upsert" });
    first.open();
    first.write(
      unit(
        [
          [1, 10],
          [7, 10],
        ],
        0,
      ),
    );
    first.suspend();
    const fresh = opened({ ifExists: "upsert", runId: "two", batch: "7", fresh: true });
    fresh.open();
    expect(rows()).toEqual([
      [1, 0.5],
      [2, 0.25],
    ]);
    fresh.write(unit([[2, 5]], 0));
    finish(fresh, 1);
    expect(rows()).toEqual([
      [1, 0.5],
      [2, 5],
    ]);
  });

  it("finds rows again whose key is text of any case, and one made of two columns", () => {
    sql("CREATE TABLE predictions (id TEXT COLLATE NOCASE, score REAL, PRIMARY KEY (id)) WITHOUT ROWID");
    sql("INSERT INTO predictions VALUES ('Ada', 1), ('Bob', 2)");
    const before = everything();
    const sink = opened({ ifExists: "upsert" });
    sink.open();
    sink.write(
      unit(
        [
          ["ADA", 10],
          ["Cem", 10],
          ["cem", 11],
        ],
        0,
      ),
    );
    expect(rows()).toEqual([
      ["Ada", 10],
      ["Bob", 2],
      ["Cem", 11],
    ]);
    sink.abort();
    expect(everything()).toBe(before);
  });

  it("renews nothing where every column is key, and takes back what it added", () => {
    old();
    const before = everything();
    const sink = opened({ ifExists: "upsert", more: { key: ["id", "score"] } });
    sink.open();
    sink.write(
      unit(
        [
          [1, 0.5],
          [1, 0.75],
        ],
        0,
      ),
    );
    expect(sql("SELECT * FROM predictions")).toEqual([
      [1, 0.5, "mine"],
      [2, 0.25, null],
      [1, 0.75, "new"],
    ]);
    sink.abort();
    expect(everything()).toBe(before);
  });

  it.each(["new database", "new table", "table that is there"])(
    "lets the last row of a key win, also over a death: %s",
    (where) => {
      if (where === "new table") sql("CREATE TABLE other (x)");
      if (where === "table that is there") sql("CREATE TABLE predictions (id INTEGER NOT NULL, score REAL)");
      const first = opened({ ifExists: "upsert" });
      first.open();
      first.write(
        unit(
          [
            [1, 1],
            [2, 1],
            [1, 2],
          ],
          0,
        ),
      );
      first.write(
        unit(
          [
            [2, 3],
            [3, 3],
          ],
          3,
        ),
      );
      first.suspend();
      const second = opened({ ifExists: "upsert", runId: "two" });
      expect(second.open().checkpoint?.rowBase).toBe(5);
      second.write(
        unit(
          [
            [3, 4],
            [4, 4],
          ],
          5,
        ),
      );
      const { rows: taken, warnings } = finish(second, 7);
      expect(taken).toBe(7);
      expect(warnings).toEqual([
        '--key id: 3 rows were renewed by later rows of the same key; table "predictions" holds the last of each',
      ]);
      expect(sql("SELECT * FROM predictions ORDER BY id")).toEqual([
        [1, 2],
        [2, 3],
        [3, 4],
        [4, 4],
      ]);
      expect(sql("SELECT \"unique\" FROM pragma_index_list('predictions')").flat()).toEqual([1]);
    },
  );
});

describe("a table that is not there yet", () => {
  it("appears whole, in a database that is there too", () => {
    sql("CREATE TABLE other (x)");
    const sink = opened();
    sink.open();
    sink.write(unit([[1, 1]], 0));
    expect(sql("SELECT name FROM sqlite_schema WHERE name = 'predictions'")).toEqual([]);
    sql("CREATE TABLE predictions (id)");
    const error = refused(() => sink.finish(recordOf("one", 1)));
    expect(error.message).toContain("by another program during the run");
    sink.abort();
    expect(sql("SELECT name FROM sqlite_schema").flat()).toEqual(["other", "predictions"]);
  });
});
