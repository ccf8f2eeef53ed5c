import { defineConfig } from "vitest/config";
import ModelTable from "./model-table.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/long/**"],
    // Workers and the command line run from dist, so it is built once before the first test.
    globalSetup: ["test/build-once.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    maxWorkers: 2,
    // Last, what became of every real model, by exporter and by feature; `npm run test:models` runs their walks alone.
    reporters: ["default", ...(process.env.GITHUB_ACTIONS === "true" ? ["github-actions"] : []), new ModelTable()],
    // Of tests that start processes and say so themselves.
    maxConcurrency: 2,
  },
});
