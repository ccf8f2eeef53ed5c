/**
 * One row in a hundred is bad, in every way a cell or a record can be, and one row makes the model itself fail in the middle of a
 * batch of 4,096: exactly these are put aside, each with its row, line, byte, column and text, whatever the number of workers; and
 * their texts, mended, are input again. Places are counted here a second time, by the code that writes the file.
 */
import fs from "node:fs";
import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { COLUMNS, cellsOf, kindOf, line, model, ROWS, scoreOf } from "./planted.ts";

interface Place {
  row: number;
  line: number;
  byte: number;
  column: string;
  code: string;
}

let dir: Workdir;
const places: Place[] = [];
beforeAll(() => {
  dir = workdir();
  fs.writeFileSync(dir.file("model.onnx"), model());
  const records: Buffer[] = [Buffer.from(`${COLUMNS.join(",")}\n`)];
  let byte = records[0]!.length;
  let lines = 2;
  for (let row = 0; row < ROWS; row++) {
    const kind = kindOf(row);
    const record = Buffer.from(kind === null ? line(cellsOf(row)) : kind.bad(cellsOf(row)));
    if (kind !== null) places.push({ row, line: lines, byte, column: kind.column ?? "", code: kind.code });
    records.push(record, Buffer.from("\n"));
    byte += record.length + 1;
    lines += record.toString("latin1").split("\n").length;
  }
  fs.writeFileSync(dir.file("in.csv"), Buffer.concat(records));
});
afterAll(() => dir.remove());

function score(file: string, to: string, ...more: string[]): string[] {
  const args = ["run", "-m", dir.file("model.onnx"), "-i", file, "-o", to, "--keep", "id,name", "--on-error", "reject"];
  return [...args, "--batch-size", "4096", "--column-type", "name=utf8", "--encoding", "utf-8", "--json", ...more];
}

describe("a CSV with one bad row in a hundred", () => {
  it("exactly those are put aside, with their places, the same for 1 and 4 workers", async () => {
    for (const workers of [1, 4]) {
      const { code, stderr, json } = await batchpredict(
        score(dir.file("in.csv"), dir.file(`w${workers}.csv`), "--workers", `${workers}`, "--chunk-bytes", "64KiB"),
      );
      expect({ code, said: code === 0 ? "" : stderr }).toEqual({ code: 0, said: "" });
      const rejected = places.length;
      expect(json()).toMatchObject({ rows: { read: ROWS, predicted: ROWS - rejected, rejected } });
    }
    const rejects = parse(fs.readFileSync(dir.file("w1.rejects.csv")), { columns: true }) as Record<string, string>[];
    const found = rejects.map(({ row, line, byte, column, code }) => ({
      ...{ row: Number(row), line: Number(line), byte: Number(byte) },
      ...{ column, code },
    }));
    const shown = places.map((place) => (place.code === "BP_INFERENCE" ? { ...place, column: "" } : place));
    expect(found).toEqual(shown);
    for (const [at, { message: said }] of rejects.entries()) expect(said).toMatch(kindOf(places[at]!.row)!.said);
    for (const file of ["csv", "rejects.csv"])
      expect(fs.readFileSync(dir.file(`w4.${file}`)).equals(fs.readFileSync(dir.file(`w1.${file}`)))).toBe(true);
  });

  it("their texts under their own header, mended, are input again; with the rest they are the whole", async () => {
    const rejects = parse(fs.readFileSync(dir.file("w1.rejects.csv")), { columns: true }) as Record<string, string>[];
    const mended = rejects.map(({ raw, row }) => {
      const [id] = raw!.split(",");
      expect(id).toBe(row);
      return line(cellsOf(Number(id)));
    });
    fs.writeFileSync(dir.file("mended.csv"), `${[COLUMNS.join(","), ...mended].join("\n")}\n`);
    const { json } = await batchpredict(score(dir.file("mended.csv"), dir.file("w1.csv"), "--if-exists", "append"));
    expect(json()).toMatchObject({ rows: { read: places.length, predicted: places.length, rejected: 0 } });
    const rows = parse(fs.readFileSync(dir.file("w1.csv")), { columns: true }) as Record<string, string>[];
    const scores = new Map(rows.map(({ id, y }) => [Number(id), Number(y)]));
    expect(rows.length).toBe(ROWS);
    for (let row = 0; row < ROWS; row++) expect(scores.get(row)).toBe(scoreOf(row));
  });

  it("a file that is half bad stops long before its end, with the first reasons and the most frequent ones", async () => {
    const records = Array.from({ length: 200_000 }, (_, row) =>
      line({ ...cellsOf(row), name: "n", ...(row % 2 ? { f: "?" } : {}) }),
    );
    fs.writeFileSync(dir.file("half.csv"), `${[COLUMNS.join(","), ...records].join("\n")}\n`);
    const { code, stderr, json } = await batchpredict(
      score(dir.file("half.csv"), dir.file("half.out.csv"), "--max-rejects", "5%"),
    );
    expect(code).toBe(3);
    const { rows } = json<{ rows: { read: number } }>();
    expect(rows.read).toBeLessThan(records.length / 4);
    expect(stderr).toMatch(/^error BP_TOO_MANY_REJECTS: \d+ of \d+ rows were rejected, more than --max-rejects 5% allows\n/);
    expect(stderr).toMatch(/\n {2}actual: \d+ rows \(50\.0%\), most often BP_SOURCE_CELL in "f" \(\d+ rows\)\n/);
    expect(stderr).toMatch(
      /\n {2}problem BP_SOURCE_CELL: cannot read "\?" as float32.*\n {4}at .*half\.csv line 3 \(row 1, byte \d+\), column 3 "f"\n/,
    );
    expect(fs.existsSync(dir.file("half.out.csv"))).toBe(false);
  });
});
