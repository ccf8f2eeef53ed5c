/** The benchmark's data, written once per folder: the same bytes on every machine. */
import { once } from "node:events";
import { createWriteStream, existsSync, renameSync } from "node:fs";
import path from "node:path";
import { Field, Float64, Int64, makeData, RecordBatch, RecordBatchStreamWriter, Schema, Struct } from "apache-arrow";
import { FEATURES, random } from "./models.ts";

const BATCH_ROWS = 65_536;
const WORDS = [
  "alpha",
  "beta, with comma",
  'gamma "quoted"',
  "delta",
  "épsilon",
  "a longer text of some forty characters",
  "",
  "zeta",
];

export const names = Array.from({ length: FEATURES }, (_, at) => `f${at}`);

/** Row after row of FEATURES numbers of four decimals from -3 to 3, most of them near 0. */
export function* featureRows(rows: number): Generator<Float64Array> {
  const next = random(7);
  const row = new Float64Array(FEATURES);
  for (let at = 0; at < rows; at++) {
    for (let column = 0; column < FEATURES; column++)
      row[column] = Math.round((next() + next() + next() - 1.5) * 20_000) / 10_000;
    yield row;
  }
}

/** id and 20 decimals. */
export function numericCsv(folder: string, rows: number): Promise<string> {
  return made(path.join(folder, `numeric-${rows}.csv`), async (write) => {
    await write(`id,${names.join(",")}\n`);
    let at = 0;
    for (const row of featureRows(rows)) await write(`${at++},${row.join(",")}\n`);
  });
}

/** 40 columns: id, 20 decimals with 5 % missing, 8 integers, 6 texts with quotes, 5 dates. */
export function mixedCsv(folder: string, rows: number): Promise<string> {
  return made(path.join(folder, `mixed-${rows}.csv`), async (write) => {
    const columns = ["id", ...names, ...many("n", 8), ...many("text", 6), ...many("day", 5)];
    await write(`${columns.join(",")}\n`);
    const next = random(11);
    const quoted = (text: string): string => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    let at = 0;
    for (const row of featureRows(rows)) {
      const numbers = Array.from(row, (value) => (next() < 0.05 ? "" : value));
      const whole = many("", 8).map(() => Math.floor(next() * 1e6));
      const texts = many("", 6).map(() => quoted(WORDS[Math.floor(next() * WORDS.length)]!));
      const days = many("", 5).map(() => `2026-${two(1 + next() * 12)}-${two(1 + next() * 28)}`);
      await write(`${[at++, ...numbers, ...whole, ...texts, ...days].join(",")}\n`);
    }
  });
}

/** The numeric data as an Arrow IPC stream of float64 columns in batches of 65,536 rows. */
export async function numericArrow(folder: string, rows: number): Promise<string> {
  const file = path.join(folder, `numeric-${rows}.arrows`);
  if (existsSync(file)) return file;
  const out = createWriteStream(`${file}.part`);
  const fields = [new Field("id", new Int64()), ...names.map((name) => new Field(name, new Float64()))];
  const schema = new Schema(fields);
  const writer = new RecordBatchStreamWriter();
  writer.reset(undefined, schema);
  const source = featureRows(rows);
  for (let start = 0; start < rows; start += BATCH_ROWS) {
    const length = Math.min(BATCH_ROWS, rows - start);
    const columns = names.map(() => new Float64Array(length));
    for (let at = 0; at < length; at++) {
      const row = source.next().value as Float64Array;
      for (let column = 0; column < FEATURES; column++) columns[column]![at] = row[column]!;
    }
    const ids = BigInt64Array.from({ length }, (_, at) => BigInt(start + at));
    const children = [
      makeData({ type: new Int64(), length, nullCount: 0, data: ids }),
      ...columns.map((data) => makeData({ type: new Float64(), length, nullCount: 0, data })),
    ];
    writer.write(new RecordBatch(schema, makeData({ type: new Struct(fields), length, nullCount: 0, children })));
    for (const bytes of drain(writer)) if (!out.write(bytes)) await once(out, "drain");
  }
  writer.finish();
  for (const bytes of drain(writer)) out.write(bytes);
  out.end();
  await once(out, "close");
  renameSync(`${file}.part`, file);
  return file;
}

/** What the writer holds by now. */
function drain(writer: RecordBatchStreamWriter): Uint8Array[] {
  const sink = (writer as unknown as { _sink: { _values: Uint8Array[] } })._sink;
  return sink._values.splice(0);
}

async function made(file: string, fill: (write: (text: string) => Promise<void>) => Promise<void>): Promise<string> {
  if (existsSync(file)) return file;
  const out = createWriteStream(`${file}.part`);
  let held = "";
  await fill(async (text) => {
    held += text;
    if (held.length < 1 << 20) return;
    if (!out.write(held)) await once(out, "drain");
    held = "";
  });
  out.end(held);
  await once(out, "close");
  renameSync(`${file}.part`, file);
  return file;
}

function many(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${name}${at}`);
}

function two(value: number): string {
  return String(Math.floor(value)).padStart(2, "0");
}
