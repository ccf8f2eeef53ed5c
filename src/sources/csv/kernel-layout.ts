/** Which chunks the kernel can take, and what each column is to it. Pure; the numbers are those of src/kernels/csv.ts. */
import type { BindingPlan, KeptColumn } from "../../core/binding-plan.ts";
import type { CsvDialect, SourceDescription } from "../../core/source.ts";
import { ELEMENT_BYTES, type TensorType } from "../../core/tensor-types.ts";
import type { KeptTextType } from "../../values/kept-text.ts";
import { trimBlanks } from "../../values/text-cells.ts";
import { isTranscoded } from "./encoding.ts";

export const KIND = {
  float32: 1,
  float64: 2,
  integer: 3,
  bool: 4,
  keepInt64: 5,
  keepFloat64: 6,
  keepText: 7,
  exception: 8,
} as const;
export const FLAG = { emptyIsNan: 1, emptyIsNull: 2, checkNulls: 4 } as const;
export const COLUMN_BYTES = 16;
export const ACTION_BYTES = 64;
export const EXCEPTION_BYTES = 16;
/** Top bit of an end offset: the cell holds doubled quotes. */
export const DOUBLED = 0x8000_0000;

export interface KernelAction {
  kind: number;
  /** Source column. */
  column: number;
  flags: number;
  /** Bytes of an integer, or of the longest null value of a text. */
  width: number;
  min: bigint;
  max: bigint;
  /** Bytes of one element in the kernel's memory; 0: the cells are written outside of it. */
  elementBytes: number;
  /** Slot of the filler, or kept column, that it serves. */
  slot: number | null;
  kept: number | null;
}

export interface KernelPlan {
  actions: KernelAction[];
  delimiter: number;
  /** -1: none. */
  quote: number;
  newline: number;
  /** A chunk must be ASCII (encodings other than UTF-8), UTF-8, or may be anything (only numbers are read). */
  bytes: "any" | "ascii" | "utf-8";
}

const INTEGER_RANGES: Partial<Record<TensorType, { width: number; min: bigint; max: bigint }>> = {
  int8: { width: 1, min: -128n, max: 127n },
  uint8: { width: 1, min: 0n, max: 255n },
  int16: { width: 2, min: -32768n, max: 32767n },
  uint16: { width: 2, min: 0n, max: 65535n },
  int32: { width: 4, min: -(2n ** 31n), max: 2n ** 31n - 1n },
  uint32: { width: 4, min: 0n, max: 2n ** 32n - 1n },
  int64: { width: 8, min: -(2n ** 63n), max: 2n ** 63n - 1n },
  // Longer than 18 digits is an exception, so nothing it writes needs the 64th bit.
  uint64: { width: 8, min: 0n, max: 2n ** 63n - 1n },
};

/** @returns null where only the reference decoder knows the dialect */
export function kernelPlan(description: SourceDescription, plan: BindingPlan): KernelPlan | null {
  const dialect = description.dialect!;
  const byte = (text: string): number | null => (text.length === 1 && text.charCodeAt(0) < 128 ? text.charCodeAt(0) : null);
  const delimiter = byte(dialect.delimiter);
  const quote = dialect.quote === null ? -1 : byte(dialect.quote);
  const plain =
    dialect.comment === null && dialect.decimal === "." && (dialect.quote === null || dialect.escape === dialect.quote);
  // A null value that reads as a number would have to be looked for in every cell.
  const numericNull = dialect.nullValues.some((text) => /^\s*[+-]?[.\d]/.test(text));
  if (delimiter === null || quote === null || !plain || numericNull) return null;
  if (plan.inputs.some((input) => input.from.kind === "list")) return null;
  const actions = [...inputActions(plan, dialect), ...plan.keep.map((kept, at) => keptAction(kept, at, description, dialect))];
  // The column table names a run of actions.
  actions.sort((a, b) => a.column - b.column);
  const newline = dialect.recordDelimiter === "\r" ? 13 : 10;
  const texts = actions.some(({ kind }) => kind === KIND.keepText || kind === KIND.exception);
  const utf8 = dialect.encoding === "utf-8" || isTranscoded(dialect.encoding);
  return { actions, delimiter, quote, newline, bytes: texts ? (utf8 ? "utf-8" : "ascii") : "any" };
}

function inputActions(plan: BindingPlan, dialect: CsvDialect): KernelAction[] {
  const emptyIsMissing = dialect.nullValues.some((text) => trimBlanks(text) === "");
  let slot = 0;
  return plan.inputs.flatMap(({ type, from }) => {
    const columns = from.kind === "columns" ? from.columns : [];
    return columns.map((column): KernelAction => {
      const float = type === "float32" || type === "float64";
      const range = INTEGER_RANGES[type];
      const action: KernelAction = {
        kind: KIND.exception,
        column: column.index,
        flags: float && emptyIsMissing && column.missing === "nan" ? FLAG.emptyIsNan : 0,
        width: 0,
        min: 0n,
        max: 0n,
        elementBytes: 0,
        slot: slot++,
        kept: null,
      };
      if (float) return { ...action, kind: KIND[type], elementBytes: type === "float32" ? 4 : 8 };
      if (range) return { ...action, ...range, kind: KIND.integer, elementBytes: range.width };
      return type === "bool" ? { ...action, kind: KIND.bool, elementBytes: 1 } : action;
    });
  });
}

function keptAction(kept: KeptColumn, at: number, description: SourceDescription, dialect: CsvDialect): KernelAction {
  const type = keptTextType(kept, description);
  const action: KernelAction = {
    kind: KIND.exception,
    column: kept.index,
    flags: 0,
    width: 0,
    min: 0n,
    max: 0n,
    elementBytes: 0,
    slot: null,
    kept: at,
  };
  const { nullValues } = dialect;
  if (type === "utf8") {
    const longest = Math.max(0, ...nullValues.map((text) => Buffer.byteLength(text)));
    const flags = (nullValues.includes("") ? FLAG.emptyIsNull : 0) | (longest > 0 ? FLAG.checkNulls : 0);
    return { ...action, kind: KIND.keepText, flags, width: longest, elementBytes: 8 };
  }
  const flags = nullValues.some((text) => trimBlanks(text) === "") ? FLAG.emptyIsNull : 0;
  if (type === "int64") return { ...action, kind: KIND.keepInt64, flags, elementBytes: 8 };
  if (type === "float64") return { ...action, kind: KIND.keepFloat64, flags, elementBytes: 8 };
  return action;
}

/** A text source has no type of its own, so "source" means what the sample proved. */
export function keptTextType(kept: KeptColumn, description: SourceDescription): KeptTextType {
  if (kept.type !== "source") return kept.type;
  const proven = description.columns[kept.index]!.keptType;
  return proven === "source" ? "utf8" : proven;
}

/** Bytes of one element in the kernel's memory; 0 for tensors that live outside of it. */
export const KERNEL_ELEMENT_BYTES: Record<TensorType, number> = { ...ELEMENT_BYTES, float16: 0, string: 0 };
