/** Comparing with expected.parquet as the catalogue of the material says: relative 1e-4, |y| < 1 counted as 1; labels and integers exactly. */

export const TOLERANCE = 1e-4;

/** A row-major list, however the column holds it: scalar, list, nested list, typed array. */
export function flat(value: unknown): unknown[] {
  return Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as unknown[]).flatMap(flat) : [value];
}

/** In words where they first differ; null when they agree. */
export function valuesDiffer(got: readonly unknown[], expected: readonly unknown[]): string | null {
  if (got.length !== expected.length) return `${got.length} values for ${expected.length}`;
  const at = expected.findIndex((wanted, index) => !agrees(got[index], wanted));
  return at < 0 ? null : `value ${at}: got ${String(got[at])}, expected ${String(expected[at])}`;
}

function agrees(got: unknown, wanted: unknown): boolean {
  if (typeof wanted !== "number") return String(got) === String(wanted);
  if (Number.isNaN(wanted)) return Number.isNaN(got);
  if (!Number.isFinite(wanted)) return got === wanted;
  return typeof got === "number" && Math.abs(got - wanted) <= TOLERANCE * Math.max(1, Math.abs(wanted));
}
