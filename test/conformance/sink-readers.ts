/** Reading outputs back with libraries that had no part in writing them, cells in one canonical text per kind. */
import fs from "node:fs";
import { tableFromIPC } from "apache-arrow";
import Database from "better-sqlite3";
import { parse } from "csv-parse/sync";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { SinkFormat } from "../../src/core/sink.ts";

export type Kind = "int64" | "float32" | "utf8" | "bool";

/** @returns one record per row; ints as decimal text, floats as the text of the float32, null as null */
export async function readBack(
  file: string,
  format: SinkFormat,
  kinds: Record<string, Kind>,
): Promise<Record<string, string | null>[]> {
  const rows = await READERS[format](file);
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, canonical(kinds[name] ?? "utf8", value)])),
  );
}

type Row = Record<string, unknown>;

const READERS: Record<SinkFormat, (file: string) => Promise<Row[]> | Row[]> = {
  sqlite: (file) => readTable(file, "predictions"),
  csv: (file) =>
    parse(fs.readFileSync(file), {
      columns: true,
      cast: (text, { quoting, header }) => (!header && text === "" && !quoting ? null : text),
    }) as Row[],
  jsonl: (file) => readJsonLines(file),
  arrow: (file) =>
    tableFromIPC(fs.readFileSync(file))
      .toArray()
      .map((row) => row.toJSON() as Row),
  parquet: async (file) => (await parquetReadObjects({ file: await asyncBufferFromFile(file), compressors })) as Row[],
};

/** Long digits become text before JSON.parse can round them. */
export function readJsonLines(file: string): Row[] {
  const lines = fs.readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line.replace(/(?<=":)-?\d{16,}(?=[,}])/g, '"$&"')) as Row);
}

export function readTable(file: string, table: string): Row[] {
  const db = new Database(file, { readonly: true });
  try {
    return db
      .prepare(`SELECT * FROM "${table.replaceAll('"', '""')}"`)
      .safeIntegers()
      .all() as Row[];
  } finally {
    db.close();
  }
}

function canonical(kind: Kind, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (kind === "float32") {
    const text = String(value).replace(/inf(inity)?/i, "Infinity");
    return String(Math.fround(Number(text)));
  }
  if (kind === "bool") return /^(true|1)$/.test(String(value)) ? "true" : "false";
  return String(value);
}
