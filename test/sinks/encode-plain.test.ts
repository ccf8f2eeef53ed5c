/** Our own Parquet loops against the general encoder: the same schema byte for byte, the same statistics, the same values back. */
import {
  type Data,
  type DataType,
  DateDay,
  Field,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  tableFromIPC,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import fc from "fast-check";
import { parquetMetadata } from "hyparquet";
import { readParquet } from "parquet-wasm";
import { describe, expect, it } from "vitest";
import { structs, text } from "../../src/formats/parquet-footer.ts";
import { encodeStruct } from "../../src/formats/thrift-compact.ts";
import { encodeAny } from "../../src/sinks/parquet/encode-any.ts";
import { isPlain } from "../../src/sinks/parquet/encode-plain.ts";
import { type EncodedRowGroup, encodeRowGroup } from "../../src/sinks/parquet/encode-row-group.ts";

type Values =
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

const KINDS: Record<
  string,
  { type: DataType; make: (values: (number | bigint)[]) => Values; value: fc.Arbitrary<number | bigint> }
> = {
  i8: { type: new Int8(), make: (v) => Int8Array.from(v as number[]), value: fc.integer({ min: -128, max: 127 }) },
  i16: { type: new Int16(), make: (v) => Int16Array.from(v as number[]), value: fc.integer({ min: -32768, max: 32767 }) },
  i32: { type: new Int32(), make: (v) => Int32Array.from(v as number[]), value: fc.integer() },
  u8: { type: new Uint8(), make: (v) => Uint8Array.from(v as number[]), value: fc.nat(255) },
  u16: { type: new Uint16(), make: (v) => Uint16Array.from(v as number[]), value: fc.nat(65535) },
  u32: { type: new Uint32(), make: (v) => Uint32Array.from(v as number[]), value: fc.integer({ min: 0, max: 0xffffffff }) },
  i64: {
    type: new Int64(),
    make: (v) => BigInt64Array.from(v as bigint[]),
    value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  },
  u64: {
    type: new Uint64(),
    make: (v) => BigUint64Array.from(v as bigint[]),
    value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  },
  ids: { type: new Int64(), make: (v) => BigInt64Array.from(v as bigint[]), value: fc.bigInt({ min: 1000n, max: 1300n }) },
  f32: { type: new Float32(), make: (v) => Float32Array.from(v as number[]), value: fc.float() },
  f64: { type: new Float64(), make: (v) => Float64Array.from(v as number[]), value: fc.double() },
  day: { type: new DateDay(), make: (v) => Int32Array.from(v as number[]), value: fc.integer({ min: -99999, max: 99999 }) },
  ms: {
    type: new TimestampMillisecond(),
    make: (v) => BigInt64Array.from(v as bigint[]),
    value: fc.bigInt({ min: -(2n ** 40n), max: 2n ** 41n }),
  },
  us: {
    type: new TimestampMicrosecond("UTC"),
    make: (v) => BigInt64Array.from(v as bigint[]),
    value: fc.bigInt({ min: -(2n ** 50n), max: 2n ** 51n }),
  },
  ns: {
    type: new TimestampNanosecond("Europe/Berlin"),
    make: (v) => BigInt64Array.from(v as bigint[]),
    value: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
  },
};

interface Column {
  kind: string;
  nullable: boolean;
  /** One array per batch. */
  batches: (number | bigint | null)[][];
}

const shape = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 3 });
const tables = shape.chain((sizes) =>
  fc.array(
    fc.constantFrom(...Object.keys(KINDS)).chain((kind) =>
      fc.boolean().chain((nullable) => {
        const value = nullable ? fc.option(KINDS[kind]!.value, { freq: 4 }) : KINDS[kind]!.value;
        const batches = fc.tuple(...sizes.map((size) => fc.array(value, { minLength: size, maxLength: size })));
        return batches.map((made): Column => ({ kind, nullable, batches: made }));
      }),
    ),
    { minLength: 1, maxLength: 5 },
  ),
);

function dataOf({ kind, nullable }: Column, values: (number | bigint | null)[]): Data {
  const { type, make } = KINDS[kind]!;
  const zero = make([]) instanceof BigInt64Array || make([]) instanceof BigUint64Array ? 0n : 0;
  const bits = new Uint8Array(Math.ceil(values.length / 8));
  for (const [row, value] of values.entries()) if (value !== null) bits[row >> 3]! |= 1 << (row & 7);
  const nullCount = values.filter((value) => value === null).length;
  const data = make(values.map((value) => value ?? zero));
  return makeData({ type, length: values.length, nullCount, data, ...(nullable && { nullBitmap: bits }) } as never);
}

function batchesOf(columns: Column[], extra: Field[] = [], more: (size: number) => Data[] = () => []): RecordBatch[] {
  const fields = [
    ...columns.map((column, k) => new Field(`${column.kind}_${k}`, KINDS[column.kind]!.type, column.nullable)),
    ...extra,
  ];
  const schema = new Schema(fields);
  return columns[0]!.batches.map((first, b) => {
    const children = [...columns.map((column) => dataOf(column, column.batches[b]!)), ...more(first.length)];
    return new RecordBatch(schema, makeData({ type: new Struct(fields), length: first.length, nullCount: 0, children }));
  });
}

function fileOf({ body, tail }: EncodedRowGroup): Uint8Array {
  return new Uint8Array(Buffer.concat([tail.subarray(0, 4), body, tail.subarray(4)]));
}

/** Raw bits of every value by another reader (parquet-wasm), nulls as null. */
function readBack(file: Uint8Array): unknown[][] {
  const table = tableFromIPC(readParquet(file).intoIPCStream());
  return table.schema.fields.map((_, k) =>
    table.getChildAt(k)!.data.flatMap((data) => {
      if (data.values === undefined) return [...new Array(data.length).keys()].map((row) => table.getChildAt(k)!.get(row));
      return [...data.values.slice(0, data.length)].map((value, row) => (data.getValid(row) ? value : null));
    }),
  );
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Values): Buffer => Buffer.from(buffer, byteOffset, byteLength);
const schemaBytes = (encoded: EncodedRowGroup): Buffer[] =>
  encoded.footer.schema.map((element) => Buffer.from(encodeStruct(element)));

describe("columns written by our own loops", () => {
  it("come back as they were, with the schema and the statistics of the general encoder", () => {
    fc.assert(
      fc.property(tables, (columns) => {
        const batches = batchesOf(columns);
        const { schema } = batches[0]!;
        const ours = encodeRowGroup(schema, batches, "a.parquet");
        const theirs = encodeAny(schema, batches, "a.parquet");
        expect(schemaBytes(ours)).toEqual(schemaBytes(theirs));
        const file = fileOf(ours);
        const wanted = columns.map((column, k) =>
          column.batches.flatMap((values, b) => {
            const stored = batches[b]!.data.children[k]!.values as Values;
            return values.map((value, row) => (value === null ? null : stored[row]));
          }),
        );
        expect(readBack(file)).toEqual(wanted);
        const statistics = (bytes: Uint8Array): unknown[] =>
          parquetMetadata(
            bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
          ).row_groups[0]!.columns.map(({ meta_data }) => meta_data!.statistics);
        expect(statistics(file)).toEqual(statistics(fileOf(theirs)));
      }),
      { numRuns: 60 },
    );
  });

  it("stand beside columns of the general encoder, in the order of the schema", () => {
    const rows = 70_000;
    const ids = new BigInt64Array(rows).map((_, row) => BigInt(row) * 3n);
    const scores = new Float32Array(rows).map((_, row) => Math.fround(Math.sin(row)));
    const names = vectorFromArray(
      [...new Array(rows).keys()].map((row) => (row % 7 === 0 ? null : `name ${row % 100}`)),
      new Utf8(),
    );
    const constant = new Float64Array(rows).fill(0.5);
    const fields = [
      new Field("name", new Utf8(), true),
      new Field("id", new Int64(), false),
      new Field("same", new Float64(), true),
      new Field("score", new Float32(), true),
    ];
    const schema = new Schema(fields);
    const children = [
      names.data[0]!,
      makeData({ type: new Int64(), length: rows, data: ids }),
      makeData({ type: new Float64(), length: rows, data: constant }),
      makeData({ type: new Float32(), length: rows, data: scores }),
    ];
    const batch = new RecordBatch(schema, makeData({ type: new Struct(fields), length: rows, nullCount: 0, children }));
    const encoded = encodeRowGroup(schema, [batch], "a.parquet");
    const table = tableFromIPC(readParquet(fileOf(encoded)).intoIPCStream());
    expect(table.schema.fields.map(({ name }) => name)).toEqual(["name", "id", "same", "score"]);
    expect([...table.getChild("name")!].join()).toBe([...names].join());
    expect(Buffer.compare(bytesOf(table.getChild("id")!.toArray()), bytesOf(ids))).toBe(0);
    expect(Buffer.compare(bytesOf(table.getChild("same")!.toArray()), bytesOf(constant))).toBe(0);
    expect(Buffer.compare(bytesOf(table.getChild("score")!.toArray()), bytesOf(scores))).toBe(0);
    const elementNames = structs(encoded.footer.meta, 2).map((element) => text(element, 4));
    expect(elementNames).toEqual(["arrow_schema", "name", "id", "same", "score"]);
    // Ids that count up are a few bytes; a constant is compressed; floats that do not repeat are stored as they are.
    expect(encoded.body.length).toBeLessThan(rows * 4 + 120_000);
  });

  it("are those whose numbers hardly repeat, and all whole numbers", () => {
    const field = (type: DataType): Field => new Field("x", type, true);
    const floats = (data: Float32Array): Data[] => [makeData({ type: new Float32(), length: data.length, data })];
    expect(isPlain(field(new Float32()), floats(new Float32Array(5000).map((_, k) => k / 7)), 5000)).toBe(true);
    expect(isPlain(field(new Float32()), floats(new Float32Array(5000).map((_, k) => k % 10)), 5000)).toBe(false);
    expect(isPlain(field(new Int8()), [makeData({ type: new Int8(), length: 9, data: new Int8Array(9) })], 9)).toBe(true);
    expect(isPlain(field(new Utf8()), vectorFromArray(["a"], new Utf8()).data as Data[], 1)).toBe(false);
  });

  it("carry the Arrow schema, so that zones come back", () => {
    const [batch] = batchesOf([{ kind: "ns", nullable: true, batches: [[1n, null]] }]);
    const table = tableFromIPC(readParquet(fileOf(encodeRowGroup(batch!.schema, [batch!], "a.parquet"))).intoIPCStream());
    expect(String(table.schema.fields[0]!.type)).toBe("Timestamp<NANOSECOND, Europe/Berlin>");
  });
});
