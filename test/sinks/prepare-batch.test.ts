import { Field, Float32, Int64, makeData, makeVector, RecordBatch, Schema, Struct, tableFromIPC } from "apache-arrow";
import { describe, expect, it } from "vitest";
import { prepareBatch, toIpcStream } from "../../src/sinks/prepare-batch.ts";
import { sinkBatchOf } from "../wire.ts";

function batchOf(rows: number): RecordBatch {
  const schema = new Schema([new Field("row", new Int64(), false), new Field("p", new Float32(), true)]);
  const row = makeVector(BigInt64Array.from({ length: rows }, (_, i) => BigInt(i))).data[0]!;
  const p = makeVector(Float32Array.from({ length: rows }, (_, i) => i / 2)).data[0]!;
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children: [row, p] }));
}

function sinkBatch(rows: number, rowStart: number, rowEnd: number, rowBase: number): Parameters<typeof prepareBatch>[0] {
  return sinkBatchOf(batchOf(rows), { rowStart, rowEnd, rowBase, rowColumn: "row" });
}

describe("prepareBatch", () => {
  it.each([
    [0, 5, 0],
    [1, 4, 10],
    [2, 2, 7],
    [0, 5, 2 ** 32 - 2],
    [0, 5, 2 ** 33 + 5],
    [3, 5, 2 ** 53 - 10],
  ])("cuts rows %i..%i and counts them from %i", (from, to, base) => {
    const batch = prepareBatch(sinkBatch(5, from, to, base));
    const table = tableFromIPC(toIpcStream([batch]));
    expect(table.numRows).toBe(to - from);
    expect(table.schema.fields.map((field) => `${field.name}: ${field.type}`)).toEqual(["row: Int64", "p: Float32"]);
    const expected = Array.from({ length: to - from }, (_, i) => BigInt(from + i) + BigInt(base));
    expect([...(table.getChild("row") ?? [])]).toEqual(expected);
    expect([...(table.getChild("p") ?? [])]).toEqual(expected.map((value) => Number(value - BigInt(base)) / 2));
  });

  it("refuses bytes that are not the batch they claim to be", () => {
    expect(() => prepareBatch({ ...sinkBatch(5, 0, 5, 0), rows: 6 })).toThrowError(/not what its header says/);
  });
});
