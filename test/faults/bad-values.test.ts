/**
 * The rows that bad-cells.test.ts plants in a CSV, as JSON Lines, Arrow and Parquet: exactly the same rows are put aside, as far as the
 * format can hold what is bad about them, by line and byte of a text and by row of a table, the same for 1 and 4 workers.
 */
import fs from "node:fs";
import {
  Float64,
  Int64,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Table,
  Uint64,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { parse } from "csv-parse/sync";
import { Compression, Table as WasmTable, WriterPropertiesBuilder, writeParquet } from "parquet-wasm";
import { afterAll, beforeAll, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { type Cells, cellsOf, IN_THE_MODEL, type Kind, kindOf, model, ROWS, scoreOf } from "./planted.ts";

/** Rows of a record batch, of a row group. */
const PIECE_ROWS = 3_000;

interface Place {
  row: string;
  line: string;
  byte: string;
  column: string;
  code: string;
}

let dir: Workdir;
const places: Record<string, Place[]> = {};
beforeAll(() => {
  dir = workdir();
  fs.writeFileSync(dir.file("model.onnx"), model());
  places.jsonl = writeLines(dir.file("in.jsonl"));
  const table = tableOf();
  const writer = new RecordBatchFileWriter();
  const stream = new RecordBatchStreamWriter();
  for (let row = 0; row < ROWS; row += PIECE_ROWS)
    for (const batch of table.slice(row, row + PIECE_ROWS).batches) writer.write(batch);
  writer.finish();
  fs.writeFileSync(dir.file("in.arrow"), writer.toUint8Array(true));
  stream.writeAll(table);
  const properties = new WriterPropertiesBuilder().setCompression(Compression.SNAPPY).setMaxRowGroupSize(PIECE_ROWS).build();
  fs.writeFileSync(dir.file("in.parquet"), writeParquet(WasmTable.fromIPCStream(stream.toUint8Array(true)), properties));
  const ofRows = planted(isCell).map(({ row, kind }) => ({ ...placeOf(row, kind), line: "", byte: "" }));
  places.arrow = ofRows;
  places.parquet = ofRows;
});
afterAll(() => dir.remove());

const isCell = (kind: Kind): boolean => kind.cell !== undefined;

function planted(held: (kind: Kind) => boolean): { row: number; kind: Kind }[] {
  return Array.from({ length: ROWS }, (_, row) => ({ row, kind: kindOf(row) })).filter(
    (each): each is { row: number; kind: Kind } => each.kind !== null && held(each.kind),
  );
}

function placeOf(row: number, kind: Kind): Pick<Place, "row" | "column" | "code"> {
  return { row: `${row}`, column: kind === IN_THE_MODEL ? "" : (kind.column ?? ""), code: kind.code };
}

/** With what is bad of it, where that is a cell. */
function valuesOf(row: number): Cells {
  const kind = kindOf(row);
  const name = `n${row}`;
  return { ...cellsOf(row), name, ...(kind?.cell ? { [kind.cell.column]: kind.cell.value } : {}) };
}

function writeLines(file: string): Place[] {
  const parts: Buffer[] = [];
  const found: Place[] = [];
  let byte = 0;
  let line = 1;
  for (let row = 0; row < ROWS; row++) {
    const kind = kindOf(row);
    const { id, name, f, i, l, b, g } = valuesOf(row);
    const texts = { f: /^[\d.]+$/.test(f!) && Number.isFinite(Number(f)) ? f : JSON.stringify(f), i: i === "" ? "null" : i };
    const truth = b === "true" || b === "false" ? b : JSON.stringify(b);
    const good = `{"id":${id},"name":"${name}","f":${texts.f},"i":${texts.i},"l":${l},"b":${truth},"g":${g}}`;
    if (kind && (kind.cell || kind.json)) {
      // A line that is no JSON, or no text, has no columns.
      const whole = kind.json ? { column: "", code: "BP_SOURCE_RECORD" } : {};
      found.push({ ...placeOf(row, kind), line: `${line}`, byte: `${byte}`, ...whole });
    }
    // An empty line is no row: rows and lines part company.
    const text = Buffer.concat([kind?.json?.(good) ?? Buffer.from(good), Buffer.from(row % 37 === 5 ? "\n\n" : "\n")]);
    parts.push(text);
    byte += text.length;
    line += row % 37 === 5 ? 2 : 1;
  }
  fs.writeFileSync(file, Buffer.concat(parts));
  return found;
}

/** `i` as float64 and `l` as uint64 hold what int32 and int64 do not; `f` and `b` are texts. */
function tableOf(): Table {
  const rows = Array.from({ length: ROWS }, (_, row) => valuesOf(row));
  const texts = (name: string): string[] => rows.map((cells) => cells[name]!);
  const columns = {
    id: vectorFromArray(
      rows.map(({ id }) => BigInt(id!)),
      new Int64(),
    ),
    name: vectorFromArray(texts("name"), new Utf8()),
    f: vectorFromArray(texts("f"), new Utf8()),
    i: vectorFromArray(
      rows.map(({ i }) => (i === "" ? null : Number(i))),
      new Float64(),
    ),
    l: vectorFromArray(
      rows.map(({ l }) => BigInt(l!)),
      new Uint64(),
    ),
    b: vectorFromArray(texts("b"), new Utf8()),
    g: vectorFromArray(
      rows.map(({ g }) => BigInt(g!)),
      new Int64(),
    ),
  };
  return new Table(columns);
}

it.each(["jsonl", "arrow", "parquet"])(
  "exactly the planted rows of .%s are put aside, the same for 1 and 4 workers",
  async (format) => {
    const rejected = places[format]!.length;
    expect(rejected).toBeGreaterThan(ROWS / 200);
    for (const workers of ["1", "4"]) {
      const args = [
        "run",
        "-m",
        "model.onnx",
        "-i",
        `in.${format}`,
        "-o",
        `${format}-${workers}.csv`,
        "--keep",
        "id,name",
        "--on-error",
        "reject",
      ];
      args.push("--batch-size", "4096", "--chunk-bytes", "64KiB", "--json", "--workers", workers);
      if (format === "jsonl") args.push("--encoding", "utf-8");
      const { code, stderr, json } = await batchpredict(args, { cwd: dir.path });
      expect({ code, said: code === 0 ? "" : stderr }).toEqual({ code: 0, said: "" });
      expect(json()).toMatchObject({ rows: { read: ROWS, predicted: ROWS - rejected, rejected } });
    }
    const rejects = parse(fs.readFileSync(dir.file(`${format}-1.rejects.csv`)), { columns: true }) as (Place &
      Record<"raw" | "message", string>)[];
    expect(rejects.map(({ row, line, byte, column, code }) => ({ row, line, byte, column, code }))).toEqual(places[format]);
    for (const { row, raw, message } of rejects) {
      // What stood there, as JSON that can be mended and read again, but for a line that was none.
      expect(raw).toMatch(new RegExp(`^{"id":"?${row}"?,`));
      const { cell } = kindOf(Number(row))!;
      if (cell !== undefined && cell.value !== "") expect(raw).toContain(cell.value.replaceAll(/"/g, '\\"'));
      if (cell?.value === "maybe") expect(message).toMatch(/^cannot read "+maybe"+ as bool for model input "b"/);
    }
    for (const file of ["csv", "rejects.csv"])
      expect(fs.readFileSync(dir.file(`${format}-4.${file}`)).equals(fs.readFileSync(dir.file(`${format}-1.${file}`)))).toBe(
        true,
      );
    const bad = new Set(rejects.map(({ row }) => Number(row)));
    const scores = parse(fs.readFileSync(dir.file(`${format}-1.csv`)), { columns: true }) as Record<string, string>[];
    const good = Array.from({ length: ROWS }, (_, row) => row).filter((row) => !bad.has(row));
    expect(scores.map(({ id, y }) => [Number(id), Number(y)])).toEqual(good.map((row) => [row, scoreOf(row)]));
  },
);
