/** JSON's number texts, exactly: which are whole, and which a double gives back. */
import { isShortestWhole } from "../../values/text-numbers.ts";

const WHOLE = /^-?\d+$/;
const PARTS = /^(-?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;
/** Digits that a 64-bit integer can have, and no more: `1e999999999` is not written out. */
const MAX_DIGITS = 20;

/** Plain digits of a whole number however it is written (`1e3`, `15.0`, `-0`); null when it is none, or beyond every 64-bit type. */
export function wholeDigits(text: string): string | null {
  if (WHOLE.test(text)) return text === "-0" ? "0" : text;
  const match = PARTS.exec(text);
  if (match === null) return null;
  const [, sign, whole, fraction = "", exponent = "0"] = match;
  const digits = (whole! + fraction).replace(/^0+/, "");
  if (digits === "") return "0";
  const shift = Number(exponent) - fraction.length;
  if (digits.length + shift > MAX_DIGITS) return null;
  if (shift >= 0) return `${sign}${digits}${"0".repeat(shift)}`;
  const kept = digits.slice(0, digits.length + shift);
  return /^0*$/.test(digits.slice(Math.max(0, digits.length + shift))) && kept !== "" ? `${sign}${kept}` : null;
}

/** A double holds it: whole numbers digit by digit, others up to the 17 digits that tell doubles apart. */
export function isDouble(text: string): boolean {
  const value = Number(text);
  if (!Number.isFinite(value)) return text === "NaN" || text.endsWith("Infinity");
  if (Number.isInteger(value) && Math.abs(value) > Number.MAX_SAFE_INTEGER && WHOLE.test(text)) {
    return text.length <= 400 && (BigInt(text) === BigInt(value) || isShortestWhole(text, value));
  }
  if (text.length <= 17) return true;
  const mantissa = text.replace(/[eE].*$/, "").replace(/\D/g, "");
  return mantissa.replace(/^0+/, "").length <= 17;
}
