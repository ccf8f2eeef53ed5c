/** Numbers as text that reads back to the same number: JavaScript's shortest form, for float32 the shortest that suffices for a float32. */

/** NaN, inf and -inf as Python, numpy, pandas, DuckDB and our own CSV reader understand them. */
export function float64Text(value: number): string {
  if (value - value === 0) return value === 0 && 1 / value < 0 ? "-0" : String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "inf" : "-inf";
}

/** @param value a float32 widened to double, e.g. an element of a Float32Array */
export function float32Text(value: number): string {
  return float64Text(shortenFloat32(value));
}

/**
 * The double whose shortest text is the shortest text of the float32: 0.10000000149011612 -> 0.1.
 *
 * Tries 6 to 9 digits. Six always suffice for a number that was written with six or fewer, and trailing zeros vanish in String();
 * nine suffice for every float32 (IEEE 754, FLT_DECIMAL_DIG). `digits / 10^k` with digits < 2^53 and k <= 22 is the correctly
 * rounded double. A candidate whose double lies exactly between two float32 is passed over: its text could read as the neighbour.
 */
function shortenFloat32(value: number): number {
  if (Number.isInteger(value) && value < 16_777_216 && value > -16_777_216) return value;
  if (value - value !== 0) return value;
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent < -12 || exponent > 21) return shortenByText(value);
  for (let digits = 6; digits <= 9; digits++) {
    const places = digits - 1 - exponent;
    const short =
      places >= 0
        ? Math.round(value * POWERS[places]!) / POWERS[places]!
        : Math.round(value / POWERS[-places]!) * POWERS[-places]!;
    if (readsBack(short, value)) return short;
  }
  return shortenByText(value);
}

const POWERS = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

function shortenByText(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (readsBack(short, value)) return short;
  }
  return value;
}

function readsBack(short: number, value: number): boolean {
  return Math.fround(short) === value && Math.fround(short * BELOW_ONE) === value && Math.fround(short * ABOVE_ONE) === value;
}
const BELOW_ONE = 1 - Number.EPSILON;
const ABOVE_ONE = 1 + Number.EPSILON;
