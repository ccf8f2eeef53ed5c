/** The contract's "Binding, in order": the user's word, names, the one input that is left, list columns. */
import { describe, expect, it } from "vitest";
import { bind, bound, column, columns, input, messages, refusal } from "./made-signature.ts";

const N = null;

describe("1. the user's word", () => {
  it("wins over a column of the input's name", () => {
    const planned = bind([input("age", [N, 1])], columns("age", "years"), { bind: { age: ["years"] } });
    expect(bound(planned)).toEqual({ age: ["years"] });
    expect(planned.origins).toEqual({ age: "--bind" });
    expect(planned.notices).toEqual([]);
  });

  it("takes names, ranges and globs, in the order given", () => {
    const planned = bind([input("x", [N, 5])], columns("id", "lag_1", "lag_2", "p_a", "p_b", "z"), {
      bind: { x: ["z", "lag_1..lag_2", "p_*"] },
    });
    expect(bound(planned)).toEqual({ x: ["z", "lag_1", "lag_2", "p_a", "p_b"] });
  });

  it("may feed one column to two inputs", () => {
    const planned = bind([input("a", [N]), input("b", [N])], columns("x"), { bind: { a: ["x"], b: ["x"] } });
    expect(bound(planned)).toEqual({ a: ["x"], b: ["x"] });
  });

  it("takes its columns from the guesses that follow", () => {
    const planned = bind([input("a", [N]), input("rest", [N, 2])], columns("p", "q", "r"), { bind: { a: ["q"] } });
    expect(bound(planned)).toEqual({ a: ["q"], rest: ["p", "r"] });
  });

  it("reaches an input with a default, which nothing else does", () => {
    const inputs = [input("x", [N, 1]), input("weight", [N, 1], "float32", true)];
    expect(bound(bind(inputs, columns("x", "weight")))).toEqual({ x: ["x"] });
    expect(bound(bind(inputs, columns("x", "weight"), { bind: { weight: ["weight"] } }))).toEqual({
      x: ["x"],
      weight: ["weight"],
    });
  });

  it("orders the inputs as the model does, whoever bound them", () => {
    const planned = bind([input("a", [N]), input("b", [N]), input("c", [N])], columns("c", "q", "a"), { bind: { b: ["q"] } });
    expect(planned.plan.inputs.map((one) => one.input)).toEqual(["a", "b", "c"]);
  });
});

describe("2. names", () => {
  it("feed one column each, wherever it stands", () => {
    const planned = bind([input("age", [N, 1]), input("city", [N, 1], "string")], columns("x", "city:text", "y", "age"));
    expect(bound(planned)).toEqual({ age: ["age"], city: ["city"] });
    expect(planned.plan.inputs.map(({ from }) => from.kind === "columns" && from.columns[0]!.index)).toEqual([3, 1]);
    expect(planned.origins.age).toBe("column of the same name");
    expect(planned.notices).toEqual([]);
  });

  it("match without case and punctuation when that is unique", () => {
    const inputs = [input("sepal_length", [N, 1]), input("PetalWidth", [N, 1])];
    const planned = bind(inputs, columns("noise", "Petal.Width", "Sepal Length"));
    expect(bound(planned)).toEqual({ sepal_length: ["Sepal Length"], PetalWidth: ["Petal.Width"] });
  });

  it("prefer the exact column to its look-alikes", () => {
    expect(bound(bind([input("age", [N])], columns("Age", "AGE", "age")))).toEqual({ age: ["age"] });
  });

  it("match letters of any alphabet", () => {
    expect(bound(bind([input("größe", [N]), input("год", [N])], columns("ГОД", "Größe")))).toEqual({
      größe: ["Größe"],
      год: ["ГОД"],
    });
  });

  it("do not choose between two look-alike columns", () => {
    const error = refusal(() => bind([input("a_ge", [N]), input("b", [N])], columns("b", "A-ge", "A ge", "c")));
    expect(error.message).toBe('model input "a_ge" (float32 [N]) is not bound to any column');
    expect(error.details.hints).toContain('did you mean column "A-ge"? --bind a_ge=A-ge');
  });

  it("do not choose between two look-alike inputs", () => {
    const error = refusal(() => bind([input("a_b", [N]), input("a-b", [N])], columns("AB", "x")));
    expect(messages(error)).toHaveLength(2);
  });

  it.each([[["Age", "age"]], [["age", "Age"]]])("give the same binding whatever the order of the inputs: %s", (names) => {
    const planned = bind(
      names.map((name) => input(name, [N])),
      columns("AGE", "age", "z"),
    );
    expect(bound(planned)).toEqual({ age: ["age"], Age: ["AGE"] });
  });

  it("made of punctuation alone match only themselves", () => {
    const error = refusal(() => bind([input("_", [N]), input("b", [N])], columns("-", "b", "c")));
    expect(messages(error)).toEqual(['model input "_" (float32 [N]) is not bound to any column']);
  });

  it("do not squeeze one column into a wide input", () => {
    const planned = bind([input("x", [N, 3])], columns("x", "y", "z"));
    expect(bound(planned)).toEqual({ x: ["x", "y", "z"] });
  });

  it("leave a key column alone: it identifies rows, it does not feed", () => {
    const error = refusal(() => bind([input("id", [N]), input("b", [N])], columns("id", "b"), { key: ["id"] }));
    expect(error.message).toContain('model input "id"');
  });

  it("bind a list column of the same name and width", () => {
    const planned = bind([input("emb", [N, 4]), input("other", [N, 4])], columns("other:list4", "emb:list4"));
    expect(bound(planned)).toEqual({ emb: ["emb"], other: ["other"] });
    expect(planned.plan.inputs[0]).toMatchObject({ rowShape: [4], rowSize: 4, from: { kind: "list" } });
  });
});

describe("3. the one input that is left", () => {
  it("takes --features in their order", () => {
    const planned = bind([input("x", [N, 3])], columns("a", "b", "c", "d"), { features: ["d", "a..b"] });
    expect(bound(planned)).toEqual({ x: ["d", "a", "b"] });
    expect(planned.origins).toEqual({ x: "--features" });
    expect(planned.plan.keep.map((kept) => kept.name)).toEqual(["c"]);
  });

  it("takes --features even when a column happens to have the input's name", () => {
    expect(bound(bind([input("x", [N, N])], columns("x", "y", "z"), { features: ["x", "y", "z"] }))).toEqual({
      x: ["x", "y", "z"],
    });
    expect(bound(bind([input("x", [N, 1])], columns("x", "y"), { features: ["y"] }))).toEqual({ x: ["y"] });
  });

  it("takes --features after the inputs that names decide", () => {
    const inputs = [input("store", [N], "int64"), input("lags", [N, 2]), input("promo", [N])];
    const planned = bind(inputs, columns("store", "l2", "l1", "promo"), { features: ["l1", "l2"] });
    expect(bound(planned)).toEqual({ store: ["store"], lags: ["l1", "l2"], promo: ["promo"] });
  });

  it("takes exactly F numeric columns in file order, and says so", () => {
    const planned = bind([input("float_input", [N, 3])], columns("b", "name:text", "a", "when:other", "c"));
    expect(bound(planned)).toEqual({ float_input: ["b", "a", "c"] });
    expect(planned.notices).toEqual([
      'model input "float_input" (float32 [N, 3]) takes b, a, c: the 3 fitting columns left, in file order',
    ]);
    expect(planned.plan.keep.map((kept) => kept.name)).toEqual(["name", "when"]);
  });

  it.each([
    ["one too few", columns("a", "b", "t:text")],
    ["one too many", columns("a", "b", "c", "d")],
  ])("does not guess with %s", (what, data) => {
    const error = refusal(() => bind([input("x", [N, 3])], data));
    expect(error.code).toBe("BP_BINDING");
    expect(error.message).toBe('model input "x" (float32 [N, 3]) is not bound to any column');
    expect(error.details.expected).toBe("3 columns");
    expect(error.details.actual).toContain(`${data.filter((one) => one.numeric).length} numeric columns are left of: a, b`);
    const [named, ...others] = error.details.hints!;
    expect(named).toBe("name its columns in order: --bind x=COLS (or --features COLS)");
    // Only a text column could have been meant as numbers.
    expect(others.map((hint) => hint.slice(0, 28))).toEqual(what === "one too few" ? ['not all cells of column "t" '] : []);
  });

  it("does not count key columns among the features", () => {
    const planned = bind([input("x", [N, 2])], columns("id", "a", "b"), { key: ["id"] });
    expect(bound(planned)).toEqual({ x: ["a", "b"] });
    expect(planned.plan.keep.map((kept) => kept.name)).toEqual(["id"]);
  });

  it("solves a dynamic width by the number of columns", () => {
    const planned = bind([input("x", [N, "features"])], columns("a", "b", "c"));
    expect(planned.plan.inputs[0]).toMatchObject({ rowShape: [3], rowSize: 3 });
  });

  it("takes text columns for a text input", () => {
    const planned = bind([input("input", ["N", 2], "string")], columns("n", "subject:text", "body:text"));
    expect(bound(planned)).toEqual({ input: ["subject", "body"] });
  });

  it("shortens a long notice", () => {
    const data = columns(...Array.from({ length: 20 }, (_, at) => `f${at}`));
    expect(bind([input("x", [N, 20])], data).notices[0]).toContain("takes f0, f1, f2, ... f19 (20 columns): the 20 fitting");
  });

  it("refuses --features when several inputs are left, and names them", () => {
    const error = refusal(() => bind([input("x", [N, 2]), input("y", [N, 1])], columns("a", "b", "c"), { features: ["a", "b"] }));
    expect(messages(error)).toEqual(['--features feeds one model input, but 2 are left: "x", "y"']);
    expect(error.details.hints).toEqual(["name the input: --bind x=COLS"]);
  });

  it("refuses --features when every input is bound by word", () => {
    const error = refusal(() => bind([input("x", [N, 1])], columns("a", "b"), { bind: { x: ["a"] }, features: ["b"] }));
    expect(messages(error)).toEqual(["--features is given, but every model input is already bound"]);
  });

  it("says one thing about a wrong --features, not that the input is unbound as well", () => {
    const error = refusal(() => bind([input("x", [N, 2])], columns("alpha", "beta"), { features: ["alpha", "betta"] }));
    expect(messages(error)).toEqual(['--features: no column "betta"']);
    expect(error.details.hints).toEqual(['did you mean "beta"?']);
  });
});

describe("4. list columns", () => {
  it("feed the input of their width", () => {
    const inputs = [input("img", [N, 6]), input("txt", [N, 4])];
    const planned = bind(inputs, columns("e4:list4", "e6:list6", "n"));
    expect(bound(planned)).toEqual({ img: ["e6"], txt: ["e4"] });
    expect(planned.notices).toContain('model input "img" (float32 [N, 6]) takes e6: the only list column of that width');
  });

  it("fill the shape of higher rank", () => {
    const planned = bind([input("x", [N, 2, 3])], columns("e:list6"));
    expect(planned.plan.inputs[0]).toMatchObject({ rowShape: [2, 3], rowSize: 6, from: { kind: "list" } });
  });

  it("are not chosen between when two have the width", () => {
    const error = refusal(() => bind([input("x", [N, 4])], columns("a:list4", "b:list4")));
    expect(error.message).toContain('model input "x"');
  });

  it("are not given to either of two inputs of one width", () => {
    const error = refusal(() => bind([input("x", [N, 4]), input("y", [N, 4])], columns("a:list4")));
    expect(messages(error)).toHaveLength(2);
  });

  it("of unknown width feed an input whose width is known", () => {
    const planned = bind([input("x", [N, 4])], columns("e:list"));
    expect(planned.plan.inputs[0]).toMatchObject({ rowShape: [4], from: { kind: "list" } });
  });

  it("need a shape when neither side knows the width", () => {
    const error = refusal(() => bind([input("x", [N, N])], columns("e:list"), { bind: { x: ["e"] } }));
    expect(error.details.actual).toBe("an unknown number of values per row");
    const planned = bind([input("x", [N, N])], columns("e:list"), { bind: { x: ["e"] }, shapes: { x: [8] } });
    expect(planned.plan.inputs[0]).toMatchObject({ rowShape: [8], rowSize: 8 });
  });

  it("of the wrong width are refused by name", () => {
    const error = refusal(() => bind([input("x", [N, 4])], columns("e:list5"), { bind: { x: ["e"] } }));
    expect(error.message).toBe('model input "x" does not fit the columns given to it');
    expect(error.details).toMatchObject({ expected: "4 values per row for float32 [N, 4]", actual: "5 values per row" });
  });

  it("beside other columns are no elements", () => {
    const error = refusal(() => bind([input("x", [N, 2])], columns("e:list4", "a"), { bind: { x: ["e", "a"] } }));
    expect(error.message).toBe('column "e" (list<float32>) cannot feed model input "x"');
    expect(error.details.where).toEqual({ column: "e", columnIndex: 1 });
  });
});

describe("shapes of a row", () => {
  it("of higher rank are filled row-major from flat columns", () => {
    const data = columns("a", "b", "c", "d", "e", "f");
    expect(bind([input("x", [N, 2, 3])], data).plan.inputs[0]).toMatchObject({ rowShape: [2, 3], rowSize: 6 });
    expect(bind([input("x", [N, N, 3])], data).plan.inputs[0]).toMatchObject({ rowShape: [2, 3] });
  });

  it("with two open dimensions need --shape", () => {
    const data = columns("a", "b", "c", "d", "e", "f");
    const error = refusal(() => bind([input("x", [N, "t", "f"])], data));
    expect(error.details.hints).toEqual(["say the shape of one row: --shape x=AxB (bind.shapes in a job file)"]);
    expect(bind([input("x", [N, "t", "f"])], data, { shapes: { x: [3, 2] } }).plan.inputs[0]).toMatchObject({ rowShape: [3, 2] });
  });

  it("given by the user must hold the columns", () => {
    const error = refusal(() => bind([input("x", [N, N, N])], columns("a", "b", "c"), { shapes: { x: [2, 2] } }));
    expect(error.details.actual).toBe("shape [2, 2] from 3 values");
  });

  it("of a model that declares no rank are a width", () => {
    const planned = bind([{ ...input("x", []), shapeDeclared: false }], columns("a", "b"));
    expect(planned.plan.inputs[0]).toMatchObject({ rowShape: [2], rowSize: 2 });
    const shaped = bind([{ ...input("x", []), shapeDeclared: false }], columns("a", "b"), { shapes: { x: [1, 2] } });
    expect(shaped.plan.inputs[0]).toMatchObject({ rowShape: [1, 2] });
  });

  it("of a scalar have no row axis", () => {
    const error = refusal(() => bind([input("x", [])], columns("x")));
    expect(error.details.hints).toEqual(["give it a fixed value: --const x=VALUE"]);
    expect(messages(refusal(() => bind([input("x", [])], columns("x"), { bind: { x: ["x"] } })))).toEqual([
      'model input "x" is a scalar: it has no row axis that data could fill',
    ]);
  });
});

describe("rows per call", () => {
  it("follow the inputs that data feeds", () => {
    expect(bind([input("x", [3, 2])], columns("a", "b")).fixedBatch).toBe(3);
    expect(bind([input("x", [N, 2])], columns("a", "b")).fixedBatch).toBeNull();
    expect(bind([input("x", ["batch"]), input("y", [4])], columns("x", "y")).fixedBatch).toBe(4);
  });

  it("do not follow constants and defaults", () => {
    const inputs = [input("x", [N, 1]), input("k", [5]), input("w", [7], "float32", true)];
    expect(bind(inputs, columns("x"), { constants: { k: "1" } }).fixedBatch).toBeNull();
  });

  it("that contradict each other are refused", () => {
    const error = refusal(() => bind([input("x", [2]), input("y", [3])], columns("x", "y")));
    expect(error.message).toBe('the model\'s inputs ask for different numbers of rows per call: "x" takes 2, "y" takes 3');
    expect(error.details.hints).toEqual(["bind those that are not fed row by row with --const"]);
  });
});

describe("rows that fail", () => {
  it("stop the chunk under --on-error fail", () => {
    expect(bind([input("x", [N])], columns("x")).plan.onError).toBe("fail");
    expect(bind([input("x", [N])], columns("x"), { onError: "reject" }).plan.onError).toBe("reject");
  });

  it("do not stop a chunk of which only a part is wanted: a bad row before that part is nobody's business", () => {
    const data = columns("x");
    expect(bind([input("x", [N])], data, { whereRows: { start: 5, end: 9 } }).plan.onError).toBe("reject");
    expect(bind([input("x", [N])], data, { shard: { index: 1, count: 2 } }).plan.onError).toBe("reject");
  });
});

describe("column types", () => {
  it("that are kept only cannot feed", () => {
    const error = refusal(() => bind([input("x", [N])], columns("t:other"), { bind: { x: ["t"] } }));
    expect(error.message).toBe('column "t" (timestamp[us]) cannot feed model input "x"');
  });

  it("of numbers cannot feed text, text can feed numbers", () => {
    const error = refusal(() => bind([input("x", [N], "string")], columns("n:number"), { bind: { x: ["n"] } }));
    expect(error.message).toBe('column "n" holds float64, but model input "x" takes text');
    expect(error.details.hints?.[0]).toContain("--bind x=COL");
    expect(bound(bind([input("x", [N])], columns("t:text"), { bind: { x: ["t"] } }))).toEqual({ x: ["t"] });
  });

  it("of booleans fill a bool input by guess, dates never", () => {
    expect(bound(bind([input("x", [N, 2], "bool")], columns("a:bool", "t:other", "b:bool")))).toEqual({ x: ["a", "b"] });
    expect(refusal(() => bind([input("x", [N, 1])], [column("t", 0, "other")])).code).toBe("BP_BINDING");
  });
});
