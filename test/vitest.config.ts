import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { ENVIRONMENT } from "./environment.ts";
import ModelTable from "./model-table.ts";

/** The longest files first: begun last, one of them would run alone on one of two cores for minutes. */
const LONGEST = [
  "crash/failpoints",
  "crash/random-kills",
  "conformance/models",
  "conformance/formats",
  "cli/killed",
  "sources/csv/kernel",
  "conformance/scenarios",
  "sources/parquet/quick",
  "cli/runs",
  "cli/signals",
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/long/**"],
    // Workers and the command line run from dist, so it is built once before the first test.
    globalSetup: ["test/build-once.ts"],
    env: ENVIRONMENT,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // Last, what became of every real model, by exporter and by feature; `npm run test:models` runs their walks alone.
    reporters: ["default", ...(process.env.GITHUB_ACTIONS === "true" ? ["github-actions"] : []), new ModelTable()],
    // Of tests that start processes and say so themselves.
    maxConcurrency: 2,
  },
});
