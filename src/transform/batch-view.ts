/** Arrow columns as the user's code sees them, read when they are looked at. */
import { type Data, Field, Type } from "apache-arrow";
import { BatchPredictError } from "../core/errors.ts";
import { suggest } from "../core/suggest.ts";
import type { TransformBatch, TransformInput } from "../core/transform.ts";
import { describeArrowColumn, typeText } from "../values/arrow-columns.ts";
import { flattenLists } from "../values/arrow-lists.ts";
import { exactInteger, numberKind, readDoubles } from "../values/arrow-numbers.ts";
import { textReader } from "../values/arrow-text.ts";
import { RowFault } from "./transform-error.ts";

const LARGEST_EXACT = Number.MAX_SAFE_INTEGER;

export class BatchView {
  readonly batch: TransformBatch;
  readonly data: ReadonlyMap<string, Data>;
  readonly #seen = new Map<string, TransformInput>();

  /** @param data of one length, plain (no dictionaries) */
  constructor(data: ReadonlyMap<string, Data>, rows: number) {
    this.data = data;
    const columns = Object.create(null) as Record<string, TransformInput>;
    for (const name of data.keys()) {
      Object.defineProperty(columns, name, {
        enumerable: true,
        configurable: true,
        get: () => this.#look(name),
        // A module may put a new array in the place of the old one and return the batch.
        set: (value: TransformInput) =>
          Object.defineProperty(columns, name, { enumerable: true, configurable: true, writable: true, value }),
      });
    }
    this.batch = { rows, columns, bigints: (name) => this.#bigints(name) };
  }

  /** A column that came back as the very array that was given, with the very values: it need not be made again. */
  isUntouched(name: string, returned: unknown): boolean {
    const given = this.#seen.get(name);
    if (given === undefined || given !== returned) return false;
    return sameValues(given, readColumn(this.data.get(name)!, name));
  }

  #look(name: string): TransformInput {
    let column = this.#seen.get(name);
    if (column === undefined) {
      column = readColumn(this.data.get(name)!, name);
      this.#seen.set(name, column);
    }
    return column;
  }

  #bigints(name: string): (bigint | null)[] {
    const data = this.data.get(name);
    const kind = data ? numberKind(data) : null;
    if (!data || (kind !== "bigInteger" && kind !== "integer")) {
      throw new BatchPredictError("BP_TRANSFORM", `the transform asks for bigints("${name}")`, {
        expected: "a column of integers",
        actual: data ? `a column of ${typeText(data.type)}` : "no such column",
        hints: suggest(name, [...this.data.keys()]).map((near) => `did you mean "${near}"?`),
      });
    }
    return Array.from({ length: data.length }, (_, row) => (data.getValid(row) ? exactInteger(data, row) : null));
  }
}

function readColumn(data: Data, name: string): TransformInput {
  const kind = numberKind(data);
  const { role } = describeArrowColumn(new Field(name, data.type, true), 0);
  if (kind === "bool") {
    const bits = new Float64Array(data.length);
    readDoubles(data, 0, data.length, bits);
    return Array.from(bits, (bit, row) => (data.getValid(row) ? bit === 1 : null));
  }
  if (kind !== null) return readNumbers(data, name, kind === "bigInteger");
  if (role === "list") return readLists(data, name);
  const read = textReader(data);
  return Array.from({ length: data.length }, (_, row) => read(row));
}

function readNumbers(data: Data, name: string, exactly: boolean): Float64Array {
  const values = new Float64Array(data.length);
  readDoubles(data, 0, data.length, values);
  const nothing = data.type.typeId === Type.Null;
  if (data.nullCount > 0 || nothing) {
    for (let row = 0; row < values.length; row++) if (nothing || !data.getValid(row)) values[row] = Number.NaN;
  }
  if (exactly) {
    const row = values.findIndex((value) => value > LARGEST_EXACT || value < -LARGEST_EXACT);
    if (row >= 0) {
      throw new RowFault(row, `column "${name}" holds an integer that a number cannot hold exactly`, name, {
        actual: String(exactInteger(data, row)),
        hints: [
          `read it with batch.bigints("${name}") in the transform`,
          "and return only new and changed columns: those not returned stay as they are",
        ],
      });
    }
  }
  return values;
}

function readLists(data: Data, name: string): (Float64Array | null)[] {
  const { leaf, starts, ends } = flattenLists(data, 0, data.length);
  const elements = readNumbers(leaf, name, numberKind(leaf) === "bigInteger");
  return Array.from({ length: data.length }, (_, row) => (data.getValid(row) ? elements.slice(starts[row]!, ends[row]!) : null));
}

function sameValues(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) {
    const left = a[at];
    const right = b[at];
    if (Object.is(left, right)) continue;
    if (!ArrayBuffer.isView(left) || !ArrayBuffer.isView(right)) return false;
    if (!sameValues(left as Float64Array, right as Float64Array)) return false;
  }
  return true;
}
