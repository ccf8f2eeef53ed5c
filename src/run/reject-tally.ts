/** What the rejected rows of a run have in common, and the first of them: what a person must know when there are too many. */
import type { RejectKind } from "../core/checkpoint.ts";
import type { WireError } from "../core/errors.ts";

/** Rows shown with their place and reason. */
const FIRST_ROWS = 3;
/** Kinds told about, and kept over a death of the process; more than these differ only in details. */
const TOLD_KINDS = 3;
const KEPT_KINDS = 100;

export class RejectTally {
  /** The first rejected rows, in input order. */
  readonly first: WireError[] = [];
  readonly #kinds = new Map<string, RejectKind>();

  /** @param describe called for the first rows only: a bad file has millions */
  add(code: string, column: string | null, describe: () => WireError): void {
    this.#count({ code, column, rows: 1 });
    if (this.first.length < FIRST_ROWS) this.first.push(describe());
  }

  /** Goes on where another process was. */
  restore(kinds: readonly RejectKind[]): void {
    for (const kind of kinds) this.#count(kind);
  }

  /** Most frequent first; copies. */
  kinds(): RejectKind[] {
    const kinds = [...this.#kinds.values()].sort((a, b) => b.rows - a.rows);
    return kinds.slice(0, KEPT_KINDS).map((kind) => ({ ...kind }));
  }

  /** "BP_SOURCE_CELL in "age" (90 rows), BP_SOURCE_RECORD (3 rows) and 2 other kinds". */
  text(): string {
    const kinds = this.kinds();
    const told = kinds
      .slice(0, TOLD_KINDS)
      .map(({ code, column, rows }) => `${code}${column === null ? "" : ` in "${column}"`} (${rowsText(rows)})`);
    const others = kinds.length - told.length;
    return `${told.join(", ")}${others === 0 ? "" : ` and ${others} other kind${others === 1 ? "" : "s"}`}`;
  }

  #count({ code, column, rows }: RejectKind): void {
    const key = `${code}\0${column ?? ""}`;
    const known = this.#kinds.get(key);
    if (known) known.rows += rows;
    else this.#kinds.set(key, { code, column, rows });
  }
}

export function rowsText(rows: number): string {
  return `${rows} row${rows === 1 ? "" : "s"}`;
}
