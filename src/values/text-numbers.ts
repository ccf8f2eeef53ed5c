/**
 * Decimal text -> number. Grammar: `[+-]?(d+(.d*)?|.d+)([eE][+-]?d+)?`, with "." or "," as the decimal mark.
 * Most cells are short, and `m / 10^k` with m < 2^53 and k <= 22 is the correctly rounded double (Clinger 1990), so they never
 * reach `Number()`; the rest falls back to it.
 */

export const DOT = 46;
export const COMMA = 44;
const PLUS = 43;
const MINUS = 45;

const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

/**
 * @param mark char code of the decimal mark
 * @returns NaN when text[start, end) breaks the grammar; an infinity when the value is beyond a double
 */
export function readDecimal(text: string, start: number, end: number, mark: number): number {
  let i = start;
  let c = text.charCodeAt(i);
  const negative = c === MINUS;
  if (negative || c === PLUS) i++;
  const first = i;
  let mantissa = 0;
  let significant = 0;
  let fraction = 0;
  let marks = 0;
  for (; i < end; i++) {
    c = text.charCodeAt(i);
    const digit = c - 48;
    if (digit >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit;
      if (mantissa !== 0) significant++;
      fraction += marks;
    } else if (c === mark && marks === 0) marks = 1;
    else break;
  }
  if (i - first - marks < 1) return Number.NaN;
  let exponent = 0;
  if (i < end) {
    if ((c | 32) !== 101) return Number.NaN;
    exponent = readExponent(text, i + 1, end);
    if (Number.isNaN(exponent)) return Number.NaN;
  }
  const scale = exponent - fraction;
  if (mantissa <= Number.MAX_SAFE_INTEGER && significant <= 16 && scale >= -22 && scale <= 22) {
    const value = scale < 0 ? mantissa / POWERS_OF_TEN[-scale]! : mantissa * POWERS_OF_TEN[scale]!;
    return negative ? -value : value;
  }
  const plain = text.slice(start, end);
  return Number(mark === DOT ? plain : plain.replace(",", "."));
}

function readExponent(text: string, start: number, end: number): number {
  let i = start;
  let sign = 1;
  const c = text.charCodeAt(i);
  if (c === MINUS || c === PLUS) {
    if (c === MINUS) sign = -1;
    i++;
  }
  if (i >= end) return Number.NaN;
  let value = 0;
  for (; i < end; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return sign * value;
}

/**
 * Whole numbers: `[+-]?d+` and the integral decimals `3.`, `3.0`.
 * @returns the value when its magnitude is below 2^53; an infinity when it has more digits than that (see readBigInteger); NaN when
 * it is no whole number
 */
export function readInteger(text: string, start: number, end: number, mark: number): number {
  let i = start;
  let c = text.charCodeAt(i);
  const negative = c === MINUS;
  if (negative || c === PLUS) i++;
  const first = i;
  let value = 0;
  let significant = 0;
  for (; i < end; i++) {
    c = text.charCodeAt(i);
    const digit = c - 48;
    if (!(digit >= 0 && digit <= 9)) break;
    value = value * 10 + digit;
    if (value !== 0) significant++;
  }
  if (i === first) return Number.NaN;
  if (i < end) {
    if (c !== mark) return Number.NaN;
    for (i++; i < end; i++) if (text.charCodeAt(i) !== 48) return Number.NaN;
  }
  if (significant > 15) value = Number.POSITIVE_INFINITY;
  return negative ? -value : value;
}

/** For text that readInteger found to be whole but long. @returns null when it has over 20 digits, beyond every 64-bit type */
export function readBigInteger(text: string, start: number, end: number): bigint | null {
  const match = /^([+-]?)0*(\d+)/.exec(text.slice(start, end))!;
  const digits = match[2]!;
  if (digits.length > 20) return null;
  return match[1] === "-" ? -BigInt(digits) : BigInt(digits);
}

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
const LOW = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1;
const FLOAT32_NORMAL_MIN = 2 ** -126;

/**
 * Nearest float32 of the text behind `value`, ties to even. Rounding text -> double -> float32 goes wrong only where the double lies
 * exactly between two float32 values while the text does not; there the text itself decides.
 */
export function toFloat32(value: number, text: string, start: number, end: number): number {
  const single = Math.fround(value);
  if (single === value || Number.isNaN(value) || Math.abs(value) === Number.POSITIVE_INFINITY) return single;
  double[0] = value;
  if ((words[LOW]! & 0x1fffffff) !== 0x10000000 && Math.abs(value) >= FLOAT32_NORMAL_MIN) return single;
  return nearestFloat32(value, single, text.slice(start, end));
}

function nearestFloat32(value: number, single: number, text: string): number {
  const target = Math.abs(value);
  const near = Math.abs(single);
  const other = near === Number.POSITIVE_INFINITY ? FLOAT32_MAX : nextFloat32(near, target > near ? 1 : -1);
  const lower = Math.min(near, other);
  const upper = Math.max(near, other);
  const middle = upper === Number.POSITIVE_INFINITY ? FLOAT32_OVERFLOW : (lower + upper) / 2;
  const order = compareToDouble(text, middle);
  const nearest = order === 0 ? near : order < 0 ? lower : upper;
  return value < 0 ? -nearest : nearest;
}

const FLOAT32_MAX = (2 - 2 ** -23) * 2 ** 127;
/** Halfway between the largest float32 and 2^128. */
const FLOAT32_OVERFLOW = (2 - 2 ** -24) * 2 ** 127;

function nextFloat32(value: number, step: 1 | -1): number {
  const single = Float32Array.of(value);
  const bits = new Uint32Array(single.buffer);
  bits[0] = bits[0]! + step;
  return single[0]!;
}

/** Sign of |text| - value, exactly; value is positive and finite. */
function compareToDouble(text: string, value: number): number {
  const match = /^[+-]?(\d*)(?:[.,](\d*))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const fraction = match[2] ?? "";
  let left = BigInt(`${match[1]}${fraction}` || "0");
  let right: bigint;
  const power = Number(match[3] ?? 0) - fraction.length;
  double[0] = value;
  const high = words[1 - LOW]!;
  const biased = (high >>> 20) & 0x7ff;
  const top = biased === 0 ? high & 0xfffff : (high & 0xfffff) | 0x100000;
  right = (BigInt(top) << 32n) | BigInt(words[LOW]!);
  const shift = Math.max(biased, 1) - 1075;
  if (power >= 0) left *= 10n ** BigInt(power);
  else right *= 10n ** BigInt(-power);
  if (shift >= 0) right <<= BigInt(shift);
  else left <<= BigInt(-shift);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Bits of the nearest float16, ties to even; 65520 and above become infinity. */
export function toFloat16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) {
    const units = size * 2 ** 24;
    const whole = Math.floor(units);
    const rest = units - whole;
    return sign | (whole + (rest > 0.5 || (rest === 0.5 && (whole & 1) === 1) ? 1 : 0));
  }
  double[0] = size;
  const high = words[1 - LOW]!;
  const bits = ((((high >>> 20) & 0x7ff) - 1008) << 10) | ((high >>> 10) & 0x3ff);
  const rest = high & 0x3ff;
  const up = rest > 512 || (rest === 512 && (words[LOW] !== 0 || (bits & 1) === 1));
  return sign | (bits + (up ? 1 : 0));
}

/** IEEE 754 binary16. */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const DIGITS = /^[+-]?\d+$/;

/** Written without mark and exponent, and not the value that became of it (finite). Only asked beyond what the float type holds exactly. */
export function isRoundedInteger(text: string, start: number, end: number, became: number): boolean {
  const plain = text.slice(start, end);
  return DIGITS.test(plain) && BigInt(plain.replace("+", "")) !== BigInt(became);
}

/**
 * The digits are those that printing the double gives, filled with zeros: 123456789012345680000 is a double's own text although the
 * double ends in 683968.
 * @param digits a whole number of any length @param value finite
 */
export function isShortestWhole(digits: string, value: number): boolean {
  const [mantissa, exponent] = value.toExponential().split("e") as [string, string];
  const places = Number(exponent) - (mantissa.split(".")[1]?.length ?? 0);
  return places >= 0 && BigInt(mantissa.replace(".", "")) * 10n ** BigInt(places) === BigInt(digits.replace("+", ""));
}

const CANONICAL = /^(?:0|-?[1-9]\d*)$/;

/** The value of a canonical int64 text; null when it is not one. */
export function readCanonicalInt64(text: string): number | bigint | null {
  const length = text.length;
  if (length > 20) return null;
  if (length > 15) {
    if (!CANONICAL.test(text)) return null;
    const big = BigInt(text);
    return BigInt.asIntN(64, big) === big ? big : null;
  }
  const first = text.charCodeAt(0);
  const digits = first === 45 ? 1 : 0;
  if (length === digits) return null;
  if (text.charCodeAt(digits) === 48 && length > 1) return null;
  let value = 0;
  for (let i = digits; i < length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return null;
    value = value * 10 + digit;
  }
  return digits === 1 ? -value : value;
}

/** Digits that carry the value: leading zeros, mark, sign and exponent aside. */
export function significantDigits(text: string): number {
  const mantissa = text.replace(/[eE].*$/, "").replace(/\D/g, "");
  return mantissa.replace(/^0+/, "").length;
}
