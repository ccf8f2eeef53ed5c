/** Four schedulers on one state folder, killed and stopped at random for a minute with a slot every second. BATCHPREDICT_LONG_SECONDS shortens it. */
import { expect, it } from "vitest";
import { dice } from "../schedule/made-jobs.ts";
import { tellStory } from "../schedule/many/story.ts";

it("each slot is executed exactly once", async () => {
  const seconds = Number(process.env.BATCHPREDICT_LONG_SECONDS ?? 60);
  const seed = Number(process.env.BATCHPREDICT_LONG_SEED ?? 2026);
  const figures = await tellStory({ schedulers: 4, seconds, jobs: 20, random: dice(seed) });
  console.log(`seed ${seed}, ${seconds} s: ${JSON.stringify(figures)}`);
  expect(figures.succeeded).toBeGreaterThan(seconds / 4);
});
