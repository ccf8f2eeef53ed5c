/**
 * What wakes the scheduler. node-cron keeps the time; what is due is decided elsewhere, so an alarm that rings late, twice or not
 * at all costs a few seconds, never a run.
 */
import { createTask, type ScheduledTask } from "node-cron";

export interface Alarm {
  /** Rings once at the instant, or a moment later; replaces the one before. null: none. */
  set(atMs: number | null): void;
  stop(): void;
}

/** Rings at the next slot and every 20 s besides. */
const SAFETY_TICK = "*/20 * * * * *";
/** node-cron tells of ticks it missed after a suspend; the safety tick makes up for them, so nobody needs to hear. */
const QUIET = {
  timezone: "UTC",
  suppressMissedWarning: true,
  logger: { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} },
} as const;

export function cronAlarm(nowMs: () => number, ring: () => void): Alarm {
  const safety = createTask(SAFETY_TICK, ring, QUIET);
  void safety.start();
  let next: { atMs: number; task: ScheduledTask } | null = null;
  return {
    set: (atMs) => {
      if (next?.atMs === atMs) return;
      void next?.task.destroy();
      next = null;
      if (atMs === null) return;
      if (atMs <= nowMs()) {
        setImmediate(ring);
        return;
      }
      // Whole seconds: rounded up, so that the slot is over the border when we look.
      const at = new Date(Math.ceil(atMs / 1000) * 1000);
      const fields = [at.getUTCSeconds(), at.getUTCMinutes(), at.getUTCHours(), at.getUTCDate(), at.getUTCMonth() + 1];
      next = { atMs, task: createTask(`${fields.join(" ")} *`, ring, QUIET) };
      void next.task.start();
    },
    stop: () => {
      void safety.destroy();
      void next?.task.destroy();
      next = null;
    },
  };
}
