/**
 * Record batches as one row group, made in memory as if it were a Parquet file of its own. Each column goes to the encoder that suits
 * it: numbers that do not compress to our own loops, all others together to the general encoder; then the column chunks are put
 * into one row group. @see isPlain
 */
import { type Field, makeData, RecordBatch, Schema, Struct } from "apache-arrow";
import { ARROW_SCHEMA_KEY } from "../../formats/parquet-arrow-schema.ts";
import { encodeFooter, FileMetaData, footerOf, MAGIC, type ParquetFooter } from "../../formats/parquet-footer.ts";
import { moveRowGroup, readRowGroup } from "../../formats/parquet-row-group.ts";
import { fieldsOf } from "../../formats/parquet-schema.ts";
import { encodeStruct, Thrift, type ThriftStruct, type ThriftValue } from "../../formats/thrift-compact.ts";
import { linear } from "../../values/linear-schema.ts";
import { PACKAGE_VERSION } from "../../version.ts";
import { toIpcStream } from "../prepare-batch.ts";
import { encodeAny } from "./encode-any.ts";
import { encodePlainChunk, isPlain } from "./encode-plain.ts";
import { plainType, schemaElement } from "./plain-types.ts";

const CREATED_BY = `batchpredict version ${PACKAGE_VERSION}`;

export interface EncodedRowGroup {
  /** Column chunks and their page indexes: the file without magic and footer. */
  body: Uint8Array;
  /** Offset of the body in the file that the footer speaks of. */
  bodyStart: number;
  footer: ParquetFooter;
  /** Magic and footer as a file of its own, from which the footer can be read again. */
  tail: Uint8Array;
}

/**
 * @param given all of this schema; no row at all gives a footer without row groups
 * @throws BP_OUTPUT_WRITE when the encoder fails, BP_ACCOUNTING when it wrote another number of rows
 */
export function encodeRowGroup(schema: Schema, given: readonly RecordBatch[], file: string): EncodedRowGroup {
  const batches = given.filter((batch) => batch.numRows > 0);
  const rows = batches.reduce((sum, batch) => sum + batch.numRows, 0);
  const plain = schema.fields.map((field, k) => isPlain(field, columnOf(batches, k), rows));
  const others = schema.fields.flatMap((_, k) => (plain[k] ? [] : [k]));
  const rest = others.length === 0 ? null : encodeAny(...select(schema, batches, others), file);
  const parts: Uint8Array[] = [];
  let place = MAGIC.length;
  let uncompressed = 0;
  // Encoded at once: as maps, the metadata of 10,000 columns takes longer to collect than to make.
  const chunks = schema.fields.map((field, k): Uint8Array | null => {
    if (!plain[k] || rows === 0) return null;
    const { bytes, meta } = encodePlainChunk(field, columnOf(batches, k), rows);
    meta.set(9, i64(place));
    parts.push(bytes);
    place += bytes.length;
    uncompressed += bytes.length;
    const chunk = new Map<number, ThriftValue>([
      [2, i64(0)],
      [3, { type: Thrift.Struct, value: meta }],
    ]);
    return encodeStruct(chunk).slice();
  });
  const body = Buffer.concat(rest === null ? parts : [...parts, rest.body]);
  const moved =
    rest === null || rows === 0 ? null : readRowGroup(moveRowGroup(rest.footer.rowGroups[0]!, place - rest.bodyStart, 0), file);
  const restFields = rest === null ? [] : fieldsOf(rest.footer);
  const columns: Uint8Array[] = [];
  const elements: ThriftStruct[] = [];
  let leaves = 0;
  let nextOther = 0;
  for (const [k, field] of schema.fields.entries()) {
    if (plain[k]) {
      elements.push(schemaElement(field, plainType(field.type)!));
      leaves++;
      if (rows > 0) columns.push(chunks[k]!);
      continue;
    }
    const { elementStart, elementEnd, leafStart, leafEnd } = restFields[nextOther++]!;
    elements.push(...rest!.footer.schema.slice(elementStart, elementEnd));
    leaves += leafEnd - leafStart;
    columns.push(...(moved?.chunks.slice(leafStart, leafEnd) ?? []));
  }
  const meta = fileMeta(schema, elements, leaves);
  const rowGroups = rows === 0 ? [] : [rowGroup(columns, rows, uncompressed + (moved?.bytes ?? 0), body.length)];
  const keyValues = new Map([[ARROW_SCHEMA_KEY, arrowSchemaText(schema)]]);
  const tail = Buffer.concat([MAGIC, encodeFooter(meta, { rows: BigInt(rows), rowGroups, keyValues })]);
  return { body, bodyStart: MAGIC.length, footer: footerOf(tail, file), tail };
}

/** Base64 of the schema as an IPC message: what Arrow's own writers store, and how readers learn of zones and dictionaries. */
export function arrowSchemaText(schema: Schema): string {
  const stream = toIpcStream([], schema);
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  // A continuation mark and the length of the message come first, the end-of-stream mark behind it.
  return Buffer.from(stream.buffer, stream.byteOffset, 8 + view.getUint32(4, true)).toString("base64");
}

function columnOf(batches: readonly RecordBatch[], k: number): RecordBatch["data"]["children"] {
  return batches.map((batch) => batch.data.children[k]!);
}

/** The same rows with these columns alone. */
function select(schema: Schema, batches: readonly RecordBatch[], columns: readonly number[]): [Schema, RecordBatch[]] {
  if (columns.length === schema.fields.length) return [schema, [...batches]];
  const fields: Field[] = columns.map((k) => schema.fields[k]!);
  const part = linear(new Schema(fields, schema.metadata));
  return [
    part,
    batches.map((batch) => {
      const children = columns.map((k) => batch.data.children[k]!);
      return new RecordBatch(part, makeData({ type: new Struct(fields), length: batch.numRows, nullCount: 0, children }));
    }),
  ];
}

function fileMeta(schema: Schema, elements: ThriftStruct[], leaves: number): ThriftStruct {
  const root: ThriftStruct = new Map<number, ThriftValue>([
    [4, { type: Thrift.Binary, value: Buffer.from("arrow_schema") }],
    [5, { type: Thrift.I32, value: schema.fields.length }],
  ]);
  const typeOrder: ThriftValue = {
    type: Thrift.Struct,
    value: new Map([[1, { type: Thrift.Struct, value: new Map() }]]),
  };
  return new Map<number, ThriftValue>([
    [1, { type: Thrift.I32, value: 1 }],
    [FileMetaData.schema, { type: Thrift.List, of: Thrift.Struct, value: [root, ...elements].map(struct) }],
    [6, { type: Thrift.Binary, value: Buffer.from(CREATED_BY) }],
    [FileMetaData.columnOrders, { type: Thrift.List, of: Thrift.Struct, value: new Array<ThriftValue>(leaves).fill(typeOrder) }],
  ]);
}

/** @param columns encoded ColumnChunk structs @param bytes of all column chunks as they are stored */
function rowGroup(columns: Uint8Array[], rows: number, uncompressed: number, bytes: number): Uint8Array {
  return encodeStruct(
    new Map<number, ThriftValue>([
      [1, { type: Thrift.List, of: Thrift.Struct, raw: columns }],
      [2, i64(uncompressed)],
      [3, i64(rows)],
      [5, i64(MAGIC.length)],
      [6, i64(bytes)],
      [7, { type: Thrift.I16, value: 0 }],
    ]),
  );
}

function struct(value: ThriftStruct): ThriftValue {
  return { type: Thrift.Struct, value };
}

function i64(value: number): ThriftValue {
  return { type: Thrift.I64, value: BigInt(value) };
}
