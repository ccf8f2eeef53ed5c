/** Costs are counted, not timed: how often names are looked at, and whether the library's quadratic way is taken. */
import { Dictionary, Field, Float64, Int32, makeData, RecordBatch, Schema, Struct, Utf8 } from "apache-arrow";
import { afterEach, describe, expect, it, vi } from "vitest";
import { resultBatch } from "../../src/predict/result-batch.ts";
import { adaptBatch } from "../../src/sinks/parquet/adapt-columns.ts";
import { encodeRowGroup } from "../../src/sinks/parquet/encode-row-group.ts";
import { prepareBatch } from "../../src/sinks/prepare-batch.ts";
import { linear } from "../../src/values/linear-schema.ts";
import { sinkBatchOf } from "../wire.ts";

const COLUMNS = 1000;
const ROWS = 2;

const data = () => makeData({ type: new Float64(), length: ROWS, nullCount: 0, data: Float64Array.of(1, 1) });

function batchOf(schema: Schema): RecordBatch {
  const children = schema.fields.map(data);
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: ROWS, nullCount: 0, children }));
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a linear schema", () => {
  it("looks at each name a few times, not at each name for each name", () => {
    let looks = 0;
    const fields = Array.from({ length: COLUMNS }, (_, at) => {
      const field = new Field(`c${at}`, new Float64(), true);
      const get = (): string => {
        looks++;
        return `c${at}`;
      };
      return Object.defineProperty(field, "name", { get });
    });
    expect(batchOf(linear(new Schema(fields))).numCols).toBe(COLUMNS);
    expect(looks).toBeLessThan(10 * COLUMNS);
    looks = 0;
    batchOf(new Schema(fields));
    // The library's own way; when this fails it has learned better, and `linear` can go.
    expect(looks).toBeGreaterThan((COLUMNS * COLUMNS) / 4);
  });

  it("keeps fields, metadata and dictionaries, and makes a short column nullable as the library does", () => {
    const dictionary = new Dictionary(new Utf8(), new Int32(), 7);
    const fields = [new Field("a", new Float64(), false, new Map([["k", "v"]])), new Field("d", dictionary, true)];
    const made = (schema: Schema) => {
      const children = [makeData({ type: new Float64(), length: 1, nullCount: 0, data: Float64Array.of(1) })];
      return new RecordBatch(schema, makeData({ type: new Struct(fields), length: ROWS, nullCount: 0, children })).schema;
    };
    const metadata = new Map([["of", "schema"]]);
    const ours = made(linear(new Schema(fields, metadata)));
    const theirs = made(new Schema(fields, metadata));
    expect(ours.fields).toEqual(theirs.fields);
    expect(ours.fields[0]!.nullable).toBe(true);
    expect([ours.metadata, [...ours.dictionaries.keys()]]).toEqual([theirs.metadata, [...theirs.dictionaries.keys()]]);
  });

  it("still takes other fields in", () => {
    const schema = linear(new Schema([new Field("a", new Float64())]));
    expect(schema.assign(new Field("b", new Utf8())).names).toEqual(["a", "b"]);
  });
});

it("wide results pass worker and sink without the library's assignment of columns by name", () => {
  const assign = vi.spyOn(Schema.prototype, "assign");
  const keep = Array.from({ length: 20 }, (_, index) => ({
    name: `k${index}`,
    column: `k${index}`,
    index,
    type: "source" as const,
  }));
  const output = { output: "y", type: "float64" as const, rowSize: 1 };
  const column = { name: "y", output: "y", type: "float64" as const, element: 0, listSize: 1 };
  const plan = { outputs: [output], columns: [column], rowColumn: "row" };
  const binding = { inputs: [], constants: [], keep, onError: "fail" as const };
  const result = resultBatch(binding, plan, keep.map(data), [Float64Array.of(1, 2)], ROWS, null);
  const batch = sinkBatchOf(result, { rowEnd: 1, rowBase: 5, rowColumn: "row" });
  const rows = adaptBatch(prepareBatch(batch));
  const { footer } = encodeRowGroup(rows.schema, [rows], "wide.parquet");
  expect([rows.numCols, footer.rows]).toEqual([22, 1]);
  expect(assign).not.toHaveBeenCalled();
});
