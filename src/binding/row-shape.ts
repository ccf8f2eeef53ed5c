import type { Dimension, ModelInput } from "../core/model-signature.ts";

/**
 * The shape of one row behind the batch axis, decided from how many elements a row brings.
 * A single dynamic dimension is solved for; more than one needs the user's word (`bind.shapes`).
 *
 * @param elements columns (or list elements) given for one row; null when unknown (then every dimension must be fixed)
 * @returns the shape, or null when `elements` cannot fill it or it stays ambiguous
 */
export function solveRowShape(input: ModelInput, elements: number | null, given: number[] | undefined): number[] | null {
  const declared = input.shape.slice(1);
  if (given) return fits(declared, given) && (elements === null || product(given) === elements) ? given : null;
  const open = declared.filter((dimension) => typeof dimension !== "number").length;
  const known = product(declared.filter((dimension): dimension is number => typeof dimension === "number"));
  if (open === 0) return elements === null || elements === known ? (declared as number[]) : null;
  if (elements === null || known === 0 || elements % known !== 0) return null;
  if (open > 1 && elements !== known) return null;
  return declared.map((dimension) => (typeof dimension === "number" ? dimension : open > 1 ? 1 : elements / known));
}

/** Elements a row must bring, or null when a dimension is dynamic. */
export function fixedRowSize(input: ModelInput): number | null {
  const declared = input.shape.slice(1);
  return declared.every((dimension) => typeof dimension === "number") ? product(declared as number[]) : null;
}

export function product(dimensions: readonly number[]): number {
  return dimensions.reduce((size, dimension) => size * dimension, 1);
}

/** "float32 [N, 24, 3]": the batch axis is N, dynamic dimensions keep their names, unnamed ones are "?". */
export function shapeText(input: { type: string; shape: readonly Dimension[] }): string {
  const [first, ...rest] = input.shape;
  if (first === undefined) return `${input.type} scalar`;
  const axis = typeof first === "number" ? String(first) : "N";
  return `${input.type} [${[axis, ...rest.map((dimension) => dimension ?? "?")].join(", ")}]`;
}

function fits(declared: readonly Dimension[], given: readonly number[]): boolean {
  return (
    declared.length === given.length &&
    declared.every((dimension, at) => typeof dimension !== "number" || dimension === given[at])
  );
}
