/**
 * A binding to begin with, for a job file that a person will read: goes further than `run` dares to, and says of every input why,
 * or what only a person can know. Pure.
 */
import type { ModelInput, ModelSignature } from "../core/model-signature.ts";
import type { SourceColumn } from "../core/source.ts";
import { type ColumnGroup, countedTwice, groupColumns, isAnswer, isIdentifier, nearness } from "./column-groups.ts";
import { fits, guessColumns } from "./guess-columns.ts";
import { fixedRowSize, product, shapeText, solveRowShape } from "./row-shape.ts";

export interface ProposedInput {
  input: string;
  columns: string[];
  /** Shape of one row, where the model leaves more than one dimension open. */
  shape: number[] | null;
  why: string;
  /** Bound by its name: `run` does the same without being told. */
  named: boolean;
  /** Only the order of the file speaks for it. */
  check: boolean;
}

export interface OpenInput {
  input: string;
  /** "float32 [N, 4]". */
  shape: string;
  question: string;
  /** What may belong there, as a start. */
  candidates: string[];
  /** It takes one fixed value, no columns. */
  constant: boolean;
}

export interface Proposal {
  inputs: ProposedInput[];
  open: OpenInput[];
  /** Columns that fit and were left out. */
  leftOut: { column: string; why: string }[];
}

/** Assignments of groups to inputs are tried one by one up to this many groups. */
const MAX_GROUPS = 8;

export function proposeBinding(signature: Pick<ModelSignature, "inputs">, columns: readonly SourceColumn[]): Proposal {
  return new Proposer(signature, columns).propose();
}

class Proposer {
  readonly #columns: readonly SourceColumn[];
  readonly #proposal: Proposal = { inputs: [], open: [], leftOut: [] };
  readonly #used = new Set<string>();
  #todo: ModelInput[];

  constructor(signature: Pick<ModelSignature, "inputs">, columns: readonly SourceColumn[]) {
    this.#columns = columns;
    this.#todo = signature.inputs.filter((input) => !input.optional);
  }

  propose(): Proposal {
    for (const input of this.#todo.filter(({ shape }) => shape.length === 0)) {
      this.#ask(input, "it has no row axis: it takes one fixed value", [], true);
    }
    for (const exactly of [true, false]) for (const input of [...this.#todo]) this.#byName(input, exactly);
    for (const { input, columns, why } of guessColumns(this.#todo, this.#free())) {
      // An open width takes whatever is there, so what surely is no feature is looked at first.
      if (columns[0]?.role === "list" || fixedRowSize(input) !== null) this.#take(input, columns, why, false);
    }
    const texts = this.#todo.filter(({ type }) => type === "string");
    this.#fill(texts, (column) => column.role === "text" && !column.numeric);
    this.#fill(
      this.#todo.filter(({ type }) => type === "string"),
      (column) => column.role === "text",
    );
    this.#fill(
      this.#todo.filter(({ type }) => type !== "string"),
      (column) => column.numeric || column.role === "bool" || column.keptType === "bool",
    );
    for (const input of [...this.#todo]) this.#give(input);
    const fitting = this.#free().filter((column) => column.numeric);
    for (const column of fitting) {
      const why = isIdentifier(column)
        ? "looks like an identifier"
        : isAnswer(column, this.#columns.length)
          ? "looks like the answer"
          : null;
      if (why !== null) this.#proposal.leftOut.push({ column: column.name, why });
    }
    return this.#proposal;
  }

  #free(): SourceColumn[] {
    return this.#columns.filter(({ name }) => !this.#used.has(name));
  }

  #byName(input: ModelInput, exactly: boolean): void {
    const fold = (name: string): string => (exactly ? name : name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, ""));
    const same = this.#free().filter(({ name }) => fold(name) === fold(input.name) && fold(name) !== "");
    const rivals = this.#todo.filter(({ name }) => fold(name) === fold(input.name));
    const [column] = same;
    if (!column || same.length > 1 || rivals.length > 1) return;
    const size = fixedRowSize(input);
    const wide =
      column.role === "list" ? size === null || column.listSize === null || size === column.listSize : (size ?? 1) === 1;
    if (wide && (input.type === "string" ? column.role === "text" : column.role !== "other")) {
      this.#take(input, [column], "the column of the same name", false, true);
    }
  }

  /** Columns of one kind for the inputs that take it. */
  #fill(inputs: readonly ModelInput[], suits: (column: SourceColumn) => boolean): void {
    const pool = this.#free().filter(suits);
    const [only] = inputs;
    if (!only || pool.length === 0) return;
    if (inputs.length === 1) this.#fillOne(only, pool);
    else this.#fillSeveral(inputs, pool);
  }

  #fillOne(input: ModelInput, pool: readonly SourceColumn[]): void {
    const count = this.#columns.length;
    const without: [SourceColumn[], string][] = [
      [pool.filter((column) => !isIdentifier(column)), "without identifiers"],
      [pool.filter((column) => !isAnswer(column, count)), "without the answer"],
      [pool.filter((column) => !isIdentifier(column) && !isAnswer(column, count)), "without identifiers and the answer"],
    ];
    const kind = input.type === "string" ? "text" : "numeric";
    const features = without[2]![0];
    if (fixedRowSize(input) === null) {
      const shape = shapeOf(input, features);
      const rest = features.length === pool.length ? "" : ", without identifiers and the answer";
      if (shape) this.#take(input, features, `all ${features.length} ${kind} columns in file order${rest}`, true);
      return;
    }
    const tries: [SourceColumn[], string][] = [[[...pool], "all that are left"], ...without];
    for (const [columns, how] of tries) {
      if (shapeOf(input, columns)) {
        this.#take(input, columns, `${columns.length} ${kind} columns in file order, ${how}`, how === "all that are left");
        return;
      }
    }
    const groups = groupColumns(features).filter(({ columns }) => columns.length > 1 && shapeOf(input, columns));
    if (groups.length === 1) {
      this.#take(input, groups[0]!.columns, `the only ${groups[0]!.columns.length} columns that are numbered alike`, false);
    }
  }

  #fillSeveral(inputs: readonly ModelInput[], pool: readonly SourceColumn[]): void {
    const count = this.#columns.length;
    const features = pool.filter((column) => !isIdentifier(column) && !isAnswer(column, count));
    for (const candidates of features.length === pool.length ? [features] : [features, [...pool]]) {
      const found = assignGroups(inputs, groupColumns(candidates)) ?? splitInOrder(inputs, candidates);
      if (!found) continue;
      for (const [at, input] of inputs.entries()) this.#take(input, found.parts[at]!, found.why, found.check);
      return;
    }
  }

  #take(input: ModelInput, columns: readonly SourceColumn[], why: string, check: boolean, named = false): void {
    const open = input.shape.slice(1).filter((dimension) => typeof dimension !== "number").length;
    const shape = open > 1 ? shapeOf(input, columns) : null;
    this.#proposal.inputs.push({ input: input.name, columns: columns.map(({ name }) => name), shape, why, named, check });
    for (const { name } of columns) this.#used.add(name);
    this.#todo = this.#todo.filter((other) => other !== input);
  }

  #give(input: ModelInput): void {
    const size = fixedRowSize(input);
    const fitting = this.#free().filter((column) => fits(input, column));
    const features = fitting.filter((column) => !isIdentifier(column) && !isAnswer(column, this.#columns.length));
    const wanted = size === null ? "columns that fill one row" : `${size} column${size === 1 ? "" : "s"}`;
    const what = input.type === "string" ? "text" : "numeric";
    const question = `it takes ${wanted}, and ${features.length} ${what} column${features.length === 1 ? " is" : "s are"} left: only the training code knows which`;
    this.#ask(
      input,
      question,
      features.slice(0, size ?? features.length).map(({ name }) => name),
      false,
    );
  }

  #ask(input: ModelInput, question: string, candidates: string[], constant: boolean): void {
    this.#proposal.open.push({ input: input.name, shape: shapeText(input), question, candidates, constant });
    this.#todo = this.#todo.filter((other) => other !== input);
  }
}

interface Assignment {
  /** One per input. */
  parts: SourceColumn[][];
  why: string;
  check: boolean;
}

/** Each input takes one group of columns numbered alike: by size, then by name, then by order. */
function assignGroups(inputs: readonly ModelInput[], groups: readonly ColumnGroup[]): Assignment | null {
  if (groups.length > MAX_GROUPS || groups.length < inputs.length) return null;
  const found: { groups: ColumnGroup[]; score: number }[] = [];
  const visit = (taken: ColumnGroup[], score: number): void => {
    const input = inputs[taken.length];
    if (!input) {
      found.push({ groups: taken, score });
      return;
    }
    for (const group of groups) {
      if (taken.includes(group) || !shapeOf(input, group.columns)) continue;
      visit([...taken, group], score + nearness(group.stem, input.name));
    }
  };
  visit([], 0);
  const best = Math.max(...found.map(({ score }) => score));
  const [first, ...rivals] = found.filter(({ score }) => score === best);
  if (!first) return null;
  const parts = first.groups.map(({ columns }) => columns);
  if (found.length === 1) return { parts, why: "the only group of columns that has its size", check: false };
  if (rivals.length === 0) return { parts, why: "the group of columns whose name is nearest", check: true };
  // Groups were tried in file order, so the first of equals is the one that keeps it; with a group to spare it is a mere guess.
  return groups.length === inputs.length
    ? { parts, why: "the group of columns at the same place in the file", check: true }
    : null;
}

/** Inputs take their columns one after the other. */
function splitInOrder(inputs: readonly ModelInput[], columns: readonly SourceColumn[]): Assignment | null {
  const fixed = inputs.map(fixedRowSize);
  const each = columns.length / inputs.length;
  const alike = inputs.every((input) => JSON.stringify(input.shape.slice(1)) === JSON.stringify(inputs[0]!.shape.slice(1)));
  const sizes = fixed.every((size) => size !== null)
    ? fixed
    : alike && Number.isInteger(each) && each > 0
      ? inputs.map(() => each)
      : null;
  if (!sizes || sizes.reduce((sum, size) => sum + size, 0) !== columns.length) return null;
  let at = 0;
  const parts = sizes.map((size) => {
    at += size;
    return columns.slice(at - size, at);
  });
  if (!inputs.every((input, k) => shapeOf(input, parts[k]!))) return null;
  return { parts, why: "the inputs take the columns one after the other", check: true };
}

/** The shape of one row when these columns fill it; null when they do not fit. */
function shapeOf(input: ModelInput, columns: readonly SourceColumn[]): number[] | null {
  if (columns.length === 0 || !columns.every((column) => input.type === "string" || fits(input, column))) return null;
  const twice = countedTwice(columns.map(({ name }) => name));
  const open = input.shape.slice(1).filter((dimension) => typeof dimension !== "number").length;
  if (open > 1 && input.shape.length > 2) return twice && solveRowShape(input, product(twice), twice);
  return solveRowShape(input, columns.length, undefined);
}
