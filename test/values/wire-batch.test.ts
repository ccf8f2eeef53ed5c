/** What may leave with a batch, what must stay, and what is not a batch. Values of all types: arrow-take.test.ts. */
import { Field, Float32, Int64, List, makeData, vectorFromArray } from "apache-arrow";
import { describe, expect, it } from "vitest";
import { WireDecoder, WireEncoder } from "../../src/values/wire-batch.ts";
import { posted, recordBatchOf, tableOf } from "../wire.ts";

function floats(values: Float32Array) {
  return makeData({ type: new Float32(), length: values.length, nullCount: 0, data: values });
}

const y = new Field("y", new Float32(), true);

describe("a batch on its way to the sink", () => {
  it("takes the memory along that is its own, and copies all other", () => {
    const own = Float32Array.of(1, 2, 3);
    const other = Float32Array.of(4, 5, 6);
    const batch = recordBatchOf([y, new Field("z", new Float32(), true)], [floats(own), floats(other)]);
    const wire = posted(batch, new Set([own.buffer]));
    expect([own.length, other.length]).toEqual([0, 3]);
    expect(
      tableOf(wire)
        .toArray()
        .map((row) => row!.toJSON()),
    ).toEqual([
      { y: 1, z: 4 },
      { y: 2, z: 5 },
      { y: 3, z: 6 },
    ]);
    expect(wire.bytes).toBe(24);
  });

  it("copies a part of its own memory: the other part belongs to another column", () => {
    const own = Float32Array.of(1, 2, 3, 4);
    const wire = posted(recordBatchOf([y], [floats(own.subarray(1, 3))]), new Set([own.buffer]));
    expect([...own]).toEqual([1, 2, 3, 4]);
    expect([...tableOf(wire).getChild("y")!]).toEqual([2, 3]);
    expect(wire.bytes).toBe(8);
  });

  it("has nothing of what lies before and behind a slice", () => {
    const list = vectorFromArray([[1n, 2n], [3n], [], [4n, 5n, 6n]], new List(new Field("item", new Int64(), true))).data[0]!;
    const wire = posted(recordBatchOf([new Field("l", list.type, true)], [list.slice(1, 2)]));
    expect([...wire.columns[0]!.offsets!]).toEqual([0, 1, 1]);
    expect([...wire.columns[0]!.children[0]!.values!]).toEqual([3n]);
  });

  it("tells its schema anew when it changes, and it is one object as long as it does not", () => {
    const encoder = new WireEncoder();
    const decoder = new WireDecoder();
    const send = (name: string) =>
      decoder.decode(encoder.encode(recordBatchOf([new Field(name, new Float32(), true)], [floats(Float32Array.of(1))])).wire)
        .schema;
    const first = send("a");
    expect(send("a")).toBe(first);
    expect([first.names, send("b").names]).toEqual([["a"], ["b"]]);
  });

  it("is refused when its columns are not as long as it says", () => {
    const wire = posted(recordBatchOf([y], [floats(Float32Array.of(1, 2))]));
    expect(() => new WireDecoder().decode({ ...wire, rows: 3 })).toThrowError(/not what its header says/);
    expect(() => new WireDecoder().decode({ ...wire, columns: [] })).toThrowError(/not what its header says/);
  });
});
