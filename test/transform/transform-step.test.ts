/** What the user's function sees, what it may give back, and what is said when it is wrong. */
import {
  Bool,
  Dictionary,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int32,
  Int64,
  makeData,
  Utf8,
  type Vector,
  vectorFromArray,
} from "apache-arrow";
import { describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { Transform, TransformBatch } from "../../src/core/transform.ts";
import { RowFault } from "../../src/transform/transform-error.ts";
import { type StepInput, TransformStep } from "../../src/transform/transform-step.ts";
import { takeRows } from "../../src/values/arrow-take.ts";

function input(columns: Record<string, Vector>): StepInput {
  const data = new Map(Object.entries(columns).map(([name, vector]) => [name, plain(vector)]));
  return { data, rows: [...data.values()][0]!.length };
}

function plain(vector: Vector) {
  const data = vector.data[0]!;
  return data.type instanceof Dictionary
    ? takeRows(
        data,
        Uint32Array.from({ length: data.length }, (_, row) => row),
      )
    : data;
}

const people = (): StepInput =>
  input({
    id: vectorFromArray([9007199254740993n, 2n, 3n], new Int64()),
    age: vectorFromArray([31, null, 55], new Int32()),
    income: vectorFromArray([1.5, Number.NaN, null], new Float64()),
    name: vectorFromArray(["Zoë", null, ""], new Utf8()),
    active: vectorFromArray([true, false, null], new Bool()),
  });

const step = (transform: Transform): TransformStep => new TransformStep(transform, "features.mjs");

async function through(transform: Transform, rows: StepInput = people()) {
  const learned = await step(transform).learn(rows);
  const done = await step(transform).apply(rows, learned.columns, "reject");
  if (done instanceof RowFault) throw new Error("refused");
  const column = (name: string) => done.data[learned.columns.findIndex((known) => known.name === name)]!;
  const values = (name: string): unknown[] => {
    const data = column(name);
    return Array.from({ length: data.length }, (_, row) => {
      const value = vectorOf(data, row);
      return value;
    });
  };
  return { learned, done, column, values };
}

function vectorOf(data: ReturnType<typeof plain>, row: number): unknown {
  if (!data.getValid(row)) return null;
  const { values, type } = data;
  if (type instanceof Bool) return ((values as Uint8Array)[(data.offset + row) >> 3]! >> ((data.offset + row) & 7)) & 1;
  if (type instanceof Utf8) {
    const [start, end] = [data.valueOffsets[row]!, data.valueOffsets[row + 1]!];
    return Buffer.from((values as Uint8Array).subarray(Number(start), Number(end))).toString();
  }
  return (values as Float64Array)[row];
}

async function failure(transform: Transform, rows: StepInput = people()): Promise<BatchPredictError> {
  const error = await step(transform)
    .learn(rows)
    .then(
      () => null,
      (reason: unknown) => reason,
    );
  expect(error).toBeInstanceOf(BatchPredictError);
  expect((error as BatchPredictError).code).toBe("BP_TRANSFORM");
  return error as BatchPredictError;
}

describe("what the function sees", () => {
  it("numbers as Float64Array with NaN for missing, everything else as arrays with null", async () => {
    let seen: TransformBatch["columns"] | null = null;
    await step((batch) => {
      const { age, income, name, active } = batch.columns;
      seen = { age: age!, income: income!, name: name!, active: active! };
      expect(batch.rows).toBe(3);
      expect(batch.bigints("id")).toEqual([9007199254740993n, 2n, 3n]);
      return { columns: {} };
    }).learn(people());
    expect(seen).toEqual({
      age: Float64Array.of(31, Number.NaN, 55),
      income: Float64Array.of(1.5, Number.NaN, Number.NaN),
      name: ["Zoë", null, ""],
      active: [true, false, null],
    });
  });

  it("lists as one array per row", async () => {
    const list = new FixedSizeList(2, new Field("item", new Float32()));
    const child = makeData({ type: new Float32(), length: 4, nullCount: 0, data: Float32Array.of(1, 2, 3, 4) });
    const data = makeData({ type: list, length: 2, nullCount: 0, child });
    let seen: unknown;
    await step(({ columns }) => {
      seen = columns.window;
      return { columns: {} };
    }).learn({ data: new Map([["window", data]]), rows: 2 });
    expect(seen).toEqual([Float64Array.of(1, 2), Float64Array.of(3, 4)]);
  });

  it("an integer that a number cannot hold is refused where it is looked at, with the way round", async () => {
    const transform: Transform = ({ columns }) => ({
      columns: { twice: Float64Array.from(columns.id as Float64Array, (id) => 2 * id) },
    });
    const learned = await step(transform).learn(people());
    const done = await step(transform).apply(people(), learned.columns, "fail");
    expect(done).toBeInstanceOf(RowFault);
    expect(done).toMatchObject({ row: 0, column: "id", details: { actual: "9007199254740993" } });
    expect((done as RowFault).details.hints?.[0]).toContain('batch.bigints("id")');
  });
});

describe("what comes back", () => {
  it("new columns stand behind those of the input, which stay as they are, digit by digit", async () => {
    const { learned, values } = await through(({ columns }) => ({
      columns: { older: Float64Array.from(columns.age as Float64Array, (age) => age + 1), tag: ["a", null, "c"] },
    }));
    expect(learned.described.map(({ name, type }) => `${name} ${type}`)).toEqual([
      "id int64",
      "age int32",
      "income float64",
      "name text",
      "active bool",
      "older float64",
      "tag text",
    ]);
    expect(values("id")).toEqual([9007199254740993n, 2n, 3n]);
    expect(values("older")).toEqual([32, Number.NaN, 56]);
    expect(values("tag")).toEqual(["a", null, "c"]);
  });

  it("typed arrays, plain arrays, booleans, bigints and lists keep their types", async () => {
    const { learned } = await through(() => ({
      columns: {
        half: Float32Array.of(0.5, 1, 2),
        bytes: Uint8Array.of(1, 2, 3),
        plain: [1, null, 2.5],
        big: [1n, null, 2n ** 63n - 1n],
        yes: [true, null, false],
        pair: [[1, 2], Float64Array.of(3, 4), null],
      },
    }));
    const made = learned.described.slice(5);
    expect(made.map(({ type }) => type)).toEqual(["float32", "uint8", "float64", "int64", "bool", "list<float64>"]);
    expect(made.at(-1)!.listSize).toBe(2);
  });

  it("a column changed in place counts as changed, and keeps the type of the input where that holds it", async () => {
    const fill: Transform = (batch) => {
      const age = batch.columns.age as Float64Array;
      for (let row = 0; row < batch.rows; row++) if (Number.isNaN(age[row])) age[row] = 40;
      return batch as never;
    };
    const { learned, values } = await through(fill, input({ age: vectorFromArray([31, null, 55], new Int32()) }));
    expect(values("age")).toEqual([31, 40, 55]);
    expect(learned.described[0]!.type).toBe("int32");
    const halve: Transform = ({ columns }) => ({
      columns: { age: Float64Array.from(columns.age as Float64Array, (age) => age / 2) },
    });
    const halved = await through(halve, input({ age: vectorFromArray([31, null, 55], new Int32()) }));
    expect(halved.learned.described[0]!.type).toBe("float64");
    expect(halved.values("age")).toEqual([15.5, Number.NaN, 27.5]);
  });

  it("what the module does to its arrays afterwards changes nothing", async () => {
    const kept = Float64Array.of(1, 2, 3);
    const { values } = await through(() => ({ columns: { kept } }));
    kept.fill(9);
    expect(values("kept")).toEqual([1, 2, 3]);
  });

  it("a promise is waited for", async () => {
    const { values } = await through(async () => ({ columns: { late: await Promise.resolve(Float64Array.of(1, 2, 3)) } }));
    expect(values("late")).toEqual([1, 2, 3]);
  });
});

describe("rows that the function refuses", () => {
  const refuse: Transform = ({ columns, rows }) => {
    const age = columns.age as Float64Array;
    for (let row = 0; row < rows; row++) if (Number.isNaN(age[row])) throw Object.assign(new Error("no age"), { row });
    return { columns: { age2: Float64Array.from(age, (each) => each * 2) } };
  };

  it("are put aside one by one, and the rest is transformed without them", async () => {
    const ages = input({ age: vectorFromArray([null, 1, null, 2], new Int32()) });
    const { done, values } = await through(refuse, ages);
    expect(done.faults.map(({ row, message }) => [row, message])).toEqual([
      [0, "the transform refuses this row: no age"],
      [2, "the transform refuses this row: no age"],
    ]);
    expect([...done.kept!]).toEqual([1, 3]);
    expect(values("age2")).toEqual([2, 4]);
  });

  it("end the chunk at the first one when rows may not be put aside", async () => {
    const { columns } = await step(refuse).learn(input({ age: vectorFromArray([1, 2], new Int32()) }));
    const done = await step(refuse).apply(input({ age: vectorFromArray([1, null, null], new Int32()) }), columns, "fail");
    expect(done).toMatchObject({ row: 1 });
  });

  it("so do values of another type than in the first rows", async () => {
    let first = true;
    const transform: Transform = () => {
      const values = first ? [1, 2] : [1, "two"];
      first = false;
      return { columns: { x: values as number[] } };
    };
    const rows = input({ age: vectorFromArray([1, 2], new Int32()) });
    const one = step(transform);
    const { columns } = await one.learn(rows);
    expect(await one.apply(rows, columns, "fail")).toMatchObject({ row: 1, column: "x", details: { actual: '"two" (string)' } });
  });
});

describe("what is said when it is wrong", () => {
  it("nothing returned", async () => {
    const error = await failure(() => undefined as never);
    expect(error.message).toBe("the transform returns no batch");
    expect(error.details).toMatchObject({ where: { file: "features.mjs" }, actual: "nothing" });
  });

  it("another number of rows", async () => {
    const error = await failure(() => ({ columns: { x: [1, 2] } }));
    expect(error.message).toBe("the transform changes the number of rows");
    expect(error.details).toMatchObject({ expected: "3 rows, as many as were given", actual: '2 elements in column "x"' });
  });

  it("a column without a known type", async () => {
    const error = await failure(() => ({ columns: { x: [null, null, null] } }));
    expect(error.details.hints?.[0]).toContain("Float64Array");
  });

  it("no array", async () => {
    expect((await failure(() => ({ columns: { x: 5 as never } }))).message).toBe('the transform gives column "x" no array');
  });

  it("a mistake in the module, with its words", async () => {
    const error = await failure(({ columns }) => ({ columns: { x: (columns.nowhere as Float64Array).map((value) => value) } }));
    expect(error.message).toMatch(/^the transform failed: Cannot read properties of undefined/);
  });

  it("a column of bigints that is none", async () => {
    const error = await failure((batch) => ({ columns: { x: batch.bigints("income") } }));
    expect(error.details).toMatchObject({ expected: "a column of integers", actual: "a column of float64" });
  });

  it("other columns than before", async () => {
    let call = 0;
    const transform: Transform = () => ({ columns: call++ === 0 ? { a: [1, 2, 3] } : { b: [1, 2, 3] } });
    const one = step(transform);
    const { columns } = await one.learn(people());
    await expect(one.apply(people(), columns, "reject")).rejects.toMatchObject({
      code: "BP_TRANSFORM",
      message: "the transform gives other columns than for the first rows",
    });
  });
});
