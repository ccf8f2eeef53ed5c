/**
 * Decides which columns feed which model input, in the order the contract fixes: the user's word, names, the one remaining
 * wide input, list columns. Pure: signature and schema in, plan or the full list of problems out.
 */
import type { BindingPlan, BoundColumn, ConstantBinding, InputBinding, MissingPolicy } from "../core/binding-plan.ts";
import { BatchPredictError, toWire, type WireError } from "../core/errors.ts";
import type { ModelInput, ModelSignature } from "../core/model-signature.ts";
import { selectColumns } from "../core/select-columns.ts";
import type { Origin, RunSettings } from "../core/settings.ts";
import type { SourceColumn } from "../core/source.ts";
import { suggest } from "../core/suggest.ts";
import { isFloatType } from "../core/tensor-types.ts";
import { fillConstant } from "../values/constant.ts";
import { constantValues } from "./constant-values.ts";
import { type Candidate, guessColumns } from "./guess-columns.ts";
import { own } from "./own.ts";
import { planKeep } from "./plan-keep.ts";
import { fixedRowSize, product, shapeText, solveRowShape } from "./row-shape.ts";

export type BindingSettings = Pick<
  RunSettings,
  "features" | "bind" | "shapes" | "constants" | "keep" | "key" | "missing" | "onError" | "model" | "whereRows" | "shard"
>;

export interface PlannedBinding {
  plan: BindingPlan;
  /** Rows per inference call that the bound inputs force, null when any number goes. */
  fixedBatch: number | null;
  /** Per model input: where its binding came from. */
  origins: Record<string, Origin>;
  /** Said to people on stderr: what was guessed. */
  notices: string[];
}

/** @throws BP_BINDING with every mismatch in `problems` */
export function planBinding(signature: ModelSignature, columns: SourceColumn[], settings: BindingSettings): PlannedBinding {
  const planner = new BindingPlanner(signature, columns, settings);
  return planner.plan();
}

class BindingPlanner {
  readonly #signature: ModelSignature;
  readonly #columns: SourceColumn[];
  readonly #settings: BindingSettings;
  readonly #problems: WireError[] = [];
  readonly #origins: Record<string, Origin> = {};
  readonly #notices: string[] = [];
  readonly #bound = new Map<string, InputBinding>();
  readonly #constants: ConstantBinding[] = [];
  readonly #used = new Set<string>();
  /** Inputs that are decided, rightly or with a problem already told. */
  readonly #settled = new Set<string>();
  #featuresUsed = false;

  constructor(signature: ModelSignature, columns: SourceColumn[], settings: BindingSettings) {
    this.#signature = { ...signature, inputs: signature.inputs.map((input) => ranked(input, own(settings.shapes, input.name))) };
    this.#columns = columns;
    this.#settings = settings;
  }

  plan(): PlannedBinding {
    this.#checkNames();
    for (const input of this.#signature.inputs) this.#bindByWord(input);
    // An input with a default may be a plain weight: only the user's word changes it.
    const named = (): ModelInput[] => this.#open().filter((input) => !input.optional);
    // A model with one input needs no name to know what --features are for.
    if (named().length === 1) this.#bindFeatures();
    for (const exactly of [true, false]) for (const input of named()) this.#bindByName(input, exactly);
    if (!this.#featuresUsed) this.#bindFeatures();
    for (const candidate of guessColumns(this.#open(), this.#freeColumns())) this.#bindGuess(candidate);
    for (const input of this.#open()) if (!input.optional) this.#unbound(input);
    const fixedBatch = this.#fixedBatch();
    const keep = planKeep(this.#columns, this.#used, this.#settings, this.#problems, this.#notices);
    if (this.#problems.length > 0) throw this.#refusal();
    const inputs = this.#signature.inputs.flatMap((input) => this.#bound.get(input.name) ?? []);
    const { onError, whereRows, shard } = this.#settings;
    // A bad row outside of the wanted part must not end a chunk that holds wanted rows behind it; run/ fails on those that count.
    const part = whereRows !== null || shard !== null;
    const plan: BindingPlan = { inputs, constants: this.#constants, keep, onError: part ? "reject" : onError };
    return { plan, fixedBatch, origins: this.#origins, notices: this.#notices };
  }

  #open(): ModelInput[] {
    return this.#signature.inputs.filter((input) => !this.#settled.has(input.name));
  }

  #freeColumns(): SourceColumn[] {
    return this.#columns.filter((column) => !this.#used.has(column.name) && !this.#settings.key.includes(column.name));
  }

  #checkNames(): void {
    const names = this.#signature.inputs.map((input) => input.name);
    const given = { "--bind": this.#settings.bind, "--const": this.#settings.constants, "bind.shapes": this.#settings.shapes };
    for (const [option, entries] of Object.entries(given)) {
      for (const name of Object.keys(entries)) {
        if (names.includes(name)) continue;
        const near = suggest(name, names);
        this.#problem(`${option} names model input "${name}", which the model does not have`, {
          expected: `one of: ${names.map((known) => `"${known}"`).join(", ")}`,
          hints: near.map((known) => `did you mean "${known}"?`),
        });
      }
    }
    const columns = this.#columns.map((column) => column.name);
    for (const name of Object.keys(this.#settings.missing.columns)) {
      if (columns.includes(name)) continue;
      this.#problem(`missing.columns names column "${name}", which the data does not have`, {
        hints: suggest(name, columns).map((known) => `did you mean "${known}"?`),
      });
    }
  }

  #bindByWord(input: ModelInput): void {
    const constant = own(this.#settings.constants, input.name);
    const selectors = own(this.#settings.bind, input.name);
    if (constant !== undefined && selectors !== undefined) {
      this.#settled.add(input.name);
      this.#problem(`model input "${input.name}" is given both by --bind and by --const`, { hints: ["keep one of the two"] });
    } else if (constant !== undefined) {
      this.#bindConstant(input, constant);
    } else if (selectors !== undefined) {
      const columns = this.#select(selectors, `--bind ${input.name}`);
      if (columns) this.#bindColumns(input, columns, "--bind");
      this.#settled.add(input.name);
    }
  }

  #bindConstant(input: ModelInput, text: string): void {
    this.#settled.add(input.name);
    const perRow = input.shape.length > 0 && typeof input.shape[0] !== "number";
    const declared = perRow ? input.shape.slice(1) : input.shape;
    const values = constantValues(text);
    if (!values) {
      this.#problem(`constant for model input "${input.name}" is not a JSON list`, {
        actual: text,
        hints: [`for example --const '${input.name}=[1, 2]'`],
      });
      return;
    }
    const open = declared.filter((dimension) => typeof dimension !== "number").length;
    const known = product(declared.filter((dimension): dimension is number => typeof dimension === "number"));
    const shape = declared.map((dimension) =>
      typeof dimension === "number" ? dimension : open === 1 && values.length % known === 0 ? values.length / known : 1,
    );
    if (values.length === 0 || (values.length !== 1 && values.length !== product(shape))) {
      this.#problem(`constant for model input "${input.name}" has ${values.length} values`, {
        expected: `${known === 1 ? "1 value" : `1 or ${known} values`} for ${shapeText(input)}`,
        actual: `${values.length} values`,
        hints: [`give one value for all elements, or a JSON list: --const '${input.name}=[...]'`],
      });
      return;
    }
    const constant: ConstantBinding = { input: input.name, type: input.type, shape, perRow, values };
    try {
      fillConstant(constant);
    } catch (error) {
      this.#problems.push(toWire(error));
      return;
    }
    this.#constants.push(constant);
    this.#origins[input.name] = "--const";
  }

  /** Names equal to columns feed one column each: exactly, then without case and punctuation when that is unique. */
  #bindByName(input: ModelInput, exactly: boolean): void {
    const size = fixedRowSize(input);
    const free = this.#freeColumns();
    const fold = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
    const exact = free.filter((column) => column.name === input.name);
    const folded = free.filter((column) => fold(column.name) === fold(input.name) && fold(input.name) !== "");
    const [column] = exactly ? exact : folded.length === 1 ? folded : [];
    if (!column || input.shape.length === 0) return;
    const mates = this.#open().filter((other) => fold(other.name) === fold(input.name));
    if (column.name !== input.name && mates.length > 1) return;
    const wide =
      column.role === "list"
        ? size === null || column.listSize === null || size === column.listSize
        : size === 1 || size === null;
    if (!wide) return;
    this.#bindColumns(input, [column], "column of the same name");
    this.#settled.add(input.name);
  }

  /** `--features` feeds the one input that is left; without one left, or with several, the user must say which. */
  #bindFeatures(): void {
    if (!this.#settings.features) return;
    this.#featuresUsed = true;
    const columns = this.#select(this.#settings.features, "--features");
    if (!columns) {
      for (const input of this.#open()) this.#settled.add(input.name);
      return;
    }
    const required = this.#open().filter((input) => !input.optional);
    const wide = required.length > 0 ? required : this.#open();
    const [input] = wide;
    if (input && wide.length === 1) {
      this.#bindColumns(input, columns, "--features");
      this.#settled.add(input.name);
      return;
    }
    const names = this.#signature.inputs.map((known) => known.name);
    this.#problem(
      wide.length === 0
        ? "--features is given, but every model input is already bound"
        : `--features feeds one model input, but ${wide.length} are left: ${wide.map((known) => `"${known.name}"`).join(", ")}`,
      { hints: [`name the input: --bind ${wide[0]?.name ?? names[0]}=COLS`] },
    );
    for (const known of wide) this.#settled.add(known.name);
  }

  #bindGuess({ input, columns, why }: Candidate): void {
    this.#bindColumns(input, columns, why);
    this.#settled.add(input.name);
    const names = columns.map((column) => column.name);
    const list =
      names.length > 6 ? `${names.slice(0, 3).join(", ")}, ... ${names.at(-1)} (${names.length} columns)` : names.join(", ");
    this.#notices.push(`model input "${input.name}" (${shapeText(input)}) takes ${list}: ${why}`);
  }

  #bindColumns(input: ModelInput, columns: SourceColumn[], origin: Origin): void {
    const [only] = columns;
    const list = only && columns.length === 1 && only.role === "list" ? only : null;
    const given = own(this.#settings.shapes, input.name);
    const elements = list ? list.listSize : columns.length;
    if (input.shape.length === 0) {
      this.#problem(`model input "${input.name}" is a scalar: it has no row axis that data could fill`, {
        hints: [`give it a fixed value: --const ${input.name}=VALUE`],
      });
      return;
    }
    const rowShape = solveRowShape(input, elements, given);
    if (!rowShape) {
      this.#shapeProblem(input, elements, given);
      return;
    }
    for (const column of columns) this.#checkRole(input, column, list !== null);
    const bound = columns.map(
      (column): BoundColumn => ({ name: column.name, index: column.index, missing: this.#missing(input, column) }),
    );
    const from: InputBinding["from"] = list ? { kind: "list", column: bound[0]! } : { kind: "columns", columns: bound };
    this.#bound.set(input.name, { input: input.name, type: input.type, rowShape, rowSize: product(rowShape), from });
    for (const column of columns) this.#used.add(column.name);
    this.#origins[input.name] = origin;
  }

  #checkRole(input: ModelInput, column: SourceColumn, asList: boolean): void {
    const where = { column: column.name, columnIndex: column.index + 1 };
    if (column.role === "other" || (column.role === "list" && !asList)) {
      this.#problem(`column "${column.name}" (${column.type}) cannot feed model input "${input.name}"`, {
        where,
        expected: shapeText(input),
        actual: column.type,
        hints: ["bind a column of numbers, text or booleans, or keep this one with --keep"],
      });
    } else if (input.type === "string" && column.role !== "text") {
      this.#problem(`column "${column.name}" holds ${column.type}, but model input "${input.name}" takes text`, {
        where,
        expected: "text",
        actual: column.type,
        hints: [`cast the column to text in the data, or bind another one with --bind ${input.name}=COL`],
      });
    }
  }

  #missing(input: ModelInput, column: SourceColumn): MissingPolicy {
    const { missing } = this.#settings;
    const word = own(missing.columns, column.name);
    const policy = word ?? missing.default;
    if (policy === "auto") return input.type === "string" ? { value: "" } : isFloatType(input.type) ? "nan" : "reject";
    if (policy === "nan" && !isFloatType(input.type)) {
      // A default for all columns means the numbers that can hold NaN; only a word about this very column is a contradiction.
      if (word === undefined) return input.type === "string" ? { value: "" } : "reject";
      this.#problem(`missing values of column "${column.name}" cannot become NaN: model input "${input.name}" is ${input.type}`, {
        where: { column: column.name },
        hints: ["use reject or a value for this column"],
      });
    }
    return policy;
  }

  #shapeProblem(input: ModelInput, elements: number | null, given: number[] | undefined): void {
    const size = fixedRowSize(input);
    const actual = given
      ? `shape [${given.join(", ")}] from ${elements ?? "?"} values`
      : `${elements ?? "an unknown number of"} values per row`;
    this.#problem(`model input "${input.name}" does not fit the columns given to it`, {
      expected:
        size === null
          ? `${shapeText(input)}, whose open dimensions must follow from the columns`
          : `${size} values per row for ${shapeText(input)}`,
      actual,
      hints:
        size === null
          ? [`say the shape of one row: --shape ${input.name}=AxB (bind.shapes in a job file)`]
          : [
              `give exactly ${size} column${size === 1 ? "" : "s"}: --bind ${input.name}=COLS, where COLS may be names, a..b ranges or globs`,
            ],
    });
  }

  #unbound(input: ModelInput): void {
    const size = fixedRowSize(input);
    const names = this.#columns.map((column) => column.name);
    // One column of a like name helps an input that takes one column.
    const near = input.shape.length > 0 && (size === 1 || size === null) ? suggest(input.name, names) : [];
    const free = this.#freeColumns();
    const numeric = free.filter((column) => column.numeric).length;
    const texts = free.filter((column) => !column.numeric && column.role === "text");
    const hints = near.map((name) => `did you mean column "${name}"? --bind ${input.name}=${name}`);
    hints.push(
      input.shape.length === 0
        ? `give it a fixed value: --const ${input.name}=VALUE`
        : size === 1
          ? `name its column: --bind ${input.name}=COL, or a fixed value: --const ${input.name}=VALUE`
          : `name its columns in order: --bind ${input.name}=COLS${this.#signature.inputs.length === 1 ? " (or --features COLS)" : ""}`,
    );
    if (input.type !== "string" && size !== null && numeric < size && numeric + texts.length >= size) {
      hints.push(
        `not all cells of column "${texts[0]!.name}" are numbers: if they should be, see --decimal and --null-values (thousands separators are not read)`,
      );
    }
    this.#problem(`model input "${input.name}" (${shapeText(input)}) is not bound to any column`, {
      expected: size === null ? "columns that fill one row" : `${size} column${size === 1 ? "" : "s"}`,
      actual: `${numeric} numeric column${numeric === 1 ? " is" : "s are"} left of: ${shorten(names)}`,
      hints,
    });
  }

  /** A fixed first dimension forces the rows per call; constants do not count, they have no row axis of the data. */
  #fixedBatch(): number | null {
    const sizes = new Map<number, string>();
    for (const input of this.#signature.inputs) {
      const first = input.shape[0];
      if (this.#bound.has(input.name) && typeof first === "number") sizes.set(first, input.name);
    }
    if (sizes.size > 1) {
      const text = [...sizes].map(([size, name]) => `"${name}" takes ${size}`).join(", ");
      this.#problem(`the model's inputs ask for different numbers of rows per call: ${text}`, {
        hints: ["bind those that are not fed row by row with --const"],
      });
    }
    return sizes.keys().next().value ?? null;
  }

  #select(selectors: string[], option: string): SourceColumn[] | null {
    const { names, problems } = selectColumns(
      selectors,
      this.#columns.map((column) => column.name),
    );
    for (const problem of problems) this.#problem(`${option}: ${problem.message}`, { hints: problem.hints });
    if (problems.length > 0) return null;
    return names.map((name) => this.#columns.find((column) => column.name === name)!);
  }

  #problem(message: string, details: Omit<WireError, "code" | "message"> = {}): void {
    this.#problems.push({ code: "BP_BINDING", message, ...details });
  }

  #refusal(): BatchPredictError {
    const [first] = this.#problems;
    if (first && this.#problems.length === 1) {
      const { code, message, ...details } = first;
      return new BatchPredictError(code, message, details);
    }
    return new BatchPredictError("BP_BINDING", `the data does not fit the model: ${this.#problems.length} problems`, {
      where: { file: this.#settings.model },
      problems: this.#problems,
    });
  }
}

/** A model that declares no shape takes what the user says, else rows of columns: the form of nearly every tabular model. */
function ranked(input: ModelInput, given: number[] | undefined): ModelInput {
  if (input.shapeDeclared !== false) return input;
  return { ...input, shape: given ? [null, ...given.map(() => null)] : [null, null] };
}

function shorten(names: string[]): string {
  return names.length > 12 ? `${names.slice(0, 10).join(", ")}, ... (${names.length} columns)` : names.join(", ");
}
