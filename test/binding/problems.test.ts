/** Missing values, kept columns, and refusals that tell everything at once. */
import { describe, expect, it } from "vitest";
import { bind, columns, input, messages, refusal } from "./made-signature.ts";

const N = null;

function policies(planned: ReturnType<typeof bind>): unknown {
  return planned.plan.inputs
    .flatMap(({ from }) => (from.kind === "list" ? [from.column] : from.columns))
    .map((one) => one.missing);
}

describe("missing values", () => {
  const inputs = [input("f", [N]), input("i", [N], "int64"), input("s", [N], "string"), input("b", [N], "bool")];
  const data = columns("f", "i", "s:text", "b:bool");

  it("by default are NaN for floats, an empty text for text, and reject the row elsewhere", () => {
    expect(policies(bind(inputs, data))).toEqual(["nan", "reject", { value: "" }, "reject"]);
  });

  it("by --missing nan go as far as the type allows", () => {
    const missing = { default: "nan" as const, columns: {} };
    expect(policies(bind(inputs, data, { missing }))).toEqual(["nan", "reject", { value: "" }, "reject"]);
  });

  it("by --missing reject reject everywhere", () => {
    const missing = { default: "reject" as const, columns: {} };
    expect(policies(bind(inputs, data, { missing }))).toEqual(["reject", "reject", "reject", "reject"]);
  });

  it("take a value, per column before the default", () => {
    const missing = { default: { value: "0" }, columns: { f: "nan" as const, i: { value: "-1" } } };
    expect(policies(bind(inputs, data, { missing }))).toEqual(["nan", { value: "-1" }, { value: "0" }, { value: "0" }]);
  });

  it("cannot become NaN in a column the user names, when its input has none", () => {
    const missing = { default: "auto" as const, columns: { i: "nan" as const } };
    const error = refusal(() => bind(inputs, data, { missing }));
    expect(error.message).toBe('missing values of column "i" cannot become NaN: model input "i" is int64');
    expect(error.details).toMatchObject({ where: { column: "i" }, hints: ["use reject or a value for this column"] });
  });

  it("of a column that is called like a property of every object follow the default", () => {
    expect(policies(bind([input("constructor", [N])], columns("constructor")))).toEqual(["nan"]);
  });

  it("of a column that does not exist are a typing error, not a wish to ignore", () => {
    const missing = { default: "auto" as const, columns: { ff: "reject" as const } };
    const error = refusal(() => bind([input("fff", [N])], columns("fff", "x"), { missing }));
    expect(messages(error)).toEqual(['missing.columns names column "ff", which the data does not have']);
    expect(error.details.hints).toEqual(['did you mean "fff"?']);
  });
});

describe("kept columns", () => {
  const inputs = [input("x", [N, 2])];
  const data = columns("id:text", "a", "b", "when:other", "note:text");
  const kept = (given: Parameters<typeof bind>[2]): string[] => bind(inputs, data, given).plan.keep.map((one) => one.name);

  it("are by default those that feed nothing, in input order", () => {
    expect(kept({})).toEqual(["id", "when", "note"]);
  });

  it("may be named in any order and come out in input order", () => {
    expect(kept({ keep: ["note", "a"] })).toEqual(["a", "note"]);
    expect(kept({ keep: ["*"] })).toEqual(["id", "a", "b", "when", "note"]);
    expect(kept({ keep: [] })).toEqual([]);
  });

  it("hold the key whatever else is said, and say so", () => {
    const planned = bind(inputs, data, { keep: ["note"], key: ["id"] });
    expect(planned.plan.keep.map((one) => one.name)).toEqual(["id", "note"]);
    expect(planned.notices).toContain('key column "id" is kept too');
    expect(bind(inputs, data, { key: ["id"] }).notices.join()).not.toContain("key column");
  });

  it("hold a key that feeds an input by the user's word", () => {
    expect(kept({ bind: { x: ["a", "b"] }, key: ["a"] })).toEqual(["id", "a", "when", "note"]);
  });

  it("carry their position and the type they come out as", () => {
    expect(bind(inputs, data).plan.keep).toEqual([
      { name: "id", column: "id", index: 0, type: "utf8" },
      { name: "when", column: "when", index: 3, type: "source" },
      { name: "note", column: "note", index: 4, type: "utf8" },
    ]);
  });

  it.each([
    [{ keep: ["nota"] }, '--keep: no column "nota"'],
    [{ key: ["idd"] }, '--key: no column "idd"'],
    // A sink looks for the key by name: a pattern that finds columns here would find none there.
    [{ key: ["i*"] }, '--key: no column "i*"'],
  ])("that do not exist are refused: %j", (given, message) => {
    expect(messages(refusal(() => bind(inputs, data, given)))).toEqual([message]);
  });
});

describe("refusals", () => {
  it("list every mismatch at once, each with its mend", () => {
    const inputs = [
      input("age", [N, 1]),
      input("income", [N, 1]),
      input("city", [N, 1], "string"),
      input("history", [N, "t", "f"]),
      input("k", []),
    ];
    const error = refusal(() =>
      bind(inputs, columns("agee", "incom", "town:text", "h1", "h2"), {
        bind: { history: ["h1", "h2"], cty: ["town"] },
        constants: { k: "x" },
        keep: ["twn"],
        key: ["nr"],
      }),
    );
    expect(error.code).toBe("BP_BINDING");
    expect(error.message).toBe("the data does not fit the model: 8 problems");
    expect(error.details.where).toEqual({ file: "model.onnx" });
    expect(messages(error)).toEqual([
      '--bind names model input "cty", which the model does not have',
      'model input "history" does not fit the columns given to it',
      'cannot read "x" as float32 for model input "k"',
      'model input "age" (float32 [N, 1]) is not bound to any column',
      'model input "income" (float32 [N, 1]) is not bound to any column',
      'model input "city" (string [N, 1]) is not bound to any column',
      '--keep: no column "twn"',
      '--key: no column "nr"',
    ]);
    const problems = error.details.problems!;
    expect(problems[0]!.hints).toEqual(['did you mean "city"?']);
    expect(problems[3]!.hints?.[0]).toBe('did you mean column "agee"? --bind age=agee');
    expect(problems[4]!.hints?.[0]).toBe('did you mean column "incom"? --bind income=incom');
    expect(problems[6]!.hints).toEqual(['did you mean "town"?']);
    for (const problem of problems) expect(problem.hints?.length ?? 0, problem.message).toBeGreaterThan(0);
  });

  it("of one problem are that problem", () => {
    const error = refusal(() => bind([input("x", [N])], columns("a", "b")));
    expect(error.message).toBe('model input "x" (float32 [N]) is not bound to any column');
    expect(error.details.problems).toBeUndefined();
  });

  it.each([
    [{ bind: { z: ["a"] } }, '--bind names model input "z", which the model does not have'],
    [{ constants: { z: "1" } }, '--const names model input "z", which the model does not have'],
    [{ shapes: { z: [1] } }, 'bind.shapes names model input "z", which the model does not have'],
  ])("name the option of an unknown model input: %j", (given, message) => {
    const error = refusal(() => bind([input("x", [N])], columns("x"), given));
    expect(error.message).toBe(message);
    expect(error.details.expected).toBe('one of: "x"');
  });

  it("shorten a long list of columns", () => {
    const data = columns(...Array.from({ length: 300 }, (_, at) => `c${at}`));
    expect(refusal(() => bind([input("x", [N, 7])], data)).details.actual).toMatch(/c9, \.\.\. \(300 columns\)$/);
  });
});
