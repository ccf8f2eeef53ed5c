import { defineConfig } from "vitest/config";
import { ENVIRONMENT } from "./environment.ts";

/** 500 random SIGKILLs per output over runs of 200,000 rows, every named failpoint on every output: npm run test:crash. An hour on two idle cores. */
export default defineConfig({
  test: {
    include: ["test/crash/**/*.test.ts"],
    globalSetup: ["test/build-once.ts"],
    env: { ...ENVIRONMENT, BATCHPREDICT_CRASH: process.env.BATCHPREDICT_CRASH ?? "500" },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: "forks",
    maxWorkers: 1,
    maxConcurrency: 2,
  },
});
