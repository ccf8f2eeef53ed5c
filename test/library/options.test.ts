/** The library's options become the same settings as flags do, whatever the names. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nameByModel } from "../../src/config/names-of-model.ts";
import { resolveRun } from "../../src/config/resolve.ts";
import type { RunSettings } from "../../src/core/settings.ts";
import { flagsOf, type RunRequest } from "../../src/library/options.ts";

function settingsOf(options: RunRequest): RunSettings {
  return resolveRun(flagsOf({ model: "m.onnx", input: "d.csv", output: "o.parquet", ...options }), null, {}, "/base").settings;
}

const column = fc.oneof(
  fc.string({ minLength: 1, maxLength: 8, unit: "grapheme" }),
  fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom(",", '"', "=", " ", "\\", "a", ".", "*", "\n", "'") }),
  fc.constantFrom("none", "nan", "-", "a..b", "x[0]", "[1, 2]", "constructor"),
);
const columns = fc.array(column, { minLength: 1, maxLength: 5 });
/** Names of model inputs and outputs stand before a `=` in a flag. */
const name = column.filter((one) => !one.includes("=") && one.trim() === one && one !== "constructor");

describe("names", () => {
  it("of columns arrive as they are, with commas, quotes, blanks and equal signs", () => {
    fc.assert(
      fc.property(columns, fc.uniqueArray(name, { minLength: 1, maxLength: 3 }), (list, inputs) => {
        const bind = Object.fromEntries(inputs.map((input) => [input, list]));
        const asked = settingsOf({ features: list, key: list, bind });
        const { settings } = nameByModel({ settings: asked, origins: {} }, inputs, []);
        expect(settings.features).toEqual(list);
        expect(settings.key).toEqual(list);
        expect(settings.bind).toEqual(bind);
      }),
      { numRuns: 300 },
    );
  });

  it("of kept columns, too, but that one called none is asked for as a range of itself", () => {
    fc.assert(
      fc.property(columns, (list) => {
        expect(settingsOf({ keep: list }).keep).toEqual(list.map((one) => (one === "none" ? "none..none" : one)));
      }),
    );
    expect(settingsOf({ keep: [] }).keep).toEqual([]);
    expect(settingsOf({}).keep).toBeNull();
  });

  it("of outputs and their aliases", () => {
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 4 }), (list) => {
        expect(settingsOf({ outputs: list }).outputs).toEqual(list.map((one) => ({ name: one, alias: null })));
        const aliases = Object.fromEntries(list.map((one, at) => [one, `alias, ${at} = "x"`]));
        expect(settingsOf({ outputs: aliases }).outputs).toEqual(
          Object.entries(aliases).map(([one, alias]) => ({ name: one, alias })),
        );
      }),
    );
  });

  it("of null values, the empty one among them", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(column, fc.constant("")), { minLength: 1, maxLength: 4 }), (nullValues) => {
        expect(settingsOf({ csv: { nullValues } }).csv.nullValues).toEqual(nullValues);
      }),
    );
  });
});

describe("constants", () => {
  it.each<[unknown, string]>([
    [3, "3"],
    [0.1, "0.1"],
    [true, "true"],
    ["text", "text"],
    [9007199254740993n, "9007199254740993"],
    [Number.NaN, "NaN"],
    [Number.NEGATIVE_INFINITY, "-Infinity"],
    ["[not a list", '["[not a list"]'],
    [[1, 2.5], '["1","2.5"]'],
    [["a, b", ""], '["a, b",""]'],
    [
      [
        [1n, 2n],
        [3n, 4n],
      ],
      '[["1","2"],["3","4"]]',
    ],
    [[Number.NaN, Number.POSITIVE_INFINITY], '["NaN","Infinity"]'],
    [Float32Array.of(1, 2), '["1","2"]'],
    [BigInt64Array.of(-(2n ** 63n)), '["-9223372036854775808"]'],
  ])("of %o are the text %s", (value, text) => {
    expect(settingsOf({ constants: { k: value } }).constants).toEqual({ k: text });
  });
});

describe("plain options", () => {
  it("say nothing when they are absent: every default holds", () => {
    expect(flagsOf({})).toEqual({});
    expect(flagsOf({ key: [] })).toEqual({});
    expect(settingsOf({})).toEqual(
      resolveRun({ model: "m.onnx", input: "d.csv", output: "o.parquet" }, null, {}, "/base").settings,
    );
  });

  it("arrive as settings", () => {
    expect(
      settingsOf({
        input: ["a.csv", "b.csv"],
        inputFormat: "csv",
        output: "out",
        outputFormat: "sqlite",
        table: "t",
        ifExists: "upsert",
        key: ["id"],
        shapes: { x: [24, 3], "a=b": [2] },
        batchSize: 10,
        workers: "auto",
        threads: 2,
        chunkBytes: 4096,
        memoryLimitBytes: 350_000_000,
        missing: { value: -1 },
        onError: "reject",
        maxRejects: { percent: 1.5 },
        rejects: "r.csv",
        csv: {
          delimiter: "\t",
          quote: null,
          encoding: "latin1",
          header: false,
          decimal: ",",
          comment: "#",
          columnTypes: { "zip=code": "utf8" },
        },
        limit: 5,
        whereRows: { start: 2, end: 9 },
        shard: { index: 2, count: 3 },
        fresh: true,
      }),
    ).toMatchObject({
      inputs: ["/base/a.csv", "/base/b.csv"],
      inputFormat: "csv",
      output: "/base/out",
      outputFormat: "sqlite",
      table: "t",
      ifExists: "upsert",
      key: ["id"],
      shapes: { x: [24, 3], "a=b": [2] },
      batchSize: 10,
      workers: "auto",
      threads: 2,
      chunkBytes: 4096,
      memoryLimitBytes: 350_000_000,
      missing: { default: { value: "-1" }, columns: {} },
      onError: "reject",
      maxRejects: { percent: 1.5 },
      rejects: "/base/r.csv",
      csv: {
        delimiter: "\t",
        quote: null,
        encoding: "latin1",
        header: false,
        decimal: ",",
        comment: "#",
        columnTypes: { "zip=code": "utf8" },
      },
      limit: 5,
      whereRows: { start: 2, end: 9 },
      shard: { index: 2, count: 3 },
      fresh: true,
    });
  });

  it.each<[RunRequest, Partial<RunSettings>]>([
    [{ maxRejects: { rows: 0 }, onError: "reject" }, { maxRejects: { rows: 0 } }],
    [{ limit: 0 }, { limit: 0 }],
    [{ missing: "nan" }, { missing: { default: "nan", columns: {} } }],
    [{ missing: { value: "" } }, { missing: { default: { value: "" }, columns: {} } }],
    [{ whereRows: { start: 3, end: Number.POSITIVE_INFINITY } }, { whereRows: { start: 3, end: Number.MAX_SAFE_INTEGER } }],
  ])("%j mean %j", (options, expected) => {
    expect(settingsOf(options)).toMatchObject(expected);
  });
});
