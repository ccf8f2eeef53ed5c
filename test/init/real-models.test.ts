/** `init` on every runnable model that is here, then `run` of the file it wrote, unedited: how many work, and are they right? */
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeHost } from "../../src/cli/node-host.ts";
import { readJob } from "../../src/config/read-job.ts";
import { resolveRun } from "../../src/config/resolve.ts";
import { initJob } from "../../src/init/init-job.ts";
import { runResolved } from "../../src/run/run.ts";
import { type Workdir, workdir } from "../cli/batchpredict.ts";
import { type About, isLoadable, modelEnv, readAbout } from "../conformance/about.ts";
import { flat, valuesDiffer } from "../conformance/compare.ts";
import { foldersOf } from "../corpora.ts";
import { readParquet } from "../parquet.ts";

const MIN_SHARE = 0.8;
const signal = new AbortController().signal;
const models = foldersOf("models")
  .map(({ name, folder }) => ({ name, folder, about: readAbout(folder) }))
  .filter(({ about }) => about.runnable && isLoadable(about));
const worked = new Map<string, string>();

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
  // Text models need their locale; it is read when the first of them is loaded.
  for (const { about } of models) Object.assign(process.env, modelEnv(about));
});
afterAll(() => dir.remove());

describe("init, then run", () => {
  for (const { name, folder, about } of models) {
    it(name, async () => {
      const host = { ...nodeHost(), cwd: dir.path };
      const jobFile = dir.file(`jobs/${name}.yaml`);
      const report = await initJob(
        {
          model: path.join(folder, about.model_file ?? "model.onnx"),
          inputs: [path.join(folder, "input.csv")],
          inputFormat: null,
          csv: {},
          jobFile,
          output: dir.file(`${name}.parquet`),
          force: false,
        },
        host,
        signal,
      );
      const job = readJob(jobFile, { jobsDir: dir.file("jobs"), cwd: dir.path, env: {}, now: host.date() });
      const resolved = resolveRun({ keep: "none" }, job, {}, dir.path);
      if (!report.runnable) {
        // What is not ready says what is missing, in the file and in the refusal.
        expect(report.open.map(({ question }) => question).join() || report.error?.message).not.toBe("");
        const refused = await runResolved(resolved, host, { signal, onEvent: () => {} });
        expect(refused.error?.code).toMatch(/^BP_/);
        worked.set(name, `no: ${report.error?.code ?? report.open.map(({ input }) => `fill in ${input}`).join(", ")}`);
        return;
      }
      const summary = await runResolved(resolved, host, { signal, onEvent: () => {} });
      expect(summary.error).toBeUndefined();
      const differs = await compareWithExpected(folder, about, dir.file(`${name}.parquet`));
      worked.set(name, differs === null ? "yes" : `WRONG: ${differs}`);
      // A guess by order may be wrong; then the file must have said so.
      if (differs !== null) expect(report.inputs.some(({ check }) => check)).toBe(true);
    });
  }

  it(`works unedited for at least ${MIN_SHARE * 100} %, and rightly so`, () => {
    const good = [...worked.values()].filter((word) => word === "yes").length;
    const rest = [...worked].filter(([, word]) => word !== "yes").map(([name, word]) => `  ${name}: ${word}`);
    console.info(
      `init, then run: ${good} of ${models.length} models (${((100 * good) / models.length).toFixed(0)} %)\n${rest.join("\n")}`,
    );
    expect(good / models.length).toBeGreaterThanOrEqual(MIN_SHARE);
  });
});

async function compareWithExpected(folder: string, about: About, output: string): Promise<string | null> {
  const got = await readParquet(output);
  const expected = await readParquet(path.join(folder, "expected.parquet"));
  if (got.length !== expected.length) return `${got.length} rows for ${expected.length}`;
  for (const { name } of about.outputs) {
    // Nothing is kept, so every column but `row` is a prediction: NAME, or NAME_0 .., or NAME_LABEL ..
    const others = about.outputs.map((output) => output.name).filter((other) => other !== name);
    const columns = Object.keys(got[0] ?? {}).filter(
      (column) => column === name || (column.startsWith(`${name}_`) && !others.includes(column)),
    );
    for (const [row, wanted] of expected.entries()) {
      const differs = valuesDiffer(
        columns.flatMap((column) => flat(got[row]![column])),
        flat(wanted[name]),
      );
      if (differs !== null) return `${name} row ${row}, ${differs}`;
    }
  }
  return null;
}
