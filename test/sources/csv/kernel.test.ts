/** The kernel's decoder against the reference on csv-parse: one result, two speeds. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KeptType, MissingPolicy } from "../../../src/core/binding-plan.ts";
import { BatchPredictError } from "../../../src/core/errors.ts";
import { TENSOR_TYPES, type TensorArray, type TensorType } from "../../../src/core/tensor-types.ts";
import { CsvParseDecoder } from "../../../src/sources/csv/csv-parse-decoder.ts";
import { makeKernelDecoder } from "../../../src/sources/csv/kernel-decoder.ts";
import { FIXTURES, material } from "../../corpora.ts";
import { bothDecode, describeCsv, digits, planOf } from "./kernel-harness.ts";

describe("collected CSV files", () => {
  const roots = [
    join(FIXTURES, "csv"),
    ...[material("the kernel against the CSV corpus")].filter((root) => root !== null).map((root) => join(root, "csv")),
  ];
  const files = roots.flatMap((root) =>
    existsSync(root)
      ? readdirSync(root, { recursive: true, encoding: "utf8" })
          .filter((name) => /\.(csv|tsv|psv|txt)$/.test(name))
          .map((name) => join(root, name))
      : [],
  );

  it("are decoded alike, kept as text and as sniffed, and bound to floats where they are numbers", async () => {
    expect(files.length).toBeGreaterThan(90);
    let quickOnes = 0;
    for (const file of files) {
      const bytes = readFileSync(file);
      if (bytes.length > 100_000) continue;
      for (const csv of [{}, { header: false, nullValues: ["", "NA", "null"] }]) {
        try {
          const { description, data } = await describeCsv(bytes, csv);
          const numeric = description.columns.map((column) => (column.numeric ? ("float32" as const) : null));
          for (const kept of ["utf8", "source"] as const) {
            if (bothDecode(description, planOf(description, numeric, "nan", kept), data).quick) quickOnes++;
          }
        } catch (error) {
          if (!(error instanceof BatchPredictError)) throw new Error(`${file}: ${String(error)}`, { cause: error });
        }
      }
    }
    expect(quickOnes).toBeGreaterThan(files.length);
  }, 300_000);
});

it.each(["1,2\r", "\r", "1,2,\r", "1,2,3\r", "1,x\r", "1,2,3\n\r", "1,2,x\r\n\r"])(
  "a CR that ends the file stands in its record: %j",
  async (end) => {
    for (const before of ["", "1,2,3\n", "1,2,3\r\n"]) {
      const { description, data } = await describeCsv(`a,b,c\n${before}${end}`, { header: true, delimiter: ",", quote: '"' });
      bothDecode(description, planOf(description, [], "nan", "utf8"), data);
      bothDecode(
        description,
        planOf(description, ["float32", "float32", "float32"], "nan", "utf8", () => false),
        data,
      );
      bothDecode(
        description,
        planOf(description, ["float64", "int64", "int32"], "nan", "utf8", () => false),
        data,
      );
    }
  },
);

describe("random tables", () => {
  const number = fc.oneof(
    fc.double().map(String),
    fc.float({ noNaN: true }).map((value) => String(Math.fround(value))),
    fc.integer().map(String),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
    fc
      .tuple(fc.integer({ min: -99999, max: 99999 }), fc.integer({ min: 0, max: 9999 }))
      .map(([whole, part]) => `${whole}.${part}`),
    digits,
    fc.constantFrom(
      "",
      "",
      "0",
      "1",
      "-0",
      "+7",
      "007",
      "3.",
      ".5",
      "1e5",
      "1E-7",
      "1e400",
      "-1e400",
      "1e-400",
      "nan",
      "inf",
      "-Infinity",
      "true",
      "FALSE",
      " 3 ",
      "3.0",
      "16777217",
      "0.1",
      "16777216.5",
      "33554434.5",
      "3.4028235e38",
      "3.4028236e38",
      "1e-45",
      "7e-46",
      "9007199254740993",
      "9223372036854775807",
      "-9223372036854775808",
      "9223372036854775808",
      "18446744073709551615",
      "123456789012345678901234567890",
      "0.30000000000000004",
      "2.2250738585072011e-308",
    ),
  );
  const odd = fc.constantFrom(
    "x",
    "1_000",
    "0x10",
    "1,5",
    'a"b',
    "--1",
    "1e",
    "NA",
    "é",
    "line\nbreak",
    '"',
    "a\r",
    " ",
    "\t",
    "1e99999",
  );
  const text = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), odd);
  const quote = (cell: string, always: boolean, delimiter: string): string =>
    always || cell.includes(delimiter) || /["\r\n]/.test(cell) || cell === "" ? `"${cell.replaceAll('"', '""')}"` : cell;

  it.each(["numbers", "mixed"] as const)(
    "of %s",
    async (kind) => {
      const cell =
        kind === "numbers" ? fc.oneof({ weight: 60, arbitrary: number }, { weight: 1, arbitrary: odd }) : fc.oneof(number, text);
      const tables = fc.record({
        rows: fc
          .integer({ min: 1, max: 5 })
          .chain((width) =>
            fc
              .array(fc.tuple(fc.array(cell, { minLength: width, maxLength: width }), fc.boolean()), { maxLength: 12 })
              .map((rows) => ({ width, rows })),
          ),
        delimiter: fc.constantFrom(",", ";", "\t", "|"),
        newline: fc.constantFrom("\n", "\r\n"),
        tail: fc.boolean(),
        stops: fc.boolean(),
        ragged: fc.constantFrom("", "", "", "1\n", "\n\n", "1,2,3,4,5,6,7\n"),
        types: fc.array(fc.option(fc.constantFrom(...TENSOR_TYPES), { freq: 6 }), { minLength: 1, maxLength: 6 }),
        missing: fc.constantFrom<MissingPolicy>("nan", "reject", { value: "1" }),
        kept: fc.constantFrom<KeptType>("utf8", "int64", "float64", "bool"),
        nullValues: fc.constantFrom<string[]>([""], ["", "NA"], [], ["", "é", "x"]),
      });
      await fc.assert(
        fc.asyncProperty(
          tables,
          async ({ rows: { width, rows }, stops, delimiter, newline, tail, ragged, types, missing, kept, nullValues }) => {
            const header = Array.from({ length: width }, (_, at) => `c${at}`).join(delimiter);
            const lines = rows.map(([cells, always]) =>
              cells.map((cellText) => quote(cellText, always, delimiter)).join(delimiter),
            );
            const body = `${ragged}${lines.join(newline)}${tail ? newline : ""}`;
            const { description, data } = await describeCsv(`${header}\n${body}`, {
              header: true,
              delimiter,
              quote: '"',
              encoding: "utf-8",
              nullValues,
            });
            const plan = planOf(description, types, missing, kept);
            bothDecode(description, { ...plan, onError: stops ? "fail" : "reject" }, data);
          },
        ),
        { numRuns: 250 },
      );
    },
    120_000,
  );
});

describe("columns that no one needs", () => {
  /** Cells as they stand in the file, right and wrong, up to and beyond the 64 bytes that are looked at together. */
  const part = fc.constantFrom(
    "a",
    "1.5",
    '"',
    '""',
    ",",
    "\n",
    "\r\n",
    "\r",
    "é",
    "x".repeat(15),
    "y".repeat(31),
    "z".repeat(62),
  );
  const inner = fc.array(part, { maxLength: 8, size: "max" }).map((parts) => parts.join(""));
  const raw = fc.oneof(
    { weight: 4, arbitrary: inner.map((text) => `"${text.replaceAll('"', '""')}"`) },
    { weight: 4, arbitrary: inner.map((text) => text.replaceAll(/[",\r\n]/g, "")) },
    { weight: 2, arbitrary: inner.map((text) => `b${text.replaceAll(/[,\r\n]/g, "")}`) },
    { weight: 1, arbitrary: fc.constantFrom("", '""', '"a"b', '"a" ', '"a"\r', '"', '"1', "1,2", "\r", '""""', '"\n"') },
  );
  const records = fc.array(fc.oneof({ weight: 9, arbitrary: fc.array(raw, { minLength: 5, maxLength: 5 }) }, fc.array(raw)), {
    maxLength: 10,
  });

  it("are passed alike", async () => {
    let passed = 0;
    await fc.assert(
      fc.asyncProperty(
        records,
        fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
        fc.constantFrom("\n", "\r\n"),
        fc.boolean(),
        async (table, kept, newline, tail) => {
          const text = ["a,b,c,d,e", ...table.map((cells) => cells.join(","))].join(newline) + (tail ? newline : "");
          const csv = { header: true, delimiter: ",", quote: '"', encoding: "utf-8" } as const;
          const described = await describeCsv(text, csv).catch((error: unknown) => {
            // A quote that stays open ends the plan already.
            if (error instanceof BatchPredictError) return null;
            throw error;
          });
          if (described === null) return;
          passed++;
          const { description, data } = described;
          bothDecode(
            description,
            planOf(description, [], "nan", "utf8", (column) => kept.includes(column)),
            data,
          );
        },
      ),
      { numRuns: 500 },
    );
    expect(passed).toBeGreaterThan(250);
  }, 120_000);
});

describe("numbers", () => {
  /** Decoded in one chunk each; `Number` and `Math.fround` are the oracle. */
  async function read(type: TensorType, texts: readonly string[]): Promise<TensorArray> {
    const { description, data } = await describeCsv(`v\n${texts.join("\n")}\n`, { header: true, delimiter: ",", quote: '"' });
    const plan = planOf(description, [type], "nan", "utf8");
    const decoder = makeKernelDecoder(description, { ...plan, keep: [] });
    expect(decoder.reserve).toBeDefined();
    const { tensors, rejects } = decoder.decode(data, 0, 0);
    expect(rejects).toEqual([]);
    return tensors[0]!.data;
  }

  it("equal Number() in every class of double", async () => {
    const texts = fc.sample(
      fc.oneof(fc.double({ noNaN: true }), fc.double({ min: -1e6, max: 1e6, noNaN: true })).map(String),
      20_000,
    );
    expect(Array.from((await read("float64", texts)) as Float64Array)).toEqual(texts.map(Number));
  });

  it("equal the nearest float32, next to ties too", async () => {
    const bits = fc.sample(fc.integer({ min: 0, max: 0x7f7ffffe }), 5_000);
    const texts = bits.flatMap((at) => {
      const [low, high] = new Float32Array(Uint32Array.of(at, at + 1).buffer);
      const middle = (low! + high!) / 2;
      return [String(low), String(middle), middle.toPrecision(19), low!.toPrecision(9), low!.toPrecision(17)];
    });
    const reference = await (async () => {
      const { description, data } = await describeCsv(`v\n${texts.join("\n")}\n`, { header: true, delimiter: ",", quote: '"' });
      return new CsvParseDecoder(description, { ...planOf(description, ["float32"], "nan", "utf8"), keep: [] }).decode(data, 0, 0)
        .tensors[0]!.data;
    })();
    const got = await read("float32", texts);
    expect(
      Buffer.compare(Buffer.from((got as Float32Array).slice().buffer), Buffer.from((reference as Float32Array).buffer)),
    ).toBe(0);
    // The even neighbour of an exact middle, by the definition of rounding.
    bits.slice(0, 500).forEach((at, index) => {
      const [low, high] = new Float32Array(Uint32Array.of(at, at + 1).buffer);
      expect([low, high]).toContain((got as Float32Array)[index * 5 + 1]);
    });
  });
});
