/** Texts with units to numbers and back. Every parser gives null for what it does not understand; the caller words the error. */

const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "30s", "2h", "1h30m", "500ms", "1d" to milliseconds. Units fall in size and come once; a bare number has no unit and is refused. */
export function parseDuration(text: string): number | null {
  const parts = [...text.trim().matchAll(/(\d+)(ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text.trim()) return null;
  let totalMs = 0;
  let before = Number.POSITIVE_INFINITY;
  for (const [, count, unit] of parts) {
    const unitMs = DURATION_UNITS[unit!]!;
    if (unitMs >= before) return null;
    before = unitMs;
    totalMs += Number(count) * unitMs;
  }
  return Number.isSafeInteger(totalMs) ? totalMs : null;
}

/** The shortest text that `parseDuration` reads back as the same number. */
export function formatDuration(durationMs: number): string {
  const parts: string[] = [];
  let rest = durationMs;
  for (const unit of ["d", "h", "m", "s", "ms"]) {
    const count = Math.floor(rest / DURATION_UNITS[unit]!);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * DURATION_UNITS[unit]!;
  }
  return parts.join("") || "0s";
}

const SIZE_UNITS: Record<string, number> = {
  "": 1,
  b: 1,
  k: 1024,
  kb: 1000,
  kib: 1024,
  m: 1024 ** 2,
  mb: 1000 ** 2,
  mib: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1000 ** 3,
  gib: 1024 ** 3,
};

/** "8MiB", "64k", "1000000", "1.5 GB" to bytes. k, M, G alone are binary (as with dd), kB, MB, GB decimal. */
export function parseSize(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (!match) return null;
  const unit = SIZE_UNITS[match[2]!.toLowerCase()];
  if (unit === undefined) return null;
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Whole numbers as people type them: digits, with `_` between groups if they like. */
export function parseWhole(text: string): number | null {
  if (!/^\d+(_\d+)*$/.test(text.trim())) return null;
  const value = Number(text.trim().replaceAll("_", ""));
  return Number.isSafeInteger(value) ? value : null;
}
