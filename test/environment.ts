/**
 * What a pipeline's environment says to batchpredict, unsaid for tests: with `CI=true` a run's trigger is "ci" and a step summary is written. A test of
 * these says them itself. The zone and BATCHPREDICT_KERNEL stay: under each value every test must pass.
 */
export const ENVIRONMENT = { CI: "", GITHUB_STEP_SUMMARY: "", GITHUB_ACTIONS: "", BATCHPREDICT_STATE_DIR: "" };
