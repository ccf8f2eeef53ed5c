/** Random jobs and commands for worlds, from a seeded generator. */
import type { Job } from "../../src/config/job-schema.ts";
import type { JobDefinition } from "../../src/schedule/definition.ts";
import { definition } from "./bench.ts";
import type { Command } from "./world.ts";

/** mulberry32: small, seeded, good enough for dice. */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "America/Havana",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "Africa/Casablanca",
  "America/Nuuk",
];

export function madeJobs(count: number, random: () => number): JobDefinition[] {
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  return Array.from({ length: count }, (_, index) => {
    const at = `${String(Math.floor(random() * 24)).padStart(2, "0")}:${one(["00", "30"])}`;
    const kind = random();
    let schedule: Job["schedule"] = { daily: at };
    if (kind < 0.1) schedule = { monthly: { on: one([1, 15, 31, "last", "last-business-day"] as const), at } };
    else if (kind < 0.3) schedule = { weekly: { on: [one(["mon", "wed", "sun"] as const), "fri"], at } };
    else if (kind < 0.4) schedule = { cron: one(["0 */6 * * *", "30 2,14 * * *", "0 */4 * * mon-fri"]) };
    return definition(`job-${index}`, {
      schedule,
      timezone: one(ZONES),
      catchup: one(["latest", "all", "none"] as const),
      overlap: one(["queue", "skip", "replace"] as const),
      retries: { max: Math.floor(random() * 4), initial: "1m", longest: "1h" },
      timeout: one(["2h", "6h"]),
    });
  });
}

/** What happens next: mostly nothing but time. */
export function madeCommand(random: () => number): Command {
  const job = Math.floor(random() * 1_000_000);
  const kind = random();
  if (kind < 0.5) return { kind: "advance", minutes: Math.floor(random() * 600) };
  if (kind < 0.56) return { kind: "downtime", hours: Math.ceil(random() ** 3 * 80), sleep: random() < 0.5 };
  if (kind < 0.6) return { kind: "setClock", minutes: Math.round((random() - 0.5) * 240) };
  if (kind < 0.67) return { kind: "edit", job, schedule: Math.floor(random() * 100) };
  if (kind < 0.71) return { kind: "pause", job };
  if (kind < 0.78) return { kind: "resume", job };
  if (kind < 0.86) return { kind: "killRun", job };
  if (kind < 0.88) return { kind: "cancel", job };
  if (kind < 0.92) return { kind: "backfill", job };
  if (kind < 0.95) return { kind: "byHand", job };
  if (kind < 0.98) return { kind: "loseClaims" };
  return { kind: "stalePlan" };
}
