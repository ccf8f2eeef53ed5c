/** Random stories, shrunk by fast-check: whatever happens, one run at a time, ends are ends, one success per key, no slot without a row. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dice, madeCommand, madeJobs } from "./made-jobs.ts";
import { type Command, World } from "./world.ts";

const job = fc.nat(5);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("advance" as const), minutes: fc.integer({ min: 1, max: 1_500 }) }) },
  fc.record({ kind: fc.constant("downtime" as const), hours: fc.integer({ min: 1, max: 100 }), sleep: fc.boolean() }),
  fc.record({ kind: fc.constant("setClock" as const), minutes: fc.integer({ min: -300, max: 300 }) }),
  fc.record({ kind: fc.constant("edit" as const), job, schedule: fc.nat(3) }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("pause" as const, "resume" as const, "killRun" as const), job }) },
  fc.record({ kind: fc.constantFrom("backfill" as const, "byHand" as const, "cancel" as const), job }),
  fc.record({ kind: fc.constantFrom("loseClaims" as const, "stalePlan" as const) }),
);

describe("any story", () => {
  it("keeps the laws", () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 30 }), fc.nat(), (commands, seed) => {
        const random = dice(seed);
        const jobs = madeJobs(6, random);
        const edited = Array.from({ length: 4 }, () => madeJobs(6, random));
        const world = new World({ startMs: Date.UTC(2026, 2, 20), jobs, edited, random, trouble: 0.2 });
        try {
          for (const each of commands) {
            world.do(each);
            world.checkNow();
          }
          world.settle();
        } finally {
          world.remove();
        }
      }),
      { numRuns: 25, seed: 20_261_121, endOnFailure: false },
    );
  });

  it("keeps them over three weeks around a change of the clocks, 30 jobs", () => {
    const random = dice(7);
    const jobs = madeJobs(30, random);
    const world = new World({ startMs: Date.UTC(2026, 9, 15), jobs, edited: [madeJobs(30, random), jobs], random, trouble: 0.1 });
    try {
      const until = world.wallMs + 21 * 86_400_000;
      while (world.wallMs < until) world.do(madeCommand(random));
      world.settle();
      expect(world.figures.published).toBeGreaterThan(200);
      expect(world.figures.killed).toBeGreaterThan(10);
    } finally {
      world.remove();
    }
  });
});
