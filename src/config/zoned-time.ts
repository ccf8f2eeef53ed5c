/**
 * Wall clocks of IANA zones, with nothing but Intl. A wall time is a number: the milliseconds since 1970-01-01T00:00 that
 * a clock on the wall shows, as if it were UTC. So adding a day is adding 86,400,000, whatever the zone does that night.
 */

const formats = new Map<string, Intl.DateTimeFormat>();

/** IANA names only: a fixed offset such as +02:00 would silently ignore daylight saving. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

/** @param instantMs milliseconds since the epoch; @returns wall time, whole seconds */
export function wallTimeOf(instantMs: number, timeZone: string): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(instantMs)) parts[type] = Number(value);
  return Date.UTC(parts.year!, parts.month! - 1, parts.day!, parts.hour!, parts.minute!, parts.second!);
}

/** The instant at which the wall shows `wallMs`: the first of two in an autumn overlap, the end of the gap in spring. */
export function instantOf(wallMs: number, timeZone: string): number {
  const before = offsetAt(wallMs - 86_400_000, timeZone);
  const after = offsetAt(wallMs + 86_400_000, timeZone);
  for (const offset of before === after ? [before] : [before, after]) {
    if (wallTimeOf(wallMs - offset, timeZone) === wallMs) return wallMs - offset;
  }
  // In a gap: the clock jumped over this wall time, so the offset before the jump leads to just after it.
  return wallMs - before;
}

function offsetAt(instantMs: number, timeZone: string): number {
  return wallTimeOf(instantMs, timeZone) - Math.floor(instantMs / 1000) * 1000;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    formats.set(timeZone, format);
  }
  return format;
}
