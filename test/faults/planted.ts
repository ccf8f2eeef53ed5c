/**
 * Rows for a model in which every input counts, one in a hundred of them bad in one of the ways a cell or a record can be, and one
 * that makes the model itself fail. The same rows are bad in every kind of file that can hold them.
 */
import { initializer, input, int, message, modelBytes, node, output, text } from "../model/made-model.ts";

export const ROWS = 20_000;
const EVERY = 100;
/** In the second batch of the fifth thousand: neighbours before and behind it are good. */
const FAILS_IN_THE_MODEL = 5_050;
const [FLOAT, INT32, INT64, BOOL] = [1, 6, 7, 9];
export const COLUMNS = ["id", "name", "f", "i", "l", "b", "g"];

/** y = f + i + l + b + table[g], so that every input counts; a g beyond the table fails the batch it is in. */
export function model(): Uint8Array {
  const cast = (from: string, to: string) => node("Cast", [from], [to], "", message(5, text(1, "to"), int(3, FLOAT), int(20, 2)));
  const add = (a: string, b: string, to: string) => node("Add", [a, b], [to]);
  return modelBytes({
    graph: [
      initializer("table", [0, 10, 20, 30]),
      node("Gather", ["table", "g"], ["tg"]),
      ...["i", "l", "b"].map((name) => cast(name, `${name}f`)),
      add("f", "if", "s1"),
      add("s1", "lf", "s2"),
      add("s2", "bf", "s3"),
      add("s3", "tg", "y"),
      ...Object.entries({ f: FLOAT, i: INT32, l: INT64, b: BOOL, g: INT64 }).map(([name, type]) => input(name, type, ["n", 1])),
      output("y", FLOAT, ["n", 1]),
    ],
  });
}

export type Cells = Record<string, string>;
export interface Kind {
  /** The record as CSV. */
  bad(cells: Cells): string | Buffer;
  /** The cell alone, where it is one that every kind of file can hold. */
  cell?: { column: string; value: string };
  /** The line as JSON, where it is no good cell that makes it bad. */
  json?(line: string): Buffer;
  code: string;
  column: string | null;
  said: RegExp;
}

export const line = (cells: Cells): string => COLUMNS.map((name) => cells[name]).join(",");
const cell = (column: string, value: string, said: RegExp, code = "BP_SOURCE_CELL"): Kind => ({
  bad: (cells) => line({ ...cells, [column]: value }),
  cell: { column, value },
  code,
  column,
  said,
});
const KINDS: Kind[] = [
  cell("f", "n/a", /cannot read "n\/a" as float32/),
  cell("f", "1.5.2", /cannot read "1\.5\.2" as float32/),
  cell("i", "3000000000", /cannot read "3000000000" as int32/),
  cell("i", "1.5", /cannot read "1\.5" as int32/),
  cell("i", "", /no value for model input "i"/),
  cell("l", "9223372036854775808", /cannot read "9223372036854775808" as int64/),
  cell("b", "maybe", /cannot read "maybe" as bool/),
  {
    bad: ({ id, name }) => `${id},${name}`,
    json: (whole) => Buffer.from(whole.slice(0, whole.indexOf('"f"'))),
    code: "BP_SOURCE_RECORD",
    column: "f",
    said: /has only 2 of 7 cells/,
  },
  { bad: (cells) => `${line(cells)},more`, code: "BP_SOURCE_RECORD", column: null, said: /has 8 cells, 1 more/ },
  // Behind its closing quote a cell goes on: a text is taken as it stands, a number is none.
  cell("f", '"1"2', /cannot read "\\"1\\"2" as float32/),
  {
    bad: (cells) => Buffer.from(line({ ...cells, name: "\u00ff\u00fe" }), "latin1"),
    json: (whole) => Buffer.from(whole.replace(/"name":"[^"]*"/, '"name":"\u00ff\u00fe"'), "latin1"),
    code: "BP_SOURCE_CELL",
    column: "name",
    said: /not UTF-8/,
  },
];
export const IN_THE_MODEL: Kind = cell("g", "4", /the model cannot predict this row/, "BP_INFERENCE");

export function cellsOf(row: number): Cells {
  // Every 37th record spans two lines: rows and lines part company.
  const name = row % 37 === 5 ? '"two\nlines"' : `n${row}`;
  return {
    id: `${row}`,
    name,
    f: `${row / 4}`,
    i: `${row % 100}`,
    l: `${row % 7}`,
    b: row % 2 ? "true" : "false",
    g: `${row % 4}`,
  };
}

export function kindOf(row: number): Kind | null {
  if (row === FAILS_IN_THE_MODEL) return IN_THE_MODEL;
  return row % EVERY === 42 ? KINDS[Math.floor(row / EVERY) % KINDS.length]! : null;
}

/** What the model must say of a good row. */
export function scoreOf(row: number): number {
  const { f, i, l, b, g } = cellsOf(row);
  return Number(f) + Number(i) + Number(l) + (b === "true" ? 1 : 0) + Number(g) * 10;
}
