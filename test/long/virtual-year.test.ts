/**
 * A year of 200 jobs with downtimes, suspends, clock steps, edits, pauses and kills: one success per key, no slot without a row, dead
 * runs recovered by one tick. Then what a tick over 1,000 jobs costs. BATCHPREDICT_LONG_DAYS=30 shortens the year.
 */
import { expect, it } from "vitest";
import { plan } from "../../src/schedule/planner.ts";
import { Bench } from "../schedule/bench.ts";
import { dice, madeCommand, madeJobs } from "../schedule/made-jobs.ts";
import { World } from "../schedule/world.ts";

const DAY_MS = 86_400_000;
const DAYS = Number(process.env.BATCHPREDICT_LONG_DAYS ?? 366);
const JOBS = 200;

it(
  `keeps its laws for ${DAYS} days of ${JOBS} jobs`,
  () => {
    const seed = Number(process.env.BATCHPREDICT_LONG_SEED ?? 2026);
    const random = dice(seed);
    const jobs = madeJobs(JOBS, random);
    const edited = [madeJobs(JOBS, random), madeJobs(JOBS, random), jobs];
    const startMs = Date.UTC(2026, 0, 1);
    const world = new World({ startMs, jobs, edited, random, trouble: 0.05 });
    try {
      while (world.wallMs < startMs + DAYS * DAY_MS) world.do(madeCommand(random));
      world.settle();
      console.log(`seed ${seed}: ${JSON.stringify(world.figures)}`);
      expect(world.figures.published).toBeGreaterThan(DAYS * 50);
    } finally {
      world.remove();
    }
    // Minutes where it has a core to itself; without a word in between, so a busy machine must not end it.
  },
  8 * 3_600_000,
);

it("ticks over 1,000 jobs", () => {
  const bench = new Bench(Date.UTC(2026, 0, 1));
  try {
    bench.definitions = madeJobs(1_000, dice(1));
    bench.tick();
    const idle: number[] = [];
    const busy: number[] = [];
    for (let at = bench.nowMs; at < Date.UTC(2026, 0, 4); at += 20 * 60_000) {
      bench.nowMs = at;
      const began = process.cpuUsage();
      const state = bench.ledger.state(bench.look, at);
      const actions = plan(bench.definitions, state, at, { random: () => 0.5, maxActive: 4 });
      const { claimed } = bench.ledger.apply(actions, { owner: bench.owner, nowMs: at });
      const { user, system } = process.cpuUsage(began);
      (actions.length > 0 ? busy : idle).push((user + system) / 1000);
      for (const { run, fence } of claimed)
        bench.succeed(bench.begin({ claimed: [{ run, fence }], stop: [], kill: [], stale: 0 }).fence);
    }
    const told = (times: number[]): string => {
      times.sort((a, b) => a - b);
      return `${times.length} ticks, CPU time median ${times[times.length >> 1]?.toFixed(1)} ms, longest ${times.at(-1)?.toFixed(1)} ms`;
    };
    console.log(`1,000 jobs: idle ${told(idle)}; with work ${told(busy)}`);
    expect(idle.length + busy.length).toBeGreaterThan(200);
    // CPU time, so that a busy machine does not count; the median, because the first ticks compile.
    expect([...idle, ...busy].sort((a, b) => a - b)[(idle.length + busy.length) >> 1]).toBeLessThan(50);
  } finally {
    bench.remove();
  }
});
