import path from "node:path";

/**
 * What a pipeline's environment says to batchpredict, unsaid for tests: with `CI=true` a run's trigger is "ci" and a step summary is written. A test of
 * these says them itself. The zone and BATCHPREDICT_KERNEL stay: under each value every test must pass. Compiled code is kept inside of the
 * checkout, not in the home of whoever tests.
 */
export const ENVIRONMENT = {
  CI: "",
  GITHUB_STEP_SUMMARY: "",
  GITHUB_ACTIONS: "",
  BATCHPREDICT_STATE_DIR: "",
  BATCHPREDICT_CODE_CACHE: path.join(import.meta.dirname, "../node_modules/.cache/batchpredict"),
};
