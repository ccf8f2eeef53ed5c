/** Values at their limits, as many rows per statement as the sink likes, against SQL literals inserted one row at a time. */
import fs from "node:fs";
import path from "node:path";
import {
  Binary,
  Bool,
  type DataType,
  Dictionary,
  Float16,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  Uint8,
  Uint32,
  Uint64,
  Utf8,
} from "apache-arrow";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSqliteSink } from "../../src/sinks/sqlite/sqlite-sink.ts";
import { batchOf, makeFolder, optionsFor, recordOf } from "../conformance/sink-batches.ts";

/** Arrow value and the SQL literal of the same. */
type Pair = readonly [value: unknown, literal: string];
interface Extremes {
  type: DataType;
  declared: string;
  pairs: readonly Pair[];
}

const whole = (...values: (number | bigint)[]): Pair[] => values.map((value) => [value, String(value)]);
/** SQLite reads the literal of the smallest integer only with a space between its parts, as a REAL otherwise. */
const SMALLEST: Pair = [-(2n ** 63n), "-9223372036854775807 - 1"];
const MAX_SINGLE = 3.4028234663852886e38;
const FLOATS: Pair[] = [
  [0, "0.0"],
  [-0, "-0.0"],
  [1, "1.0"],
  [-2.5, "-2.5"],
  [Number.POSITIVE_INFINITY, "9e999"],
  [Number.NEGATIVE_INFINITY, "-9e999"],
  [Number.NaN, "NULL"],
];

const COLUMNS: Extremes[] = [
  {
    type: new Bool(),
    declared: "INTEGER",
    pairs: [
      [true, "1"],
      [false, "0"],
    ],
  },
  { type: new Int8(), declared: "INTEGER", pairs: whole(-128, -1, 0, 1, 127) },
  { type: new Int16(), declared: "INTEGER", pairs: whole(-(2 ** 15), 2 ** 15 - 1, 0) },
  { type: new Int32(), declared: "INTEGER", pairs: whole(-(2 ** 31), 2 ** 31 - 1, 0, -1) },
  {
    type: new Int64(),
    declared: "INTEGER",
    pairs: [
      SMALLEST,
      ...whole(2n ** 63n - 1n, 0n, 1n, -1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n),
      ...whole(1n - 2n ** 53n, -(2n ** 53n), -(2n ** 53n) - 1n, 2n ** 62n),
    ],
  },
  { type: new Uint8(), declared: "INTEGER", pairs: whole(0, 255) },
  { type: new Uint32(), declared: "INTEGER", pairs: whole(0, 2 ** 31, 2 ** 32 - 1) },
  {
    type: new Uint64(),
    declared: "",
    pairs: [...whole(0n, 2n ** 53n + 1n, 2n ** 63n - 1n), [2n ** 63n, `'${2n ** 63n}'`], [2n ** 64n - 1n, `'${2n ** 64n - 1n}'`]],
  },
  { type: new Float16(), declared: "REAL", pairs: [...FLOATS, [65504, "65504.0"]] },
  {
    type: new Float32(),
    declared: "REAL",
    pairs: [
      ...FLOATS,
      [0.1, "0.10000000149011612"],
      [2 ** 24, "16777216.0"],
      [MAX_SINGLE, String(MAX_SINGLE)],
      [2 ** -149, "1.401298464324817e-45"],
    ],
  },
  {
    type: new Float64(),
    declared: "REAL",
    pairs: [
      ...FLOATS,
      [0.1, "0.1"],
      [5e-324, "5e-324"],
      [Number.MAX_VALUE, "1.7976931348623157e308"],
      [2 ** 53, "9007199254740992.0"],
      [-(2 ** 53), "-9007199254740992.0"],
      [2 ** 63, "9223372036854775808.0"],
      [-(2 ** 63), "-9223372036854775808.0"],
      [1e15, "1e15"],
    ],
  },
  {
    type: new Utf8(),
    declared: "TEXT",
    pairs: ["", "007", "1e3", " ", "it''s", "\u{1F600} \u017elu\u0165ou\u010dk\u00fd"]
      .map((text): Pair => [text.replace("''", "'"), `'${text}'`])
      .concat([["nul\0inside", "'nul' || char(0) || 'inside'"]]),
  },
  { type: new Utf8(), declared: "TEXT", pairs: ["", "9223372036854775808", "-0", "NaN"].map((text) => [text, `'${text}'`]) },
  {
    type: new Binary(),
    declared: "BLOB",
    pairs: [
      [Uint8Array.of(), "x''"],
      [Uint8Array.of(0, 255, 39), "x'00ff27'"],
      [Uint8Array.of(49), "x'31'"],
    ],
  },
  {
    type: new Dictionary(new Utf8(), new Int32()),
    declared: "TEXT",
    pairs: ["red", "", "\u010derven\u00e1"].map((text) => [text, `'${text}'`]),
  },
];

/** Two whole statements of the sink, and rows that are left over; no multiple of any list's length. */
const ROWS = 113;
const NULL: Pair = [null, "NULL"];

let folder: string;
let file: string;
beforeEach(() => {
  folder = makeFolder();
  file = path.join(folder, "out.db");
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function write(table: string, columns: readonly Extremes[], nulls: boolean): void {
  const options = optionsFor(file, "sqlite", { runId: `run-${table}`, table, commitRows: 2 * ROWS });
  const sink = openSqliteSink(options);
  sink.open();
  for (const from of [0, ROWS, 2 * ROWS]) {
    sink.write(
      batchOf(
        columns.map(({ type, pairs }, at) => ({
          name: `c${at}`,
          type,
          values: Array.from({ length: ROWS }, (_, row) => pairAt(pairs, from + row, nulls)[0]),
        })),
      ),
    );
  }
  sink.finish(recordOf(options.runId, 3 * ROWS));
}

function pairAt(pairs: readonly Pair[], row: number, nulls: boolean): Pair {
  const list = nulls ? [...pairs, NULL] : pairs;
  return list[row % list.length]!;
}

function writeLiterals(db: Database.Database, columns: readonly Extremes[], nulls: boolean): void {
  db.exec(`CREATE TABLE want (${columns.map(({ declared }, at) => `c${at} ${declared}`).join(", ")})`);
  const insert = db.transaction(() => {
    for (let row = 0; row < 3 * ROWS; row++)
      db.exec(`INSERT INTO want VALUES (${columns.map(({ pairs }) => pairAt(pairs, row, nulls)[1]).join(", ")})`);
  });
  insert();
}

/** Type, value and bytes of every cell, in the order of the rows. */
function cells(db: Database.Database, table: string, columns: number): unknown[] {
  const shown = Array.from({ length: columns }, (_, at) => `typeof(c${at}), quote(c${at}), hex(CAST(c${at} AS BLOB))`);
  return db
    .prepare(`SELECT ${shown.join(", ")} FROM "${table}" ORDER BY rowid`)
    .raw()
    .all();
}

describe("values at their limits", () => {
  // Too many for a statement of as many rows as usual. (The Arrow writer numbers dictionaries by their type: one each.)
  const plain = COLUMNS.filter(({ type }) => !(type instanceof Dictionary));
  const wide = Array.from({ length: 200 }, (_, at) => plain[at % plain.length]!);

  it.each([
    ["all there", COLUMNS, false],
    ["with nulls", COLUMNS, true],
    ["in two hundred columns", wide, true],
  ] as const)("%s, are stored as their literals are, in a new database and through a staging table", (_, columns, nulls) => {
    write("new", columns, nulls);
    write("staged", columns, nulls);
    const db = new Database(file);
    try {
      writeLiterals(db, columns, nulls);
      const want = cells(db, "want", columns.length);
      expect(cells(db, "new", columns.length)).toEqual(want);
      expect(cells(db, "staged", columns.length)).toEqual(want);
    } finally {
      db.close();
    }
  });

  it("keep the sign of no zero, because SQLite stores REALs that are whole as integers", () => {
    write("new", [COLUMNS.find(({ type }) => type instanceof Float64)!], false);
    const db = new Database(file);
    try {
      const zeros = db.prepare("SELECT c0 FROM new WHERE c0 = 0").pluck().all();
      expect(zeros.length).toBeGreaterThan(40);
      expect(zeros.filter((zero) => Object.is(zero, -0))).toEqual([]);
    } finally {
      db.close();
    }
  });
});
