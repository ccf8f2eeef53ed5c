/** A schedule compiled: which local dates it takes and which times of those, without any zone. Pure. */
import { parse } from "node-cron";
import { BatchPredictError } from "../core/errors.ts";
import type { Schedule } from "./slots.ts";

export interface SlotRule {
  /** Wall times of one local date, ascending, as milliseconds after its midnight; empty when the date is not taken. */
  timesMs: readonly number[];
  /** @param dateMs midnight as a wall time; @returns null: not taken */
  takes(dateMs: number): { monthEnd: boolean } | null;
  /** Runs by the clock: not at times that a gap swallows, twice in a repeated hour. */
  wildcard: boolean;
  /** Keys are wall times, not dates. */
  keyedByTime: boolean;
}

const DAY_MS = 86_400_000;
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const TAKEN = { monthEnd: false };
const TAKEN_AT_MONTH_END = { monthEnd: true };

const rules = new WeakMap<object, SlotRule>();

/** @throws BP_CONFIG for what a checked job file cannot hold */
export function ruleOf(schedule: Schedule): SlotRule {
  const known = rules.get(schedule);
  if (known) return known;
  const rule = compile(schedule);
  rules.set(schedule, rule);
  return rule;
}

function compile(schedule: Schedule): SlotRule {
  const { daily, weekly, monthly, cron } = schedule;
  if (daily !== undefined) return fixed(typeof daily === "string" ? daily : daily.at, () => TAKEN);
  if (weekly !== undefined) {
    const days = new Set([weekly.on].flat().map((name) => WEEKDAYS.indexOf(name)));
    return fixed(weekly.at, (dateMs) => (days.has(new Date(dateMs).getUTCDay()) ? TAKEN : null));
  }
  if (monthly !== undefined) return fixed(monthly.at, monthDays([monthly.on].flat()));
  if (cron !== undefined) return cronRule(cron, schedule.dayMatch);
  throw new BatchPredictError("BP_CONFIG", "no kind of schedule is given", { expected: "daily, weekly, monthly or cron" });
}

function fixed(at: string, takes: SlotRule["takes"]): SlotRule {
  const [hours, minutes] = at.split(":").map(Number);
  return { timesMs: [(hours! * 60 + minutes!) * 60_000], takes, wildcard: false, keyedByTime: false };
}

type MonthDay = number | "last" | "last-business-day";

function monthDays(on: readonly MonthDay[]): SlotRule["takes"] {
  const numbers = new Set(on.filter((day) => typeof day === "number"));
  const longest = Math.max(0, ...numbers);
  return (dateMs) => {
    const date = new Date(dateMs);
    const day = date.getUTCDate();
    if (numbers.has(day)) return TAKEN;
    if (day < 26) return null;
    const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0));
    const last = lastDay.getUTCDate();
    if (on.includes("last") && day === last) return TAKEN;
    if (on.includes("last-business-day") && day === last - daysAfterFriday(lastDay)) return TAKEN;
    return day === last && longest > last ? TAKEN_AT_MONTH_END : null;
  };
}

/** Monday to Friday count as business days; holidays are not known here. */
function daysAfterFriday(date: Date): number {
  return { 6: 1, 0: 2 }[date.getUTCDay()] ?? 0;
}

function cronRule(cron: string, dayMatch: Schedule["dayMatch"]): SlotRule {
  const [minuteText, hourText, dayText, , weekdayText] = cron.trim().split(/\s+/);
  const { minute, hour, dayOfMonth, month, dayOfWeek } = parse(cron);
  if (![...dayOfMonth, ...dayOfWeek].every((value) => typeof value === "number")) {
    throw new BatchPredictError("BP_CONFIG", `L, W and # are not read in a cron expression: "${cron}"`, {
      hints: ["for the last day of a month write monthly: {on: last, at: ...}"],
    });
  }
  const any = (text: string | undefined): boolean => text === "*" || text === "?";
  const days = any(dayText) ? null : new Set(dayOfMonth);
  const weekdays = any(weekdayText) ? null : new Set(dayOfWeek.map((value) => Number(value) % 7));
  if (days && weekdays && dayMatch === undefined) {
    throw new BatchPredictError("BP_CONFIG", `"${cron}" sets day of month and day of week`, {
      hints: ["write dayMatch: or as cron itself has it, or dayMatch: and for days on which both match"],
    });
  }
  const months = new Set(month);
  const takes: SlotRule["takes"] = (dateMs) => {
    const date = new Date(dateMs);
    if (!months.has(date.getUTCMonth() + 1)) return null;
    const byDay = days?.has(date.getUTCDate());
    const byWeekday = weekdays?.has(date.getUTCDay());
    const taken = dayMatch === "or" && days && weekdays ? byDay || byWeekday : (byDay ?? true) && (byWeekday ?? true);
    return taken ? TAKEN : null;
  };
  const open = (text: string | undefined, values: ReadonlySet<number>, all: number): boolean =>
    text?.includes("*") === true || values.size === all;
  const minutes = new Set(minute);
  const hours = new Set(hour);
  const timesMs = [...hours].flatMap((h) => [...minutes].map((m) => (h * 60 + m) * 60_000)).sort((a, b) => a - b);
  return { timesMs, takes, wildcard: open(minuteText, minutes, 60) || open(hourText, hours, 24), keyedByTime: true };
}

export function midnightOf(wallMs: number): number {
  return Math.floor(wallMs / DAY_MS) * DAY_MS;
}
