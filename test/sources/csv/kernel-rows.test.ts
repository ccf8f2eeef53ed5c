/** Runs of float columns, which the kernel reads four cells at a time, against the reference. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bothDecode, describeCsv, digits } from "./kernel-harness.ts";

describe("rows of numbers side by side", () => {
  /** What four cells at a time are made for, up to its limits: a sign, eight bytes, one point, 2^24. */
  const short = fc.oneof(
    fc.tuple(fc.integer({ min: -99999, max: 99999 }), fc.integer({ min: 0, max: 4 })).map(([m, d]) => (m / 10 ** d).toFixed(d)),
    fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 1, maxLength: 8, size: "max" }),
    fc.constantFrom(
      "16777216",
      "-16777216",
      "16777217",
      "-1677.7217",
      "1677721.6",
      "99999999",
      "-9999999.",
      "-.9999999",
      "-0",
      "-0.0",
    ),
  );
  /** Of these sizes too, and nothing for them. */
  const almost = fc.oneof(
    fc.string({ unit: fc.constantFrom(..."0123456789.-"), maxLength: 10, size: "max" }),
    fc.string({ unit: fc.constantFrom(..."09.-+ :/N\x00\x80\xae\xff\u0130"), maxLength: 8, size: "max" }),
    fc.constantFrom("", ".", "-", "-.", "--1", "1.2.3", "1-", "1.-2", "3000000000", "9007199254740993"),
  );
  const cell = fc.oneof(
    { weight: 12, arbitrary: digits },
    { weight: 1, arbitrary: fc.constantFrom("", "x", "18446744073709551617", '"1.5"', "nan", '"a,b"', '"1\n2"') },
  );
  const mostly = fc.oneof({ weight: 30, arbitrary: short }, { weight: 1, arbitrary: almost });
  /** More than twelve end among 64 bytes. */
  const tiny = fc.integer({ min: -9, max: 99 }).map(String);
  /** Runs of up to 70 cells: one walk notes 64 of them. */
  const table = fc.oneof(fc.constant(7), fc.integer({ min: 2, max: 24 }), fc.constantFrom(63, 64, 65, 66, 70)).chain((width) => {
    const fill = fc
      .constantFrom(cell, short, mostly, almost)
      .chain((each) => fc.array(each, { minLength: width, maxLength: width }));
    // A cell more or less, where a run would end.
    const ragged = fc.array(short, { minLength: width - 1, maxLength: width + 2, size: "max" });
    // Two records with as many cells as one.
    const halves = fc
      .tuple(fc.array(tiny, { minLength: width, maxLength: width }), fc.integer({ min: 1, max: width - 1 }))
      .map(([cells, at]) => [...cells.slice(0, at - 1), `${cells[at - 1]}\n${cells[at]}`, ...cells.slice(at + 1)]);
    return fc.record({
      width: fc.constant(width),
      rows: fc.array(
        fc.oneof({ weight: 12, arbitrary: fill }, { weight: 1, arbitrary: ragged }, { weight: 1, arbitrary: halves }),
        {
          maxLength: width > 24 ? 6 : 30,
          size: "max",
        },
      ),
    });
  });

  it("are read alike whatever their lengths are", async () => {
    let plain = 0;
    await fc.assert(
      fc.asyncProperty(
        table,
        fc.constantFrom("\n", "\r\n"),
        fc.constantFrom("", "\n", "\r", "\r\n"),
        fc.boolean(),
        async ({ width, rows }, newline, tail, allBound) => {
          const header = Array.from({ length: width }, (_, at) => `c${at}`);
          const text = [header, ...rows].map((cells) => cells.join(",")).join(newline) + tail;
          const { description, data } = await describeCsv(text, { header: true, delimiter: ",", quote: '"', encoding: "utf-8" });
          const bound = allBound ? description.columns : description.columns.slice(1, -1);
          const columns = bound.map(({ name, index }) => ({
            name,
            index,
            missing: index === 3 ? ("reject" as const) : ("nan" as const),
          }));
          const from = { kind: "columns" as const, columns };
          const inputs = [{ input: "x", type: "float32" as const, rowShape: [bound.length], rowSize: bound.length, from }];
          const keep = allBound ? [] : [{ name: "id", column: "c0", index: 0, type: "int64" as const }];
          bothDecode(description, { onError: "reject", constants: [], keep, inputs: bound.length > 0 ? inputs : [] }, data);
          plain++;
        },
      ),
      { numRuns: 300 },
    );
    expect(plain).toBeGreaterThan(200);
  }, 120_000);
});
