import { defineConfig } from "vitest/config";
import { ENVIRONMENT } from "./environment.ts";

/** Runs of minutes, apart from `npm test`: npm run test:long. BATCHPREDICT_LONG_ROWS=200000 shrinks them. */
export default defineConfig({
  test: {
    include: ["test/long/**/*.test.ts"],
    globalSetup: ["test/build-once.ts"],
    env: ENVIRONMENT,
    testTimeout: 30 * 60_000,
    hookTimeout: 30 * 60_000,
    pool: "forks",
    // Peak memory and the disk are looked at: one at a time.
    maxWorkers: 1,
    fileParallelism: false,
  },
});
