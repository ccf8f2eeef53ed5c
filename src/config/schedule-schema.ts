/** The part of a job file that the scheduler obeys: when, in which zone, and what happens around a run. */
import { validateDetailed } from "node-cron";
import { z } from "zod";
import { suggest } from "../core/suggest.ts";
import { parseDuration } from "./units.ts";
import { isTimeZone } from "./zoned-time.ts";

/** A refusal in our own words, a predicate of the value ("is no duration"); `read-job.ts` adds file, line, key and value. */
export function refuse(
  ctx: z.core.$RefinementCtx,
  input: unknown,
  message: string,
  expected: string,
  hints: string[] = [],
): void {
  ctx.addIssue({ code: "custom", input, message, params: { expected, hints } });
}

export const timeOfDay = z
  .string({ error: 'expected a time of day in quotes, for example "06:00"' })
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error: 'is no time of day|"HH:MM" from "00:00" to "23:59", in quotes' })
  .describe('Local time "HH:MM" in the job\'s time zone.');

const MAX_DURATION_MS = 366 * 86_400_000;

export const duration = z
  .string({ error: "expected a duration in quotes or with a unit, for example 30s" })
  .superRefine((text, ctx) => {
    const ms = parseDuration(text);
    if (ms === null) refuse(ctx, text, "is no duration", "a number with a unit, for example 30s, 15m, 2h, 1h30m, 1d");
    else if (ms > MAX_DURATION_MS) refuse(ctx, text, "is too long", "at most 366d");
    else if (ms === 0) refuse(ctx, text, "is too short", "more than 0s");
  })
  .meta({ pattern: "^\\d+(ms|s|m|h|d)(\\d+(ms|s|m|h|d))*$" })
  .describe("A duration: 30s, 15m, 2h, 1h30m, 1d.");

export const timeZone = z
  .string()
  .superRefine((name, ctx) => {
    if (isTimeZone(name)) return;
    const near = suggest(
      name.split("/").pop() ?? name,
      Intl.supportedValuesOf("timeZone").map((zone) => zone.split("/").pop()!),
    );
    const zones = Intl.supportedValuesOf("timeZone").filter((zone) => near.includes(zone.split("/").pop()!));
    const hints = zones.length > 0 ? [`did you mean ${zones.slice(0, 3).join(" or ")}?`] : [];
    refuse(ctx, name, "is an unknown time zone", "an IANA name such as UTC, Europe/Berlin, America/New_York", hints);
  })
  .describe("IANA time zone of the schedule and of {{ date }}. Default UTC.");

export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
const weekday = z.enum(WEEKDAYS);

const monthDay = z
  .union([z.int().min(1).max(31), z.literal("last"), z.literal("last-business-day")], {
    error: "expected a day of the month from 1 to 31, last, or last-business-day",
  })
  .describe(
    "Day of the month: 1 to 31, last, or last-business-day (Monday to Friday; holidays are not known). 29 to 31 mean the last day of a month that is shorter.",
  );

const cron = z
  .string()
  .superRefine((text, ctx) => {
    const expected = 'five fields, minute hour day-of-month month day-of-week, for example "30 2 * * *"';
    const fields = text.trim().split(/\s+/);
    if (text.trim().startsWith("@")) return refuse(ctx, text, "is a nickname, which is not read", expected);
    if (fields.length !== 5) {
      const hints = fields.length === 6 ? ["seconds are not supported: leave the first field out"] : [];
      return refuse(ctx, text, `has ${fields[0] === "" ? 0 : fields.length} fields`, expected, hints);
    }
    const { valid, errors, fields: parsed } = validateDetailed(text);
    if (!valid) {
      const wrong = errors.map(({ field, value }) => `${field} "${value}"`).join(", ");
      return refuse(ctx, text, `is no cron expression (${wrong})`, expected);
    }
    if (parsed && ![...parsed.dayOfMonth, ...parsed.dayOfWeek].every((value) => typeof value === "number")) {
      const hints = ["for the end of a month write monthly: {on: last, at: ...} or {on: last-business-day, at: ...}"];
      refuse(ctx, text, "uses L, W or #, which are not read", expected, hints);
    }
  })
  .describe('Cron expression of five fields: "30 2 * * *".');

export const scheduleSchema = z
  .strictObject({
    daily: z
      .union([timeOfDay, z.strictObject({ at: timeOfDay })], { error: 'expected a time of day, for example "02:30"' })
      .optional(),
    weekly: z
      .strictObject({
        on: z.union([weekday, z.array(weekday).min(1)], { error: "expected weekdays, for example [mon, thu]" }),
        at: timeOfDay,
      })
      .optional(),
    monthly: z
      .strictObject({
        on: z.union([monthDay, z.array(monthDay).min(1)], {
          error: "expected days of the month from 1 to 31, last, or last-business-day",
        }),
        at: timeOfDay,
      })
      .optional(),
    cron: cron.optional(),
    dayMatch: z.enum(["and", "or"]).describe("For cron with both day fields set: must both match, or either?").optional(),
  })
  .superRefine((schedule, ctx) => {
    const kinds = (["daily", "weekly", "monthly", "cron"] as const).filter((kind) => schedule[kind] !== undefined);
    const example =
      'one of {daily: "02:30"}, {weekly: {on: [mon], at: "06:00"}}, {monthly: {on: 1, at: "06:00"}}, {cron: "30 2 * * *"}';
    if (kinds.length === 0) refuse(ctx, schedule, "no kind of schedule is given", example);
    if (kinds.length > 1)
      refuse(ctx, schedule, `${kinds.join(" and ")} together`, example, ["write one job file for each schedule"]);
    const [, , dayOfMonth = "*", , dayOfWeek = "*"] = schedule.cron?.trim().split(/\s+/) ?? [];
    if (!/^[*?]$/.test(dayOfMonth) && !/^[*?]$/.test(dayOfWeek) && !schedule.dayMatch) {
      const hints = ["write dayMatch: or as cron itself has it, or dayMatch: and for days on which both match"];
      refuse(ctx, schedule, "day of month and day of week are both set", "dayMatch: and | or beside cron", hints);
    }
    if (schedule.dayMatch && schedule.cron === undefined)
      refuse(ctx, schedule, "dayMatch without cron", "dayMatch only beside cron");
  })
  .describe("When the job runs. Exactly one of daily, weekly, monthly, cron. Without it the job runs only by hand.");

export const NOTIFY_EVENTS = ["started", "succeeded", "failed", "missed", "skipped", "cancelled", "overdue"] as const;

/** Never resolved, printed, stored or hashed in this room: only the name of the secret is known here. */
const secret = z.strictObject({
  secret: z.string().regex(/^[A-Za-z_]\w*$/, { error: "is no name of a secret|letters, digits and _" }),
});
const url = z.string().regex(/^https?:\/\/\S+$/i, { error: "is no web address|http:// or https://" });
const secretUrl = z.union([url, secret], { error: "expected a web address, or {secret: NAME}" });

export const notifySchema = z.array(
  z
    .strictObject({
      on: z.array(z.enum(NOTIFY_EVENTS)).min(1),
      webhook: z
        .strictObject({
          url: secretUrl,
          headers: z
            .record(z.string(), z.union([z.string(), secret], { error: "expected a text, or {secret: NAME}" }))
            .optional(),
        })
        .optional(),
      healthcheck: z.strictObject({ url: secretUrl }).describe("Pinged in the manner of healthchecks.io.").optional(),
    })
    .superRefine((entry, ctx) => {
      if ((entry.webhook === undefined) === (entry.healthcheck === undefined)) {
        refuse(ctx, entry, entry.webhook ? "two targets" : "no target", "one of webhook: {url: ..}, healthcheck: {url: ..}");
      }
    }),
);

export const schedulingFields = {
  schedule: scheduleSchema.optional(),
  timezone: timeZone.optional(),
  expect: z
    .strictObject({
      by: timeOfDay.optional(),
      minRows: z.int().min(0).optional(),
      maxRows: z.int().min(0).optional(),
    })
    .describe("What must hold after a run; a failure is exit code 3.")
    .optional(),
  catchup: z.enum(["latest", "all", "none"]).describe("Slots missed while nothing ran: run the newest, all, or none.").optional(),
  overlap: z.enum(["queue", "skip", "replace"]).describe("A slot comes while the previous run is still going.").optional(),
  retries: z
    .strictObject({ max: z.int().min(0).max(20), initial: duration.optional(), longest: duration.optional() })
    .describe("Retries of failures that can pass, with growing pauses from initial to longest.")
    .optional(),
  timeout: duration.optional(),
  notify: notifySchema.optional(),
};
