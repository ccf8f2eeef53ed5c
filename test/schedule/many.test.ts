/** Two schedulers on one state folder for a few seconds; `npm run test:long` has four of them for a minute. */
import { expect, it } from "vitest";
import { dice } from "./made-jobs.ts";
import { tellStory } from "./many/story.ts";

it("two schedulers that are killed and stopped run each slot once", async () => {
  const figures = await tellStory({ schedulers: 2, seconds: 4, jobs: 6, random: dice(5) });
  expect(figures.succeeded).toBeGreaterThan(0);
  expect(figures.takeovers).toBeGreaterThan(1);
}, 240_000);
