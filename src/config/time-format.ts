/** Printing of wall times in templates: a named subset of strftime, as in Python and DuckDB. */

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const DAY_MS = 86_400_000;

const pad = (value: number, width = 2): string => String(value).padStart(width, "0");

const DIRECTIVES: Record<string, (wall: Date) => string> = {
  Y: (wall) => pad(wall.getUTCFullYear(), 4),
  y: (wall) => pad(wall.getUTCFullYear() % 100),
  m: (wall) => pad(wall.getUTCMonth() + 1),
  d: (wall) => pad(wall.getUTCDate()),
  H: (wall) => pad(wall.getUTCHours()),
  M: (wall) => pad(wall.getUTCMinutes()),
  S: (wall) => pad(wall.getUTCSeconds()),
  j: (wall) => pad(Math.floor((wall.getTime() - Date.UTC(wall.getUTCFullYear(), 0, 1)) / DAY_MS) + 1, 3),
  B: (wall) => MONTHS[wall.getUTCMonth()]!,
  b: (wall) => MONTHS[wall.getUTCMonth()]!.slice(0, 3),
  A: (wall) => DAYS[wall.getUTCDay()]!,
  a: (wall) => DAYS[wall.getUTCDay()]!.slice(0, 3),
  u: (wall) => String(wall.getUTCDay() || 7),
  V: (wall) => pad(isoWeek(wall).week),
  G: (wall) => pad(isoWeek(wall).year, 4),
  "%": () => "%",
};

/** Directives that `fmt()` knows, for error messages: "%Y %y %m ...". */
export const KNOWN_DIRECTIVES: string = Object.keys(DIRECTIVES)
  .map((letter) => `%${letter}`)
  .join(" ");

/** The first unknown directive of a pattern ("%Q", or "%" at the end), or null. */
export function unknownDirective(pattern: string): string | null {
  for (const [directive, letter] of pattern.matchAll(/%(.?)/gsu)) {
    if (DIRECTIVES[letter!] === undefined) return directive;
  }
  return null;
}

/** @param wallMs wall time (see zoned-time.ts) */
export function formatWall(wallMs: number, pattern: string): string {
  const wall = new Date(wallMs);
  return pattern.replace(/%(.)/gsu, (_, letter: string) => DIRECTIVES[letter]!(wall));
}

/** ISO 8601: the week that holds the year's first Thursday is week 1. */
function isoWeek(wall: Date): { year: number; week: number } {
  const thursday = new Date(wall.getTime() + (4 - (wall.getUTCDay() || 7)) * DAY_MS);
  const year = thursday.getUTCFullYear();
  return { year, week: Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY_MS)) + 1 };
}
