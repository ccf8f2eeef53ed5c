/** JSON Lines: columns from a sample, values digit by digit, lines that are no record. */
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openJsonlSource } from "../../../src/sources/jsonl/index.ts";
import { openJsonlReader } from "../../../src/sources/jsonl/reader.ts";
import { feed, keepAll, readJsonl, write } from "./harness.ts";

const lines = (...records: string[]): string => records.map((record) => `${record}\n`).join("");

describe("columns of a sample", () => {
  it("are the union of all keys, in the order in which they appear, with the types the values prove", async () => {
    const { description } = await readJsonl(
      lines(
        '{"id":1,"x":0.5,"name":"a","ok":true,"v":[1,2,3],"o":{"a":1}}',
        '{"id":2,"late":null,"x":3,"mixed":1,"v":[4,5,6]}',
        '{"mixed":"one","tags":["a","b"],"big":12345678901234567890,"ragged":[1.5]}',
        '{"ragged":[1,2],"nested":[[1,2],[3,4]],"parts":[{"a":1}]}',
      ),
    );
    const told = description.columns.map(({ name, type, role, listSize, keptType, numeric }) => [
      name,
      type,
      role,
      listSize,
      keptType,
      numeric,
    ]);
    expect(told).toEqual([
      ["id", "int64", "number", null, "int64", true],
      ["x", "float64", "number", null, "float64", true],
      ["name", "text", "text", null, "utf8", false],
      ["ok", "bool", "bool", null, "bool", false],
      ["v", "list<int64>[3]", "list", 3, "source", false],
      ["o", "object", "other", null, "utf8", false],
      ["late", "null", "text", null, "utf8", true],
      ["mixed", "mixed", "text", null, "utf8", false],
      ["tags", "list<text>", "other", null, "source", false],
      ["big", "number", "number", null, "utf8", true],
      ["ragged", "list<float64>", "list", null, "source", false],
      ["nested", "list<int64>[4]", "list", 4, "utf8", false],
      ["parts", "list<mixed>", "other", null, "utf8", false],
    ]);
  });

  it("come from the middle and the end of a large file too", async () => {
    const content = Array.from({ length: 60_000 }, (_, i) => (i < 55_000 ? `{"a":${i}}\n` : `{"a":${i}.5,"b":${i}}\n`)).join("");
    const { description } = await readJsonl(content, keepAll, {}, 1 << 20);
    expect(description.columns.map(({ name, type }) => `${name} ${type}`)).toEqual(["a float64", "b int64"]);
    expect(description.rowsEstimate).toBeGreaterThan(50_000);
    expect(description.rowsEstimate).toBeLessThan(80_000);
  });

  it("can be named by the user where the sample does not show them; others are counted", async () => {
    const content = `${'{"a":1}\n'.repeat(100_000)}{"a":1,"rare":"x","other":2}\n`;
    const seen = await readJsonl(content, keepAll, {}, 1 << 20);
    // The last block of the file is part of the sample, so hide the keys between two blocks.
    expect(seen.description.columns.map(({ name }) => name)).toContain("rare");
    const hidden = `${'{"a":1}\n'.repeat(50_000)}{"a":1,"rare":"x"}\n${'{"a":1}\n'.repeat(50_000)}`;
    const unseen = await readJsonl(hidden, keepAll, {}, 1 << 20);
    expect(unseen.description.columns.map(({ name }) => name)).toEqual(["a"]);
    expect(unseen.counts).toEqual([{ column: "rare", kind: "unseen", count: 1 }]);
    const named = await readJsonl(hidden, keepAll, { columnTypes: { rare: "utf8" } }, 1 << 20);
    expect(named.rows[50_000]).toEqual([1n, "x"]);
    expect(named.counts).toEqual([]);
  });
});

describe("values", () => {
  it("keep every digit of an integer", async () => {
    const ids = ["9223372036854775807", "-9223372036854775808", "9007199254740993", "0"];
    const content = lines(...ids.map((id) => `{"id":${id}}`));
    expect((await readJsonl(content)).rows).toEqual(ids.map((id) => [BigInt(id)]));
    expect((await readJsonl(content, feed("int64", ["id"], "reject"))).values).toEqual(ids.map(BigInt));
  });

  it("read as floats and integers alike by the table", async () => {
    const content = lines(
      '{"x":1}',
      '{"x":1e3}',
      '{"x":-0.0}',
      '{"x":true}',
      '{"x":" 7 "}',
      '{"x":NaN}',
      '{"x":1e400}',
      '{"x":null}',
      "{}",
    );
    const { values, counts, rejects } = await readJsonl(content, feed("float64", ["x"]), {}, 1000);
    expect(values).toEqual([1, 1000, -0, 1, 7, Number.NaN, Number.POSITIVE_INFINITY, Number.NaN, Number.NaN]);
    expect(rejects).toEqual([]);
    expect(counts).toEqual([
      { column: "x", kind: "missing", count: 2 },
      { column: "x", kind: "overflow", count: 1 },
    ]);
    const whole = await readJsonl(
      lines(
        '{"x":1e2}',
        '{"x":3.0}',
        '{"x":3.5}',
        '{"x":128}',
        '{"x":"4"}',
        '{"x":false}',
        '{"x":""}',
        '{"x":-1.5e1}',
        '{"x":{}}',
      ),
      feed("int8", ["x"], "reject"),
      {},
      1000,
    );
    expect(whole.values).toEqual([100, 3, 4, 0, -15]);
    expect(whole.rejects.map(({ rowInChunk, message }) => [rowInChunk, message])).toEqual([
      [2, 'cannot read "3.5" as int8 for model input "x"'],
      [3, 'cannot read "128" as int8 for model input "x"'],
      [6, 'column "x" is empty, and model input "x" (int8) takes no missing values'],
      [8, 'cannot read "{}" as int8 for model input "x"'],
    ]);
  });

  it("count integers that float32 rounds", async () => {
    const content = lines('{"x":16777216}', '{"x":16777217}', '{"x":9007199254740993}', '{"x":0.1}');
    const { counts, values } = await readJsonl(content, feed("float32", ["x"]), {}, 1000);
    expect(values).toEqual([16777216, 16777216, 9007199254740992, Math.fround(0.1)]);
    expect(counts).toEqual([{ column: "x", kind: "inexact", count: 2 }]);
  });

  it("feed text only from strings, and tell an empty string from a missing one", async () => {
    const { values, rejects } = await readJsonl(
      lines('{"s":""}', '{"s":"a\\u00e9\\n\\ud83d\\ude00"}', '{"s":1}', '{"s":null}', '{"s":"NA"}'),
      feed("string", ["s"], "reject"),
    );
    expect(values).toEqual(["", "aé\n😀", "NA"]);
    expect(rejects.map(({ rowInChunk, actual }) => [rowInChunk, actual])).toEqual([
      [2, "1"],
      [3, "null"],
    ]);
    const nulls = await readJsonl(lines('{"s":"NA"}', '{"s":"b"}'), feed("string", ["s"], { value: "?" }), {
      nullValues: ["NA"],
    });
    expect(nulls.values).toEqual(["?", "b"]);
    expect(nulls.counts).toEqual([{ column: "s", kind: "missing", count: 1 }]);
  });

  it("feed an input of several elements from one array", async () => {
    const content = lines('{"v":[1,2]}', '{"v":[[3],[null]]}', '{"v":[1]}', '{"v":null}', '{"v":[1,"x"]}', '{"v":5}');
    const { values, rejects } = await readJsonl(content, ({ columns }) => ({
      inputs: [
        {
          input: "x",
          type: "float32",
          rowShape: [2],
          rowSize: 2,
          from: { kind: "list", column: { name: "v", index: columns[0]!.index, missing: "nan" } },
        },
      ],
      constants: [],
      keep: [],
      onError: "reject",
    }));
    expect(values).toEqual([1, 2, 3, Number.NaN, Number.NaN, Number.NaN]);
    expect(rejects.map(({ rowInChunk, message }) => `${rowInChunk} ${message}`)).toEqual([
      '2 the list in column "v" has 1 elements, but model input "x" takes 2 per row (shape [2])',
      '4 cannot read ""x"" as float32 for model input "x"',
      '5 cannot read "5" as float32 for model input "x"',
    ]);
  });

  it("are kept as they are: lists as lists, objects as the JSON that stood there", async () => {
    const { rows } = await readJsonl(
      lines(
        '{"v":[1,null,9007199254740993],"o":{"b": 1e5, "a":[]},"t":["x\\"y"],"f":[0.5,1]}',
        '{"v":null,"o":null,"t":[],"f":[]}',
      ),
    );
    expect(rows).toEqual(
      [
        [[1n, null, 9007199254740993n], '{"b": 1e5, "a":[]}', ['x"y'], [0.5, 1]],
        [null, "", [], []],
      ].map((row) => row.map((cell) => (cell === "" ? null : cell))),
    );
  });

  it("are rejected where a kept column cannot hold them, with the mend", async () => {
    const middle = '{"id":1,"x":0.5}\n'.repeat(40_000);
    const { rejects, rows } = await readJsonl(
      `${middle}{"id":"A1","x":0.5}\n{"id":2,"x":9007199254740993}\n${middle}`,
      keepAll,
      {},
      1 << 20,
    );
    expect(rows.length).toBe(80_000);
    expect(
      rejects.map(({ rowInChunk, lineInChunk, byte, message, hints }) => ({ rowInChunk, lineInChunk, byte, message, hints })),
    ).toEqual([
      {
        rowInChunk: 40_000,
        lineInChunk: 40_000,
        byte: middle.length,
        message: 'cannot keep A1 as int64 in column "id"',
        hints: ["keep the column as text with --column-type id=utf8", "put bad rows aside with --on-error reject"],
      },
      expect.objectContaining({ rowInChunk: 40_001, message: 'cannot keep 9007199254740993 as float64 in column "x"' }),
    ]);
  });
});

describe("lines", () => {
  const BAD: [string, string][] = [
    ['{"a":1', "the line ends before its JSON object does"],
    ['{"a":01}', "a number begins with a needless 0 (character 6 of the line)"],
    ['{"a":1,}', "a key in double quotes was expected (character 8 of the line)"],
    ["{'a':1}", "a key in double quotes was expected (character 2 of the line)"],
    ['{"a":1} {"a":2}', 'there is more behind the object: "{\\"a\\":2}" (character 9 of the line)'],
    ['{"a":+1}', "a JSON value was expected (character 6 of the line)"],
    ['{"a":.5}', "a JSON value was expected (character 6 of the line)"],
    ['{"a":1.}', "digits were expected behind the decimal point (character 8 of the line)"],
    ['{"a":tru}', "a JSON value was expected (character 6 of the line)"],
    ['{"a":"\\x"}', "a string holds a backslash that JSON does not know (character 7 of the line)"],
    ['{"a":"\\ud800"}', "a string holds half of a surrogate pair, which is no character (character 6 of the line)"],
    ['{"a":"b\tc"}', "a control character stands in a string, where JSON wants \\u and its number (character 8 of the line)"],
    ['{"a":1,"a":2}', 'the key "a" stands twice in the object (character 8 of the line)'],
    ["[1,2]", 'a JSON object was expected, not "[" (character 1 of the line)'],
    ["null", 'a JSON object was expected, not "n" (character 1 of the line)'],
    [`{"a":${"[".repeat(300)}${"]".repeat(300)}}`, "values are nested more than 256 deep (character 262 of the line)"],
  ];
  it.each(BAD)("%s is no record", async (bad, message) => {
    const { rejects, rows } = await readJsonl(`{"a":1}\n\n  \r\n${bad}\r\n{"a":2}`);
    expect(rows).toEqual([[1n], [2n]]);
    expect(rejects).toHaveLength(1);
    const [reject] = rejects;
    expect(reject).toMatchObject({ rowInChunk: 1, lineInChunk: 3, byte: 13, raw: bad, code: "BP_SOURCE_RECORD" });
    expect(reject!.message).toContain(message);
  });

  it("with bytes that are not UTF-8 are rejected, and only they", async () => {
    const bytes = Buffer.concat([Buffer.from('{"s":"é"}\n{"s":"'), Buffer.from([0xe9]), Buffer.from('"}\n{"s":"ü"}\n')]);
    const { rows, rejects } = await readJsonl(bytes, keepAll, { encoding: "utf-8" });
    expect(rows).toEqual([["é"], ["ü"]]);
    expect(rejects).toMatchObject([{ rowInChunk: 1, lineInChunk: 1, byte: 11, message: "the line is not UTF-8" }]);
  });

  it("come in other encodings, with a byte order mark, compressed, and from stdin", async () => {
    const text = '{"s":"é","n":1}\n{"s":"ü","n":2}';
    const expected = [
      ["é", 1n],
      ["ü", 2n],
    ];
    expect((await readJsonl(`\ufeff${text}`)).rows).toEqual(expected);
    expect((await readJsonl(Buffer.from(`\ufeff${text}`, "utf16le"))).rows).toEqual(expected);
    expect((await readJsonl(Buffer.from(text, "latin1"))).rows).toEqual(expected);
    expect((await readJsonl(gzipSync(text), keepAll, {}, 1, "data.jsonl.gz")).rows).toEqual(expected);
    const source = await openJsonlSource(
      [{ path: "-", sizeBytes: null, mtimeMs: null }],
      { csv: {} },
      Readable.from([Buffer.from(text)]),
    );
    const reader = await openJsonlReader(source.description, keepAll(source.description));
    let rows = 0;
    for await (const chunk of source.chunks({ chunkBytes: 1 })) rows += (await reader.read(chunk)).rows;
    expect(rows).toBe(2);
    await reader.close();
    await source.close();
  });

  it("that are longer than a record may be are refused with their place", async () => {
    const content = `{"a":1}\n{"a":"${"x".repeat(5000)}"}\n{"a":1}\n`;
    await expect(readJsonl(content, keepAll, { maxRecordBytes: 4096 })).rejects.toMatchObject({
      code: "BP_SOURCE_LIMIT",
      details: { where: { line: 2, byte: 8 } },
    });
  });

  it("that are missing, or one document, are refused with a mend", async () => {
    const open = (content: string) => openJsonlSource([write(content)], { csv: {} });
    await expect(open("")).rejects.toMatchObject({ code: "BP_INPUT_FORMAT", message: "the input is empty: it has no record" });
    await expect(open(' \n[{"a":1}]')).rejects.toMatchObject({
      code: "BP_INPUT_FORMAT",
      message: "the input is one JSON array, not JSON Lines",
    });
    await expect(open('{\n  "a": 1\n}\n')).rejects.toMatchObject({
      code: "BP_INPUT_FORMAT",
      message: "the input is not JSON Lines: the line ends before its JSON object does",
      details: { where: { line: 1, byte: 0 } },
    });
  });
});

describe("any chunk size", () => {
  it("gives the same rows, rejects and places", async () => {
    const record = fc.oneof(
      {
        weight: 5,
        arbitrary: fc
          .record({ a: fc.oneof(fc.integer(), fc.constant(null)), s: fc.string({ unit: "binary" }) })
          .map((value) => JSON.stringify(value)),
      },
      { weight: 1, arbitrary: fc.constantFrom("", "  ", "{", '{"a":1.5,"s":""}', "[]", '{"s":"\\ud800"}', '{"new":1}') },
    );
    const ends = fc.constantFrom("\n", "\r\n");
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { maxLength: 30 }),
        ends,
        fc.integer({ min: 1, max: 300 }),
        async (records, end, chunkBytes) => {
          const content = `{"a":1,"s":"x"}${end}${records.join(end)}`;
          const csv = { columnTypes: { a: "int64", s: "utf8" } } as const;
          const whole = await readJsonl(content, keepAll, csv, 1 << 20);
          const cut = await readJsonl(content, keepAll, csv, chunkBytes);
          expect(cut.rows).toEqual(whole.rows);
          expect(cut.rejects).toEqual(whole.rejects);
          const bytes = Buffer.from(content);
          for (const { byte, raw, lineInChunk } of whole.rejects) {
            expect(bytes.subarray(byte!, byte! + Buffer.byteLength(raw!)).toString()).toBe(raw);
            expect(bytes.subarray(0, byte!).toString().split("\n").length - 1).toBe(lineInChunk);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it("reads every object that JSON.parse reads to the same values, and no other", async () => {
    const json = fc.json({ maxDepth: 3 });
    const mutated = fc.tuple(json, fc.nat(), fc.string({ unit: "binary", maxLength: 2 })).map(([text, at, by]) => {
      const position = at % (text.length + 1);
      return `{"v":${text.slice(0, position)}${by}${text.slice(position + 1)}}`;
    });
    const { JsonScanner } = await import("../../../src/sources/jsonl/scan-json.ts");
    const scanner = new JsonScanner();
    fc.assert(
      fc.property(
        fc.oneof(
          json.map((text) => `{"v":${text}}`),
          mutated,
        ),
        (text) => {
          let expected: unknown;
          try {
            expected = JSON.parse(text);
          } catch {
            expected = undefined;
          }
          const found: unknown[] = [];
          const seen = new Set<string>();
          const problem = scanner.object(text, 0, text.length, {
            key: (name) => seen.size < seen.add(name).size || "twice",
            value: (kind, part) =>
              // Of texts that JSON.parse takes as well, which alone are compared, every part is JSON; a key may be called "NaN".
              found.push(kind === 0 ? null : kind === 2 || expected === undefined ? part : JSON.parse(part)),
          });
          if (expected === undefined) {
            if (problem === null) expect(text).toMatch(/NaN|Infinity/);
            return;
          }
          if (problem !== null) expect(problem.message).toMatch(/twice|surrogate|nested/);
          else expect(found).toEqual(Object.values(expected as object));
        },
      ),
      { numRuns: 3000 },
    );
  });
});
