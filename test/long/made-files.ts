/** The rows of made-rows.ts as an Arrow file and as a Parquet file: int64 id and 20 columns of float64. */
import { closeSync, openSync, writeSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import {
  Field,
  Float64,
  Int64,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Schema,
  Struct,
} from "apache-arrow";
import { Compression, transformParquetStream, Table as WasmTable, WriterPropertiesBuilder } from "parquet-wasm";
import { COLUMNS, cellOf } from "./made-rows.ts";

/** Rows of a record batch, as pyarrow cuts files at the most. */
const BATCH_ROWS = 65_536;
/** DuckDB's; a group is read as one. */
const GROUP_ROWS = 122_880;

const names = Array.from({ length: COLUMNS }, (_, column) => `f${String(column).padStart(2, "0")}`);
const schema = new Schema([new Field("id", new Int64()), ...names.map((name) => new Field(name, new Float64()))]);

function* batches(rows: number): Generator<RecordBatch> {
  for (let start = 0; start < rows; start += BATCH_ROWS) {
    const length = Math.min(BATCH_ROWS, rows - start);
    const id = BigInt64Array.from({ length }, (_, at) => BigInt(start + at));
    const cells = names.map((_, column) => Float64Array.from({ length }, (_, at) => cellOf(start + at, column)));
    const children = [
      makeData({ type: new Int64(), length, nullCount: 0, data: id }),
      ...cells.map((data) => makeData({ type: new Float64(), length, nullCount: 0, data })),
    ];
    yield new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }));
  }
}

/** The library's own queue would hold the whole file. */
class SyncWriter extends RecordBatchFileWriter {
  constructor(private readonly fd: number) {
    super();
  }

  protected override _write(chunk: Parameters<RecordBatchFileWriter["_write"]>[0]): this {
    const { buffer, byteOffset, byteLength } = chunk as Uint8Array;
    for (let done = 0; done < byteLength; )
      done += writeSync(this.fd, new Uint8Array(buffer, byteOffset + done, byteLength - done));
    this._position += byteLength;
    return this;
  }
}

/** In record batches of 65,536 rows, uncompressed. */
export async function writeArrowFile(file: string, rows: number): Promise<void> {
  const fd = openSync(file, "w");
  const writer = new SyncWriter(fd);
  for (const batch of batches(rows)) writer.write(batch);
  writer.finish();
  closeSync(fd);
}

/** By a writer that is not ours, as most files are made: snappy, row groups of 122,880 rows; every second column has a dictionary. */
export async function writeParquetFile(file: string, rows: number): Promise<void> {
  const source = batches(rows);
  const stream = new ReadableStream({
    pull(controller) {
      const { value } = source.next();
      if (value === undefined) return controller.close();
      const writer = new RecordBatchStreamWriter();
      writer.reset(undefined, schema);
      writer.write(value);
      writer.finish();
      for (const batch of WasmTable.fromIPCStream(writer.toUint8Array(true)).recordBatches()) controller.enqueue(batch);
    },
  });
  let properties = new WriterPropertiesBuilder()
    .setCompression(Compression.SNAPPY)
    .setMaxRowGroupSize(GROUP_ROWS)
    .setDictionaryEnabled(false);
  for (const name of names.filter((_, column) => column % 2 === 0))
    properties = properties.setColumnDictionaryEnabled(name, true);
  await writeFile(file, await transformParquetStream(stream, properties.build()));
}
