/** The next slot of a job, remembered: between two slots a tick over a thousand jobs computes no calendar. Pure but for that memory. */
import type { JobDefinition } from "./definition.ts";
import { nextSlots } from "./slots.ts";

/** No slot lies in (fromMs, nextMs). */
interface Stretch {
  fromMs: number;
  nextMs: number;
}

const known = new WeakMap<JobDefinition, Stretch>();

/** @returns instant of the first slot after `afterMs` (exclusive); Infinity: there is none */
export function nextSlotMs(definition: JobDefinition, afterMs: number): number {
  const { schedule, timeZone } = definition;
  if (schedule === null) return Number.POSITIVE_INFINITY;
  const stretch = known.get(definition);
  if (stretch && stretch.fromMs <= afterMs && afterMs < stretch.nextMs) return stretch.nextMs;
  const nextMs = nextSlots(schedule, timeZone, afterMs, 1)[0]?.utcMs ?? Number.POSITIVE_INFINITY;
  known.set(definition, { fromMs: afterMs, nextMs });
  return nextMs;
}
