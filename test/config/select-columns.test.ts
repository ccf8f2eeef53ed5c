import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { selectColumns } from "../../src/core/select-columns.ts";

const columns = ["store_id", "week", "lag_1", "lag_2", "lag_3", "promo", "price/eur", "x[0]", "a..b"];

describe("selectColumns", () => {
  it("takes literal names, ranges and globs, in the order of the list", () => {
    expect(selectColumns(["promo", "lag_1..lag_3", "store_*"], columns)).toEqual({
      names: ["promo", "lag_1", "lag_2", "lag_3", "store_id"],
      problems: [],
      notes: [],
    });
  });

  it("prefers a column of that very name over a range or a glob", () => {
    expect(selectColumns(["a..b", "x[0]"], columns).names).toEqual(["a..b", "x[0]"]);
    expect(selectColumns(["*"], ["a", "*"]).names).toEqual(["*"]);
  });

  it("finds the border of a range between names that hold dots", () => {
    expect(selectColumns(["a..b..c."], ["a..b", "m", "c."]).names).toEqual(["a..b", "m", "c."]);
  });

  it("matches every column with *, also dotted ones and ones with slashes", () => {
    const odd = [".hidden", "a/b", "c d", "(x)", "!no", "{y}", "ä"];
    expect(selectColumns(["*"], odd).names).toEqual(odd);
    expect(selectColumns(["?(*"], ["x(y"]).names).toEqual(["x(y"]);
  });

  it("knows ? and [..]", () => {
    expect(selectColumns(["lag_?"], columns).names).toEqual(["lag_1", "lag_2", "lag_3"]);
    expect(selectColumns(["lag_[12]"], columns).names).toEqual(["lag_1", "lag_2"]);
  });

  it("reports each mistake in words a person can act on", () => {
    const { names, problems } = selectColumns(
      ["prom", "lag_1..lag_9", "lag_3..lag_1", "zz*", "week", "week", "lag_1", "lag_*", ""],
      columns,
    );
    expect(names).toEqual(["week", "lag_1", "lag_2", "lag_3"]);
    expect(problems.map(({ kind, message, hints }) => `${kind}: ${message} (${hints.join("; ")})`)).toEqual([
      'unknown: no column "prom" (did you mean "promo"?)',
      'range: range "lag_1..lag_9" has no column "lag_9" (did you mean "lag_1" or "lag_2" or "lag_3"?)',
      'range: range "lag_3..lag_1" runs backwards: "lag_3" is column 5, "lag_1" column 3 (write lag_1..lag_3, or list the columns in the order you want)',
      'glob: no column matches "zz*" (the columns are: store_id, week, lag_1, lag_2, lag_3, promo, price/eur, x[0], a..b)',
      'duplicate: "week" is listed twice (list every column once)',
      'duplicate: "lag_*" selects again what "lag_1" already selected: lag_1 (list every column once)',
      "empty: an empty column name (remove the empty entry (a comma too many?))",
    ]);
  });

  it("names a range of which neither end exists", () => {
    expect(selectColumns(["p..q"], ["a"]).problems[0]?.message).toBe('range "p..q" has neither a column "p" nor a column "q"');
  });

  it("says so when file order is not counting order", () => {
    const sorted = ["lag_1", "lag_10", "lag_2"];
    expect(selectColumns(["lag_1..lag_2"], sorted)).toEqual({
      names: sorted,
      problems: [],
      notes: ['range "lag_1..lag_2" goes by file order, which is not counting order here: lag_1, lag_10, lag_2'],
    });
    expect(selectColumns(["lag_03..lag_01"], ["lag_03", "lag_02", "lag_01"]).notes).toEqual([]);
  });

  const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 12 });

  it("selects every column by its own name, whatever it is called", () => {
    fc.assert(
      fc.property(names, (all) => {
        expect(selectColumns(all, all)).toMatchObject({ names: all, problems: [] });
      }),
    );
  });

  it("gives the slice of the file for any range whose text is no column itself", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.stringMatching(/^[a-z_]{1,4}$/), { minLength: 1, maxLength: 12 }),
        fc.nat(),
        fc.nat(),
        (all, i, j) => {
          const [start, end] = [Math.min(i % all.length, j % all.length), Math.max(i % all.length, j % all.length)];
          expect(selectColumns([`${all[start]}..${all[end]}`], all).names).toEqual(all.slice(start, end + 1));
        },
      ),
    );
  });

  it("never selects a column that is absent, never selects one twice, and never throws", () => {
    fc.assert(
      fc.property(names, fc.array(fc.string({ maxLength: 8 }), { maxLength: 6 }), (all, selectors) => {
        const { names: got } = selectColumns(selectors, all);
        expect(new Set(got).size).toBe(got.length);
        for (const name of got) expect(all).toContain(name);
      }),
    );
  });
});
