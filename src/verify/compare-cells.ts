/** When a predicted value counts as the expected one. Pure. */
import type { Cell } from "./cell-values.ts";

export interface Tolerances {
  absolute: number;
  relative: number;
}

export interface Difference {
  /** |got - expected|; Infinity where one of them is missing or no number; 1 for values that must be equal and are not. */
  difference: number;
  /** As a multiple of what is allowed: above 1 is too far. */
  excess: number;
}

/** Floats: |got - wanted| <= absolute + relative * max(1, |wanted|). Missing counts as NaN, and NaN equals NaN. */
export function floatDifference(got: Cell, wanted: Cell, { absolute, relative }: Tolerances): Difference {
  const a = asNumber(got);
  const b = asNumber(wanted);
  if (Object.is(a, b) || a === b) return { difference: 0, excess: 0 };
  const difference = Math.abs(a - b);
  if (!Number.isFinite(difference)) return { difference: Number.POSITIVE_INFINITY, excess: Number.POSITIVE_INFINITY };
  const allowed = absolute + relative * Math.max(1, Math.abs(b));
  return { difference, excess: allowed === 0 ? Number.POSITIVE_INFINITY : difference / allowed };
}

/** Labels, integers, booleans, texts: the same value, whatever type its file gave it (2, 2n and "2" are one label). */
export function isSame(got: Cell, wanted: Cell): boolean {
  if (got === wanted) return true;
  if (got === null || wanted === null) return false;
  return plain(got) === plain(wanted);
}

/** A list written as JSON, as in CSV and SQLite, is the list. */
export function elements(cell: Cell): Cell[] {
  if (Array.isArray(cell)) return cell.flatMap(elements);
  if (typeof cell === "string" && /^\s*\[.*\]\s*$/s.test(cell)) {
    try {
      return elements(JSON.parse(cell) as Cell[]);
    } catch {
      return [cell];
    }
  }
  return [cell];
}

function asNumber(cell: Cell): number {
  if (cell === null || (typeof cell === "string" && cell.trim() === "")) return Number.NaN;
  if (typeof cell === "string") {
    const special: Record<string, number> = {
      nan: Number.NaN,
      inf: Infinity,
      "-inf": -Infinity,
      infinity: Infinity,
      "-infinity": -Infinity,
    };
    return special[cell.trim().toLowerCase()] ?? Number(cell);
  }
  return Number(cell);
}

function plain(cell: Cell): string {
  if (cell === true) return "1";
  if (cell === false) return "0";
  if (typeof cell === "string" && /^(true|false)$/i.test(cell)) return cell.toLowerCase() === "true" ? "1" : "0";
  return String(cell);
}
