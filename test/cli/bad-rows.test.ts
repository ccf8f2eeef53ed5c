/** Bad rows: stop at the first with its place in the file, or put it aside with the reason. Places are counted here a second time. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import Database from "better-sqlite3";
import { parse } from "csv-parse/sync";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readParquet } from "../parquet.ts";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { HEADER, RECORDS, run, writeFlowers } from "./iris.ts";

const ROWS = 5000;
/** Rows with their mended text; long before and after a chunk's border of the smallest chunk size used below. */
const BAD: Record<number, { bad: string; code: string; column: string | null; mended: string }> = {
  17: { bad: '18,"5,1",3,1.4,0.2,setosa', code: "BP_SOURCE_CELL", column: "sepal_length", mended: "18,5.1,3,1.4,0.2,setosa" },
  2100: { bad: "2101,5", code: "BP_SOURCE_RECORD", column: "sepal_width", mended: "2101,5,3,1.4,0.2,setosa" },
  2101: { bad: "2102,5,3,1.4,0.2,setosa,extra", code: "BP_SOURCE_RECORD", column: null, mended: "2102,5,3,1.4,0.2,setosa" },
  4998: { bad: "4999,5,3,n/a,0.2,sét", code: "BP_SOURCE_CELL", column: "petal_length", mended: "4999,5,3,1.4,0.2,sét" },
};

let dir: Workdir;
let input: string;
beforeEach(() => {
  dir = workdir();
  // Row 5 spans two lines: rows and lines part company from there on.
  input = writeFlowers(
    dir,
    "in.csv",
    ROWS,
    (row, record) => BAD[row]?.bad ?? (row === 5 ? '6,5,3,1,1,"a\nb"' : `${row + 1}${record.slice(record.indexOf(","))}`),
  );
});
afterEach(() => dir.remove());

/** Line (1-based) and byte of a record, found by its text in the file. */
function place(record: string): { line: number; byte: number } {
  const bytes = readFileSync(input);
  const byte = bytes.indexOf(`\n${record}\n`) + 1;
  return { line: bytes.subarray(0, byte).toString("latin1").split("\n").length, byte };
}

function numbered(more: string[] = []): string[] {
  return [...more, "--chunk-bytes", "4096", "--workers", "2"];
}

describe("--on-error fail", () => {
  it("stops at the first bad row, with line, row, byte and column, and writes nothing", async () => {
    const { line, byte } = place(BAD[17]!.bad);
    expect(line).toBe(20);
    const { stderr, code, stdout } = await batchpredict(run(input, dir.file("out.parquet"), ...numbered()));
    expect(stderr).toBe(
      [
        'error BP_SOURCE_CELL: cannot read "5,1" as float32 for model input "features"',
        `  at ${input} line 20 (row 17, byte ${byte}), column 2 "sepal_length"`,
        '  expected: a number such as 12.5, 1e-3 or nan, with "." as the decimal mark',
        '  actual: "5,1"',
        ...stderr.split("\n").filter((text) => text.startsWith("  fix: ")),
        "",
      ].join("\n"),
    );
    expect(stderr).toContain("\n  fix: put bad rows aside with --on-error reject\n");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(readdirSync(dir.path)).toEqual(["in.csv"]);
  });

  it.each([2100, 2101, 4998])("row %i, when it is the first one wanted", async (row) => {
    const { line, byte } = place(BAD[row]!.bad);
    const { code, json } = await batchpredict(
      run(input, dir.file("out.db"), ...numbered(["--where-rows", `${row}..`, "--json"])),
    );
    const { error } = json<{ error: { code: string; where: Record<string, unknown> } }>();
    expect(error.code).toBe(BAD[row]!.code);
    expect(error.where).toMatchObject({ file: input, row, line, byte });
    expect(error.where.column ?? null).toBe(BAD[row]!.column);
    expect(code).toBe(1);
    expect(readdirSync(dir.path)).toEqual(["in.csv"]);
  });

  it("an unclosed quote names the line where it was opened", async () => {
    writeFlowers(dir, "open.csv", ROWS, (row, record) => (row === 3000 ? `"${record}` : record));
    const text = readFileSync(dir.file("open.csv"), "utf8");
    const line = text.slice(0, text.indexOf('"')).split("\n").length;
    expect(line).toBe(3002);
    for (const onError of ["fail", "reject"]) {
      const { stderr, code } = await batchpredict(run(dir.file("open.csv"), dir.file("out.csv"), "--on-error", onError));
      expect(stderr).toMatch(/^error BP_SOURCE_LIMIT: a quoted field is never closed\n/);
      expect(stderr).toContain(`open.csv line ${line} `);
      expect(stderr).toContain("--quote none");
      expect(code === 1 || code === 2).toBe(true);
      expect(readdirSync(dir.path).sort()).toEqual(["in.csv", "open.csv"]);
    }
  });
});

interface Reject {
  row: number;
  line: number;
  byte: number;
  column: string | null;
  code: string;
  message: string;
  raw: string;
}

/** What must be put aside, in order. */
function expected(): Omit<Reject, "message">[] {
  return Object.entries(BAD).map(([row, { bad, code, column }]) => ({ row: Number(row), ...place(bad), column, code, raw: bad }));
}

describe("--on-error reject", () => {
  it("puts bad rows aside in a CSV, which after mending is input again", async () => {
    const output = dir.file("out.csv");
    const first = await batchpredict(run(input, output, ...numbered(["--on-error", "reject", "--json"])));
    expect(first.code).toBe(0);
    expect(first.json()).toMatchObject({
      rows: { read: ROWS, predicted: ROWS - 4, rejected: 4 },
      rejects: { path: dir.file("out.rejects.csv"), rows: 4 },
    });
    expect(readdirSync(dir.path).sort()).toEqual(["in.csv", "out.csv", "out.rejects.csv"]);
    const text = readFileSync(dir.file("out.rejects.csv"), "utf8");
    expect(text.split("\n")[0]).toBe("row,line,byte,column,code,message,raw");
    const rejects = parse(text, { columns: true }) as Record<keyof Reject, string>[];
    expect(
      rejects.map(({ row, line, byte, column, code, raw }) => ({
        row: Number(row),
        line: Number(line),
        byte: Number(byte),
        column: column || null,
        code,
        raw,
      })),
    ).toEqual(expected());
    expect(rejects.map(({ message }) => message)).toEqual([
      expect.stringContaining('cannot read "5,1" as float32'),
      expect.stringContaining("the record has only 2 of 6 cells"),
      expect.stringContaining("the record has 7 cells, 1 more than there are columns"),
      expect.stringContaining('cannot read "n/a" as float32'),
    ]);

    writeFileSync(dir.file("mended.csv"), [HEADER, ...Object.values(BAD).map(({ mended }) => mended), ""].join("\n"));
    const second = await batchpredict(run(dir.file("mended.csv"), output, "--if-exists", "append", "--json"));
    expect(second.json()).toMatchObject({ rows: { read: 4, predicted: 4, rejected: 0 }, rejects: null });
    const ids = (parse(readFileSync(output), { columns: true }) as { id: string }[]).map(({ id }) => Number(id));
    expect(ids.length).toBe(ROWS);
    expect(new Set(ids).size).toBe(ROWS);
  });

  it("the rejects file itself is a CSV that the tool reads", async () => {
    await batchpredict(run(input, dir.file("out.parquet"), "--on-error", "reject"));
    const { code, json } = await batchpredict(["inspect", dir.file("out.rejects.csv"), "--json"]);
    expect(code).toBe(0);
    expect(json<{ columns: { name: string }[] }>().columns.map(({ name }) => name)).toEqual([
      "row",
      "line",
      "byte",
      "column",
      "code",
      "message",
      "raw",
    ]);
    expect((await readParquet(dir.file("out.parquet"))).length).toBe(ROWS - 4);
  });

  it("puts them into a table beside the predictions in SQLite", async () => {
    const { code, json } = await batchpredict(run(input, dir.file("out.db"), ...numbered(["--on-error", "reject", "--json"])));
    expect(code).toBe(0);
    expect(readdirSync(dir.path).sort()).toEqual(["in.csv", "out.db"]);
    const db = new Database(dir.file("out.db"), { readonly: true });
    const rejects = db.prepare('SELECT "row", line, byte, "column", code, raw FROM predictions_rejects ORDER BY "row"').all();
    const { rows } = db.prepare("SELECT count(*) AS rows FROM predictions").get() as { rows: number };
    const run_id = db.prepare("SELECT DISTINCT run_id FROM predictions_rejects").all();
    db.close();
    expect(rejects).toEqual(expected());
    expect(rows).toBe(ROWS - 4);
    expect(run_id).toEqual([{ run_id: json().run_id }]);
  });

  it.each(["3", "0.01%"])("--max-rejects %s fails the run with exit 3 and leaves nothing", async (limit) => {
    const { stderr, code } = await batchpredict(
      run(input, dir.file("new/out.parquet"), "--on-error", "reject", "--max-rejects", limit),
    );
    expect(stderr).toMatch(/^error BP_TOO_MANY_REJECTS: \d of \d+ rows were rejected, more than --max-rejects [\d.%]+ allows\n/);
    expect(stderr).toMatch(/\n {2}fix: raise --max-rejects/);
    expect(code).toBe(3);
    expect(readdirSync(dir.path)).toEqual(["in.csv"]);
  });

  it("--max-rejects 4 allows four", async () => {
    expect((await batchpredict(run(input, dir.file("out.csv"), "--on-error", "reject", "--max-rejects", "4"))).code).toBe(0);
  });
});

it("inf and nan are numbers, empty cells become nan or are refused by --missing reject", async () => {
  const odd: Record<number, string> = { 1: "2,inf,3,1,1,x", 2: "3,-Infinity,3,1,1,x", 3: "4,NaN,3,1,1,x", 4: "5,,3,1,1,x" };
  const file = writeFlowers(dir, "odd.csv", 6, (row) => odd[row] ?? RECORDS[row]!);
  const done = await batchpredict(run(file, dir.file("odd.parquet"), "--keep", "none", "--json"));
  expect(done.json()).toMatchObject({ rows: { read: 6, predicted: 6, rejected: 0 } });
  const scores = (await readParquet(dir.file("odd.parquet"))).map((row) => Number(row.variable));
  expect(scores.map((score) => (Number.isFinite(score) ? "finite" : Math.abs(score)))).toEqual([
    "finite",
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    Number.NaN,
    Number.NaN,
    "finite",
  ]);
  expect(done.stderr).toContain('column "sepal_length": 1 missing value filled as --missing says');
  const refused = await batchpredict(run(file, dir.file("no.csv"), "--missing", "reject"));
  expect(refused.stderr).toMatch(/^error BP_SOURCE_CELL: /);
  expect(refused.stderr).toContain(`odd.csv line 6 (row 4, byte `);
  expect(refused.stderr).toContain("--missing");
  expect(refused.code).toBe(1);
  const filled = await batchpredict(run(file, dir.file("filled.csv"), "--missing", "5.0", "--quiet"));
  expect(filled.code).toBe(0);
  expect(readFileSync(dir.file("filled.csv"), "utf8").split("\n")[5]).not.toContain("nan");
});
