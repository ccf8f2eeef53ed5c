/** What a sample of records proves about each key. Columns stand in the order in which their keys first appear. */
import type { CsvOptions, SourceColumn } from "../../core/source.ts";
import { readCanonicalInt64 } from "../../values/text-numbers.ts";
import { isDouble, wholeDigits } from "./json-numbers.ts";
import { ABSENT, ARRAY, BOOL, type JsonKind, JsonScanner, type Members, NUMBER, OBJECT, STRING } from "./scan-json.ts";

/** Kinds met, and what holds for all numbers among them. */
class Proof {
  readonly kinds = new Set<JsonKind>();
  int64 = true;
  float64 = true;

  add(kind: JsonKind, text: string): void {
    this.kinds.add(kind);
    if (kind !== NUMBER) return;
    // As it would be written again: `1.0` stays a float.
    if (this.int64 && (/[.eE]/.test(text) || readCanonicalInt64(wholeDigits(text) ?? "") === null)) this.int64 = false;
    if (this.float64 && !isDouble(text)) this.float64 = false;
  }

  /** The one kind all values have; null when they differ or there is none. */
  get only(): JsonKind | null {
    return this.kinds.size === 1 ? [...this.kinds][0]! : null;
  }

  get number(): "int64" | "float64" | "number" {
    return this.int64 ? "int64" : this.float64 ? "float64" : "number";
  }
}

class ColumnProof extends Proof {
  /** Of the elements of its arrays, flattened. */
  readonly items = new Proof();
  nested = false;
  /** Elements per array; null when they differ, undefined before the first. */
  size: number | null | undefined;
  private readonly scanner = new JsonScanner();

  override add(kind: JsonKind, text: string): void {
    if (kind === ABSENT) return;
    super.add(kind, text);
    if (kind !== ARRAY) return;
    let size = 0;
    this.scanner.elements(text, (item, part) => {
      if (item !== ABSENT) this.items.add(item, part);
      size++;
    });
    if (this.scanner.nested) this.nested = true;
    this.size = this.size === undefined || this.size === size ? size : null;
  }
}

export class ColumnSample implements Members {
  private readonly proofs = new Map<string, ColumnProof>();
  private current: ColumnProof | null = null;

  key(name: string): boolean {
    let proof = this.proofs.get(name);
    if (proof === undefined) {
      proof = new ColumnProof();
      this.proofs.set(name, proof);
    }
    this.current = proof;
    return true;
  }

  value(kind: JsonKind, text: string): void {
    this.current!.add(kind, text);
  }

  /** Names that the user types are columns even where the sample does not show them. */
  columns(overrides: CsvOptions["columnTypes"] = {}): SourceColumn[] {
    for (const name of Object.keys(overrides)) this.key(name);
    return [...this.proofs].map(([name, proof], index) => {
      const known = columnOf(proof);
      const keptType = Object.hasOwn(overrides, name) ? overrides[name]! : known.keptType;
      return { name, index, ...known, keptType };
    });
  }
}

type Known = Omit<SourceColumn, "name" | "index">;

function columnOf(proof: ColumnProof): Known {
  const scalar = (type: string, role: Known["role"], keptType: Known["keptType"], numeric = false): Known => {
    return { type, role, listSize: null, keptType, numeric };
  };
  // Nothing but null: it may be a feature that is empty here, or text.
  if (proof.kinds.size === 0) return scalar("null", "text", "utf8", true);
  switch (proof.only) {
    case NUMBER:
      return scalar(proof.number, "number", proof.number === "number" ? "utf8" : proof.number, true);
    case STRING:
      return scalar("text", "text", "utf8");
    case BOOL:
      return scalar("bool", "bool", "bool");
    case ARRAY:
      return arrayOf(proof);
    case OBJECT:
      return scalar("object", "other", "utf8");
    default:
      return proof.kinds.has(OBJECT) || proof.kinds.has(ARRAY)
        ? scalar("mixed", "other", "utf8")
        : scalar("mixed", "text", "utf8");
  }
}

/** Kept as a list where its elements have one type; else as JSON text. */
function arrayOf({ items, nested, size }: ColumnProof): Known {
  const { only } = items;
  const feeds = items.kinds.size === 0 || [...items.kinds].every((kind) => kind === NUMBER || kind === BOOL);
  const item = only === NUMBER ? items.number : only === BOOL ? "bool" : only === STRING ? "utf8" : null;
  const typed = item !== null && item !== "number" && !nested;
  const type = `list<${item === null ? "mixed" : item === "utf8" ? "text" : item}>`;
  const listSize = feeds && size !== undefined && size !== 0 ? size : null;
  return {
    type: listSize === null ? type : `${type}[${listSize}]`,
    role: feeds ? "list" : "other",
    listSize,
    keptType: typed ? "source" : "utf8",
    numeric: false,
  };
}
