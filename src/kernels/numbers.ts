/**
 * Numbers out of bytes. A number is written only when it is exactly what the text table gives (sources: the exactness of `m * 10^e` for
 * m <= 2^53 and |e| <= 22, W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990); everything else is the caller's.
 */

const MINUS: u32 = 45;
const PLUS: u32 = 43;
const DOT: u32 = 46;

/** Largest integer below which every one is a double. */
const EXACT: u64 = 9007199254740992;
const MAX_POWER: i32 = 22;
export const EXACT_SINGLE: u64 = 16777216;
export const MAX_SINGLE_POWER: i32 = 10;

/** Results of scanNumber. */
export let mantissa: u64 = 0;
export let power: i32 = 0;
export let negative: bool = false;

// @ts-ignore: decorator
@inline
export function powerOfTen(exponent: i32): f64 {
  return load<f64>(POWERS + ((<usize>exponent) << 3));
}

const POWERS: usize = memory.data<f64>([
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
]);

/**
 * Reads `[+-]?(d+(.d*)?|.d+)([eE][+-]?d+)?` into mantissa, power, negative.
 * @returns the byte after the number, or 0 when there is none that fits 19 digits
 */
// @ts-ignore: decorator
@inline
export function scanNumber(start: usize): usize {
  let p = start;
  let c: u32 = load<u8>(p);
  negative = c == MINUS;
  if (negative || c == PLUS) c = load<u8>(++p);
  let m: u64 = 0;
  const intStart = p;
  let d: u32 = c - 48;
  while (d < 10) {
    m = m * 10 + d;
    d = <u32>load<u8>(++p) - 48;
  }
  let digits: usize = p - intStart;
  let e: i32 = 0;
  if (d + 48 == DOT) {
    const fracStart = ++p;
    d = <u32>load<u8>(p) - 48;
    while (d < 10) {
      m = m * 10 + d;
      d = <u32>load<u8>(++p) - 48;
    }
    const frac = p - fracStart;
    digits += frac;
    e = -(<i32>frac);
  }
  // 20 digits may overflow the mantissa; without any there is no number.
  if (digits == 0 || digits > 19) return 0;
  c = d + 48;
  if ((c | 32) == 101) {
    c = load<u8>(++p);
    const minus = c == MINUS;
    if (minus || c == PLUS) c = load<u8>(++p);
    const expStart = p;
    let x: i32 = 0;
    d = c - 48;
    while (d < 10) {
      x = x * 10 + d;
      d = <u32>load<u8>(++p) - 48;
    }
    const expDigits = p - expStart;
    if (expDigits == 0 || expDigits > 4) return 0;
    e += minus ? -x : x;
  }
  mantissa = m;
  power = e;
  return p;
}

/** The double nearest to the scanned number, when one correctly rounded operation gives it. */
// @ts-ignore: decorator
@inline
export function isExact(): bool {
  return mantissa <= EXACT && power <= MAX_POWER && power >= -MAX_POWER;
}

// @ts-ignore: decorator
@inline
export function scaled(): f64 {
  const m = <f64>mantissa;
  const value = power < 0 ? m / powerOfTen(-power) : m * powerOfTen(power);
  return negative ? -value : value;
}

/** Distance of a double from the middle between two neighbouring float32, in units of its last place. */
// @ts-ignore: decorator
@inline
function isNearTie(value: f64, slack: i64): bool {
  const low = <i64>(reinterpret<u64>(value) & 0x1fffffff) - 0x10000000;
  return low <= slack && low >= -slack;
}

/** Results of storeFloat32. */
export const STORED: u32 = 1;
/** Stored, and perhaps a whole number that float32 lacks (see wasRounded). */
export const STORED_LARGE: u32 = 2;

/** Writes the scanned number as the nearest float32. @returns 0 when it cannot */
// @ts-ignore: decorator
@inline
export function storeFloat32(at: usize): u32 {
  if (mantissa <= EXACT_SINGLE && power <= 0 && power >= -MAX_SINGLE_POWER) {
    // Both operands are float32 exactly, so the one division rounds correctly (and costs less than that of doubles).
    const single = <f32>(<u32>mantissa) / <f32>powerOfTen(-power);
    store<f32>(at, negative ? -single : single);
    return STORED;
  }
  if (power > MAX_POWER || power < -MAX_POWER) return 0;
  const value = scaled();
  const size = Math.abs(value);
  // Beyond the normal range a float32 has fewer digits (or none): left to the slow way, as are numbers next to a tie, where the
  // error of the double (at most 2 units when the mantissa is not exact) could change the rounding.
  if (size != 0 && (size < 1.1754943508222875e-38 || size > 3.4028234663852886e38)) return 0;
  if (isNearTie(value, mantissa <= EXACT ? 0 : 8)) return 0;
  store<f32>(at, <f32>value);
  return power == 0 ? STORED_LARGE : STORED;
}

/** storeFloat32 of a number that was read elsewhere; a call, where code size matters more. */
export function storeMantissa(value: u64, exponent: i32, minus: bool, at: usize): u32 {
  mantissa = value;
  power = exponent;
  negative = minus;
  return storeFloat32(at);
}

/** Of a cell [start, after) that was STORED_LARGE at `at`: digits only, and not the value of the float32. */
export function wasRounded(start: usize, after: usize, at: usize): bool {
  if (<u64>Math.abs(<f64>load<f32>(at)) == mantissa) return false;
  let p = start;
  const first: u32 = load<u8>(p);
  if (first == MINUS || first == PLUS) p++;
  while (p < after && <u32>load<u8>(p) - 48 < 10) p++;
  return p == after;
}

/** Digits only, at most 18, so that no int64 overflows. @returns the byte after it, or 0 */
// @ts-ignore: decorator
@inline
export function scanInteger(start: usize, canonical: bool): usize {
  let p = start;
  let c: u32 = load<u8>(p);
  negative = c == MINUS;
  if (negative || (c == PLUS && !canonical)) c = load<u8>(++p);
  const first = p;
  let m: u64 = 0;
  let d: u32 = c - 48;
  while (d < 10) {
    m = m * 10 + d;
    d = <u32>load<u8>(++p) - 48;
  }
  const digits = p - first;
  if (digits == 0 || digits > 18) return 0;
  if (canonical && load<u8>(first) == 48 && (digits > 1 || negative)) return 0;
  mantissa = m;
  return p;
}
