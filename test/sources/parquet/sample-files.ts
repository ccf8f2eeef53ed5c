/** Real Parquet files for tests: some made with parquet-wasm directly, some collected ones. */
import fs from "node:fs";
import path from "node:path";
import {
  Field,
  Float32,
  Float64,
  Int32,
  List,
  RecordBatchStreamWriter,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { Table as WasmTable, WriterPropertiesBuilder, writeParquet } from "parquet-wasm";

export const MATERIAL = path.resolve(import.meta.dirname, "../../../../shared/material/parquet");

interface ReadResult {
  rows?: number;
  error?: string;
}

export interface MaterialFile {
  file: string;
  path: string;
  pyarrow: ReadResult;
}

/** Empty, with a loud line, where the collection is absent. */
export function materialFiles(): MaterialFile[] {
  const index = path.join(MATERIAL, "READ_RESULTS.json");
  if (!fs.existsSync(index)) {
    console.warn(`SKIPPED: no collection of Parquet files at ${MATERIAL}`);
    return [];
  }
  const entries = JSON.parse(fs.readFileSync(index, "utf8")) as { file: string; pyarrow?: ReadResult }[];
  return entries
    .map(({ file, pyarrow }) => ({ file, path: path.join(MATERIAL, file), pyarrow: pyarrow ?? {} }))
    .filter((entry) => fs.existsSync(entry.path));
}

/** id, a name with a dot and an umlaut, a text with nulls, a struct, a list. */
export function sampleTable(rows: number, first = 0): Table {
  const ids = Array.from({ length: rows }, (_, row) => first + row);
  const pair = new Struct([new Field("a", new Int32(), true), new Field("b", new Utf8(), true)]);
  return new Table({
    id: vectorFromArray(ids, new Int32()),
    "größe.m": vectorFromArray(
      ids.map((id) => id * 1.5),
      new Float64(),
    ),
    name: vectorFromArray(
      ids.map((id) => (id % 3 === 0 ? null : `n${id}`)),
      new Utf8(),
    ),
    pair: vectorFromArray(
      ids.map((id) => ({ a: id, b: `b${id}` })),
      pair,
    ),
    values: vectorFromArray(
      ids.map((id) => [id, id + 0.5]),
      new List(new Field("item", new Float32(), true)),
    ),
  });
}

export function parquetOf(table: Table, rowGroupRows: number): Buffer {
  const properties = new WriterPropertiesBuilder()
    .setMaxRowGroupSize(rowGroupRows)
    .setDictionaryEnabled(rowGroupRows < 1000)
    .build();
  return Buffer.from(writeParquet(WasmTable.fromIPCStream(tableToIPC(table, "stream")), properties));
}

export function sampleParquet({ rows, rowGroupRows, first = 0 }: { rows: number; rowGroupRows: number; first?: number }): Buffer {
  return parquetOf(sampleTable(rows, first), rowGroupRows);
}

export function ipcOf(table: Table): Uint8Array<ArrayBuffer> {
  const writer = new RecordBatchStreamWriter();
  for (const batch of table.batches) writer.write(batch);
  writer.finish();
  return writer.toUint8Array(true) as Uint8Array<ArrayBuffer>;
}
