/** Dates, times and spans as ISO 8601 text, exact to the nanosecond and over Arrow's whole range (which is wider than that of Date). */
import { TimeUnit } from "apache-arrow";

const PER_SECOND = {
  [TimeUnit.SECOND]: 1n,
  [TimeUnit.MILLISECOND]: 1_000n,
  [TimeUnit.MICROSECOND]: 1_000_000n,
  [TimeUnit.NANOSECOND]: 1_000_000_000n,
};
const FRACTION_DIGITS = { [TimeUnit.SECOND]: 0, [TimeUnit.MILLISECOND]: 3, [TimeUnit.MICROSECOND]: 6, [TimeUnit.NANOSECOND]: 9 };
const DAY_SECONDS = 86_400n;

/**
 * Proleptic Gregorian date of a day, `2026-11-21`; years outside 0..9999 with a sign and at least six digits (ISO 8601 expanded form).
 * Counts in 400-year cycles of 146,097 days that begin on 1 March, so the leap day is a cycle's last.
 * @param day days since 1970-01-01, may be negative
 */
export function dateText(day: number): string {
  const shifted = day + 719_468;
  const cycle = Math.floor(shifted / 146_097);
  const dayOfCycle = shifted - cycle * 146_097;
  const yearOfCycle = Math.floor(
    (dayOfCycle - Math.floor(dayOfCycle / 1460) + Math.floor(dayOfCycle / 36_524) - Math.floor(dayOfCycle / 146_096)) / 365,
  );
  const dayOfYear = dayOfCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const dayOfMonth = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0);
  return `${yearText(year)}-${pad(month, 2)}-${pad(dayOfMonth, 2)}`;
}

/**
 * `2026-11-21T08:15:00.123456`, with as many digits as the unit has. With a zone the instant is given in UTC with `Z`: it sorts as text
 * and reads the same everywhere. Without one it is wall time, and nothing is appended.
 */
export function timestampText(value: bigint, unit: TimeUnit, zone: string | null): string {
  const [days, ofDay] = floorDivide(value, DAY_SECONDS * PER_SECOND[unit]);
  return `${dateText(Number(days))}T${timeText(ofDay, unit)}${zone ? "Z" : ""}`;
}

/** `08:15:00.123456` @param value since midnight, 0 or more */
export function timeText(value: bigint, unit: TimeUnit): string {
  const [seconds, fraction] = floorDivide(value, PER_SECOND[unit]);
  const total = Number(seconds);
  const clock = `${pad(Math.floor(total / 3600), 2)}:${pad(Math.floor(total / 60) % 60, 2)}:${pad(total % 60, 2)}`;
  return clock + fractionText(fraction, unit);
}

/** `PT3723.000001S`, seconds only: days and hours of an elapsed time have no calendar to be counted by. */
export function durationText(value: bigint, unit: TimeUnit): string {
  return `${value < 0n ? "-" : ""}PT${secondsText(value < 0n ? -value : value, unit)}S`;
}

/** `P1Y2M`; each part carries its own sign, as in java.time and PostgreSQL. @param months of Arrow's YEAR_MONTH */
export function monthsText(months: number): string {
  return `P${Math.trunc(months / 12)}Y${months % 12}M`;
}

/** `P3DT0.500S` of Arrow's DAY_TIME. */
export function dayTimeText(days: number, milliseconds: number): string {
  return `P${days}DT${signedSeconds(BigInt(milliseconds), TimeUnit.MILLISECOND)}S`;
}

/** `P1M3DT0.000000001S` of Arrow's MONTH_DAY_NANO. */
export function monthDayNanoText(months: number, days: number, nanoseconds: bigint): string {
  return `P${months}M${days}DT${signedSeconds(nanoseconds, TimeUnit.NANOSECOND)}S`;
}

function signedSeconds(value: bigint, unit: TimeUnit): string {
  return value < 0n ? `-${secondsText(-value, unit)}` : secondsText(value, unit);
}

function secondsText(value: bigint, unit: TimeUnit): string {
  const [seconds, fraction] = floorDivide(value, PER_SECOND[unit]);
  return `${seconds}${fractionText(fraction, unit)}`;
}

function fractionText(fraction: bigint, unit: TimeUnit): string {
  return unit === TimeUnit.SECOND ? "" : `.${String(fraction).padStart(FRACTION_DIGITS[unit], "0")}`;
}

function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return pad(year, 4);
  return `${year < 0 ? "-" : "+"}${pad(Math.abs(year), 6)}`;
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, "0");
}

function floorDivide(value: bigint, by: bigint): [bigint, bigint] {
  const quotient = value / by;
  const rest = value % by;
  return rest < 0n ? [quotient - 1n, rest + by] : [quotient, rest];
}
