import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import {
  Binary,
  Bool,
  DateDay,
  Dictionary,
  Field,
  Float32,
  Float64,
  Int32,
  Int64,
  List,
  TimestampMicrosecond,
  Uint64,
  Utf8,
} from "apache-arrow";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BatchPredictError, type WireError } from "../../src/core/errors.ts";
import type { Sink, SinkOptions } from "../../src/core/sink.ts";
import { checkSqliteOutput } from "../../src/sinks/sqlite/check-table.ts";
import { openSqliteSink } from "../../src/sinks/sqlite/sqlite-sink.ts";
import { childScript } from "../child-script.ts";
import { batchOf, type Column, makeFolder, optionsFor, recordOf, rejectOf } from "../conformance/sink-batches.ts";

const CHILD = childScript(
  "sink-child",
  `import ${JSON.stringify(path.resolve(import.meta.dirname, "../conformance/sink-child.mjs"))};`,
);

let folder: string;
let file: string;
beforeEach(() => {
  folder = makeFolder();
  file = path.join(folder, "out.db");
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function scores(pairs: [id: bigint | null, score: number][]): Column[] {
  return [
    { name: "id", type: new Int64(), values: pairs.map(([id]) => id) },
    { name: "score", type: new Float32(), values: pairs.map(([, score]) => score) },
  ];
}

function run(more: Partial<SinkOptions>, ...batches: Column[][]): void {
  const options = optionsFor(file, "sqlite", { runId: `run-${Math.random()}`, ...more });
  const sink = openSqliteSink(options);
  try {
    sink.open();
    for (const columns of batches) sink.write(batchOf(columns));
    sink.finish(recordOf(options.runId, batches.flatMap(([first]) => first!.values).length));
  } catch (error) {
    sink.abort();
    throw error;
  }
}

function refused(action: () => unknown): BatchPredictError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(BatchPredictError);
    return error as BatchPredictError;
  }
  throw new BatchPredictError("BP_INTERNAL", "an error was expected");
}

/** One statement on a connection of its own, as another program would. */
function sql<T = unknown[]>(text: string, at = file): T[] {
  const db = new Database(at);
  try {
    const statement = db.prepare(text);
    if (statement.reader) return statement.raw().all() as T[];
    statement.run();
    return [];
  } finally {
    db.close();
  }
}

const tables = (): string[] => sql<[string]>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").flat();

describe("columns", () => {
  it("are declared and stored by type", () => {
    run({}, [
      { name: "flag", type: new Bool(), values: [true, null] },
      { name: "big", type: new Int64(), values: [2n ** 63n - 1n, -(2n ** 63n)] },
      { name: "huge", type: new Uint64(), values: [2n ** 63n - 1n, 2n ** 64n - 1n] },
      { name: "real", type: new Float64(), values: [Number.NaN, Infinity] },
      { name: "single", type: new Float32(), values: [0.1, 2] },
      { name: "text", type: new Utf8(), values: ["007", ""] },
      { name: "bytes", type: new Binary(), values: [Uint8Array.of(0, 1), Uint8Array.of()] },
      { name: "day", type: new DateDay(), values: [new Date("2024-02-29"), null] },
      { name: "time", type: new TimestampMicrosecond("UTC"), values: [1_700_000_000_000, null] },
      { name: "list", type: new List(new Field("item", new Float32(), true)), values: [[0.1, null], []] },
      { name: "color", type: new Dictionary(new Utf8(), new Int32()), values: ["red", null] },
    ]);
    const rows = sql(
      "SELECT flag, CAST(big AS TEXT), typeof(big), CAST(huge AS TEXT), typeof(huge), real, single, typeof(single), text, hex(bytes), typeof(bytes), day, time, list, color FROM predictions",
    );
    const single = Math.fround(0.1);
    expect(rows).toEqual([
      [
        1,
        "9223372036854775807",
        "integer",
        "9223372036854775807",
        "integer",
        null,
        single,
        "real",
        "007",
        "0001",
        "blob",
        "2024-02-29",
        "2023-11-14T22:13:20.000000Z",
        "[0.1,null]",
        "red",
      ],
      [
        null,
        "-9223372036854775808",
        "integer",
        "18446744073709551615",
        "text",
        Infinity,
        2,
        "real",
        "",
        "",
        "blob",
        null,
        null,
        "[]",
        null,
      ],
    ]);
    expect(sql("SELECT type FROM pragma_table_info('predictions')").flat()).toEqual([
      "INTEGER",
      "INTEGER",
      "",
      "REAL",
      "REAL",
      "TEXT",
      "BLOB",
      "TEXT",
      "TEXT",
      "TEXT",
      "TEXT",
    ]);
  });

  it("whose names differ only by case are refused by both names, before anything is written", () => {
    const error = refused(() =>
      run({}, [
        { name: "Age", type: new Int64(), values: [1n] },
        { name: "age", type: new Int64(), values: [1n] },
      ]),
    );
    expect(error.code).toBe("BP_CONFIG");
    expect(error.message).toContain('"Age" and "age"');
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("may be as many as SQLite holds, and one more is refused with the mend", () => {
    const wide = (width: number): Column[] =>
      Array.from({ length: width }, (_, at) => ({ name: `c${at}`, type: new Float32(), values: new Array(60).fill(at) }));
    run({}, wide(2000));
    expect(sql("SELECT count(*), sum(c1999) FROM predictions")).toEqual([[60, 60 * 1999]]);
    const error = refused(() => run({ ifExists: "replace" }, wide(2001)));
    expect(error.code).toBe("BP_CONFIG");
    expect(error.details.hints!.join()).toContain(".parquet");
  });
});

describe("the run's record", () => {
  it("has every field, the unnamed ones as JSON, one row per run", () => {
    run({ runId: "first" }, scores([[1n, 1]]));
    run({ runId: "second", ifExists: "append" }, scores([[2n, 2]]));
    expect(
      sql(
        "SELECT run_id, table_name, rows_read, rows_predicted, rows_rejected, model_path, inputs, details FROM _batchpredict_runs ORDER BY 1",
      ),
    ).toEqual([
      ["first", "predictions", 1, 1, 0, "/models/iris.onnx", '["/data/a.csv","/data/b.csv"]', '{"batch_size":4096}'],
      ["second", "predictions", 1, 1, 0, "/models/iris.onnx", '["/data/a.csv","/data/b.csv"]', '{"batch_size":4096}'],
    ]);
  });
});

describe("an existing database", () => {
  it("keeps its other tables; another table name is no conflict, the same one is", () => {
    sql("CREATE TABLE customers (name TEXT)");
    sql("INSERT INTO customers VALUES ('Ada')");
    run({}, scores([[1n, 1]]));
    expect(refused(() => checkSqliteOutput(optionsFor(file, "sqlite"))).code).toBe("BP_OUTPUT_EXISTS");
    expect(refused(() => checkSqliteOutput(optionsFor(file, "sqlite", { table: "PREDICTIONS" }))).code).toBe("BP_OUTPUT_EXISTS");
    run({ table: 'it\'s "other"; x' }, scores([[2n, 2]]));
    expect(tables()).toEqual(["_batchpredict_runs", "customers", 'it\'s "other"; x', "predictions"]);
    expect(sql("SELECT * FROM customers")).toEqual([["Ada"]]);
    expect(fs.readdirSync(folder)).toEqual(["out.db"]);
  });

  it("appends, and refuses columns that would be changed or left empty, naming them", () => {
    run({}, scores([[1n, 0.5]]));
    run({ ifExists: "append", commitRows: 1 }, scores([[2n, 1]]), scores([[3n, 1.5]]));
    expect(sql("SELECT * FROM predictions")).toEqual([
      [1, 0.5],
      [2, 1],
      [3, 1.5],
    ]);
    const other = refused(() => run({ ifExists: "append" }, [{ name: "id", type: new Utf8(), values: ["4"] }]));
    expect(other.code).toBe("BP_CONFIG");
    expect(other.message).toContain('column "id" is declared INTEGER, the predictions have TEXT');
    expect(other.message).toContain('column "score" of the table is missing');
    expect(tables()).toEqual(["_batchpredict_runs", "predictions"]);
    expect(sql("SELECT count(*) FROM predictions")).toEqual([[3]]);
  });

  it("appends to a table that numbers and dates its rows by itself", () => {
    sql("CREATE TABLE predictions (n INTEGER PRIMARY KEY, id BIGINT, score DOUBLE, at TEXT DEFAULT 'now')");
    run({ ifExists: "append" }, scores([[7n, 0.5]]));
    expect(sql("SELECT * FROM predictions")).toEqual([[1, 7, 0.5, "now"]]);
  });

  it("says which rule of the table the rows break, and changes nothing", () => {
    sql("CREATE TABLE predictions (id INTEGER UNIQUE, score REAL)");
    run({ ifExists: "append" }, scores([[1n, 1]]));
    const error = refused(() =>
      run(
        { ifExists: "append" },
        scores([
          [2n, 2],
          [1n, 3],
        ]),
      ),
    );
    expect(error.code).toBe("BP_OUTPUT_WRITE");
    expect(error.message).toContain("UNIQUE constraint failed: predictions.id");
    expect(error.details.hints!.join()).toContain("--if-exists upsert");
    expect(sql("SELECT id FROM predictions").flat()).toEqual([1]);
    expect(tables()).toEqual(["_batchpredict_runs", "predictions"]);
  });

  it("is replaced with its indexes and the views that look at it", () => {
    run(
      {},
      scores([
        [1n, 1],
        [2n, 2],
      ]),
    );
    sql("CREATE INDEX by_id ON predictions (id)");
    sql("CREATE VIEW best AS SELECT max(score) FROM predictions");
    run({ ifExists: "replace" }, scores([[3n, 9]]));
    expect(sql("SELECT * FROM predictions")).toEqual([[3, 9]]);
    expect(sql("SELECT * FROM best")).toEqual([[9]]);
    expect(sql("SELECT name FROM pragma_index_list('predictions')").flat()).toEqual(["by_id"]);
    expect(sql("PRAGMA integrity_check")).toEqual([["ok"]]);
  });

  it("keeps WAL mode and leaves no files beside it", () => {
    sql("PRAGMA journal_mode = WAL");
    run({ commitRows: 1 }, scores([[1n, 1]]), scores([[2n, 2]]));
    expect(fs.readdirSync(folder)).toEqual(["out.db"]);
    expect(sql("PRAGMA journal_mode")).toEqual([["wal"]]);
    checkSqliteOutput(optionsFor(file, "sqlite", { ifExists: "append" }));
    expect(fs.readdirSync(folder)).toEqual(["out.db"]);
  });

  it("takes two runs at once: neither removes the other's staging table", () => {
    sql("CREATE TABLE customers (name TEXT)");
    const sinks = ["a", "b"].map(
      (name): Sink => openSqliteSink(optionsFor(file, "sqlite", { runId: name, table: name, commitRows: 1 })),
    );
    for (const sink of sinks) {
      sink.open();
      sink.write(batchOf(scores([[1n, 1]])));
    }
    for (const sink of sinks) sink.finish(recordOf("a", 1));
    expect(tables()).toEqual(["_batchpredict_runs", "a", "b", "customers"]);
    expect(fs.readdirSync(folder)).toEqual(["out.db"]);
  });

  it("that is locked is reported as busy with exit code 75, at the start and at the end, and stays as it was", () => {
    run({}, scores([[1n, 1]]));
    const lock = (): Database.Database => {
      const other = new Database(file);
      other.exec("BEGIN IMMEDIATE");
      return other;
    };
    const busy = { code: "BP_OUTPUT_BUSY", details: { exitCode: 75 } };
    const options = optionsFor(file, "sqlite", { ifExists: "append" });
    const late = openSqliteSink(options, { openMs: 20, writeMs: 20 });
    let other = lock();
    const early = openSqliteSink({ ...options, runId: "early" }, { openMs: 20, writeMs: 20 });
    expect(refused(() => early.open())).toMatchObject(busy);
    early.abort();
    other.close();
    late.open();
    late.write(batchOf(scores([[2n, 2]])));
    other = lock();
    expect(refused(() => late.finish(recordOf("r", 1)))).toMatchObject(busy);
    late.abort();
    other.close();
    run({ ifExists: "append" }, scores([[3n, 3]]));
    expect(sql("SELECT id FROM predictions").flat()).toEqual([1, 3]);
    expect(tables()).toEqual(["_batchpredict_runs", "predictions"]);
    expect(fs.readdirSync(folder)).toEqual(["out.db"]);
  });

  it("that is no database is refused and never overwritten", () => {
    fs.writeFileSync(file, "id,score\n1,0.5\n".repeat(100));
    for (const ifExists of ["fail", "replace", "append"] as const) {
      const error = refused(() => checkSqliteOutput(optionsFor(file, "sqlite", { ifExists })));
      expect(error.code).toBe("BP_OUTPUT_PATH");
      expect(refused(() => run({ ifExists }, scores([[1n, 1]]))).code).toBe("BP_OUTPUT_PATH");
    }
    expect(fs.readFileSync(file, "utf8")).toBe("id,score\n1,0.5\n".repeat(100));
    expect(fs.readdirSync(folder)).toEqual(["out.db"]);
  });

  it("notices rows that disappear from staging, and publishes nothing", () => {
    sql("CREATE TABLE customers (name TEXT)");
    const sink = openSqliteSink(optionsFor(file, "sqlite", { runId: "r", commitRows: 1 }));
    sink.open();
    sink.write(
      batchOf(
        scores([
          [1n, 1],
          [2n, 2],
        ]),
      ),
    );
    sql("DELETE FROM _batchpredict_staging_r WHERE id = 2");
    const error = refused(() => sink.finish(recordOf("r", 2)));
    expect(error).toMatchObject({ code: "BP_ACCOUNTING", details: { expected: "2 rows", actual: "1 rows" } });
    sink.abort();
    expect(tables()).toEqual(["customers"]);
  });

  it("refuses views and reserved table names", () => {
    sql("CREATE VIEW predictions AS SELECT 1");
    expect(refused(() => checkSqliteOutput(optionsFor(file, "sqlite", { ifExists: "replace" }))).message).toContain("is a view");
    for (const table of ["sqlite_x", "_batchpredict_runs", ""])
      expect(refused(() => checkSqliteOutput(optionsFor(file, "sqlite", { table }))).code).toBe("BP_CONFIG");
  });
});

describe("upsert", () => {
  const upsert: Partial<SinkOptions> = { ifExists: "upsert", key: ["id"] };

  it("adds new keys and renews old ones, in a new database and in an old one", () => {
    run(
      upsert,
      scores([
        [1n, 1],
        [2n, 2],
      ]),
    );
    run(
      upsert,
      scores([
        [2n, 20],
        [3n, 30],
      ]),
    );
    expect(sql("SELECT * FROM predictions ORDER BY id")).toEqual([
      [1, 1],
      [2, 20],
      [3, 30],
    ]);
    expect(sql("SELECT \"notnull\" FROM pragma_table_info('predictions')").flat()).toEqual([1, 0]);
  });

  it("leaves columns of others alone and makes the key unique where it was not", () => {
    sql("CREATE TABLE predictions (id INTEGER, score REAL, note TEXT)");
    sql("INSERT INTO predictions VALUES (1, 1, 'mine')");
    run(upsert, scores([[1n, 5]]));
    expect(sql("SELECT * FROM predictions")).toEqual([[1, 5, "mine"]]);
    expect(sql("SELECT \"unique\" FROM pragma_index_list('predictions')").flat()).toEqual([1]);
  });

  it("works when every column is key", () => {
    const only: Column[] = [{ name: "id", type: new Int64(), values: [1n, 2n] }];
    run(upsert, only);
    run(upsert, only);
    expect(sql("SELECT * FROM predictions")).toEqual([[1], [2]]);
  });

  it("refuses keys that are empty or absent, and changes nothing", () => {
    run(upsert, scores([[1n, 1]]));
    const empty = refused(() =>
      run(
        upsert,
        scores([
          [5n, 5],
          [null, 6],
        ]),
      ),
    );
    expect(empty.message).toContain('key column "id" is empty');
    expect(empty.details.actual).toContain("row 1 ");
    const nan: Partial<SinkOptions> = { ifExists: "upsert", key: ["score"] };
    expect(refused(() => run(nan, scores([[5n, Number.NaN]]))).message).toContain('key column "score" is empty');
    expect(refused(() => run({ ifExists: "upsert", key: ["customer"] }, scores([[9n, 5]]))).message).toContain("customer");
    expect(sql("SELECT * FROM predictions")).toEqual([[1, 1]]);
    expect(tables()).toEqual(["_batchpredict_runs", "predictions"]);
  });

  it("says when the table itself has a key twice", () => {
    run(
      {},
      scores([
        [1n, 1],
        [1n, 2],
      ]),
    );
    const error = refused(() => run(upsert, scores([[3n, 3]])));
    expect(error).toMatchObject({ code: "BP_CONFIG" });
    expect(error.message).toContain("2 rows have id = 1");
    expect(sql("SELECT count(*) FROM predictions")).toEqual([[2]]);
  });
});

describe("rejects in the database", () => {
  it("add up over appended runs and go with the predictions they belong to", () => {
    const options = (runId: string, ifExists: SinkOptions["ifExists"]): SinkOptions =>
      optionsFor(file, "sqlite", { runId, ifExists, rejects: { path: null } });
    const write = (runId: string, ifExists: SinkOptions["ifExists"], row: number): void => {
      const sink = openSqliteSink(options(runId, ifExists));
      sink.open();
      sink.write(batchOf(scores([[1n, 1]]), { rejects: [rejectOf(row)] }));
      expect(sink.finish(recordOf(runId, 1, 1)).rejectsPath).toBe(file);
    };
    write("one", "fail", 1);
    write("two", "append", 2);
    expect(sql('SELECT run_id, "row", "column", raw FROM predictions_rejects')).toEqual([
      ["one", 1, "age", rejectOf(1).raw],
      ["two", 2, "age", rejectOf(2).raw],
    ]);
    write("three", "replace", 3);
    expect(sql("SELECT run_id FROM predictions_rejects")).toEqual([["three"]]);
  });
});

describe("a full disk", () => {
  // A file size limit gives the write error of a full disk or quota without filling one.
  const child = (options: SinkOptions): WireError => {
    const limited = 'trap "" XFSZ; ulimit -f 200; exec "$@"';
    const { stderr } = spawnSync("bash", ["-c", limited, "bash", process.execPath, CHILD, JSON.stringify(options), "200"], {
      encoding: "utf8",
    });
    return JSON.parse(stderr) as WireError;
  };

  it("is said as such, and leaves nothing of a new database", () => {
    const error = child(optionsFor(file, "sqlite"));
    expect(error.code).toBe("BP_DISK_FULL");
    expect(error.where!.file).toBe(file);
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("leaves an existing database as it was", () => {
    run({}, scores([[1n, 1]]));
    expect(child(optionsFor(file, "sqlite", { ifExists: "append", runId: "full" })).code).toBe("BP_DISK_FULL");
    expect(sql("SELECT * FROM predictions")).toEqual([[1, 1]]);
    expect(sql("PRAGMA integrity_check")).toEqual([["ok"]]);
    run({ ifExists: "append" }, scores([[2n, 2]]));
    expect(tables()).toEqual(["_batchpredict_runs", "predictions"]);
    expect(fs.readdirSync(folder)).toEqual(["out.db"]);
  });
});
