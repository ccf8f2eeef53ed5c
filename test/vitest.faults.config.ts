import { defineConfig } from "vitest/config";
import { ENVIRONMENT } from "./environment.ts";

/** Every fault on every format, the disk full at many points: npm run test:faults. A quarter of an hour. */
export default defineConfig({
  test: {
    include: ["test/faults/**/*.test.ts", "test/cli/full-disk.test.ts"],
    globalSetup: ["test/build-once.ts"],
    env: { ...ENVIRONMENT, BATCHPREDICT_FAULTS: process.env.BATCHPREDICT_FAULTS ?? "all" },
    testTimeout: 10 * 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    maxWorkers: 1,
  },
});
