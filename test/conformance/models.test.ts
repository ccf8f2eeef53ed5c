/**
 * Every real model that is here, on its data, compared with what Python's ONNX Runtime gave: `init` writes a job, which is run unedited.
 * Where `init` binds otherwise than the catalogue says, or leaves something to fill in, the model is run by the catalogue's words as well.
 * All in this process, which spares two starts of the binary per model; a sample of every kind goes through the binary too.
 */
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeHost } from "../../src/cli/node-host.ts";
import { readJob } from "../../src/config/read-job.ts";
import { resolveRun } from "../../src/config/resolve.ts";
import { joinList } from "../../src/config/split-list.ts";
import type { RunSummary } from "../../src/core/events.ts";
import type { ResolvedRun } from "../../src/core/settings.ts";
import { type InitReport, initJob } from "../../src/init/init-job.ts";
import { runResolved } from "../../src/run/run.ts";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { foldersOf } from "../corpora.ts";
import type { ModelResult } from "../model-table.ts";
import { readParquet } from "../parquet.ts";
import { type About, bindFlags, exporterOf, featuresOf, isLoadable, modelEnv, readAbout } from "./about.ts";
import { flat, valuesDiffer } from "./compare.ts";

const MIN_INIT_SHARE = 0.8;
const signal = new AbortController().signal;

interface Model {
  name: string;
  folder: string;
  about: About;
  file: string;
  data: string;
}

const all = foldersOf("models").map(({ name, folder }): Model => {
  const about = readAbout(folder);
  const file = path.join(folder, about.model_file ?? "model.onnx");
  return { name, folder, about, file, data: path.join(folder, "input.csv") };
});
const loadable = all.filter(({ about }) => isLoadable(about));
const runnable = loadable.filter(({ about }) => about.runnable);
const aside = loadable.filter(({ about }) => !about.runnable);

/** One of each kind of model file and of call. */
const THROUGH_BINARY = [
  "bool_and_fixed2x2",
  "extdata_two_files",
  "fp32_in_fp16_out",
  "mlnet_multiclass_uint32",
  "overridable_initializer",
  "text_newsgroups_2cols_zipmap",
  "voting_string_label_zipmap_ort_format",
];

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
  // The locale is read when the first text model is loaded.
  for (const { about } of loadable) Object.assign(process.env, modelEnv(about));
});
afterAll(() => dir.remove());

const resultOf = ({ name, about }: Model, result: string): ModelResult => ({
  from: "models",
  name,
  exporter: exporterOf(about),
  features: featuresOf(about),
  result,
});

const initWords = new Map<string, string>();

describe("runnable models: init, then run, gives the expected predictions", () => {
  for (const model of runnable) {
    it(model.name, async ({ task }) => {
      task.meta.model = resultOf(model, "equal");
      const output = dir.file(`${model.name}.parquet`);
      const { report, resolved } = await initialised(model, output);
      let differs: string | null = null;
      if (report.runnable) {
        const summary = await run(resolved);
        expect(summary.error).toBeUndefined();
        differs = await compareWithExpected(model, output);
        // A guess by order may be wrong; then the file must have said so.
        if (differs !== null) expect(report.inputs.some(({ check }) => check)).toBe(true);
      } else {
        // What is not ready says what is missing, in the file and in the refusal.
        expect(report.open.map(({ question }) => question).join() || report.error?.message).not.toBe("");
        expect((await run(resolved)).error?.code).toMatch(/^BP_/);
      }
      initWords.set(model.name, wordFor(report, differs));
      if (boundAsCatalogued(report, model.about)) {
        expect(differs).toBeNull();
        return;
      }
      const bound = dir.file(`${model.name}-bound.parquet`);
      const summary = await run(resolveRun({ ...boundBy(model.about), ...plain(model, bound) }, null, {}, dir.path));
      expect(summary.error).toBeUndefined();
      expect(await compareWithExpected(model, bound)).toBeNull();
    });
  }

  it(`the job of init works unedited for at least ${MIN_INIT_SHARE * 100} %`, () => {
    const good = [...initWords.values()].filter((word) => word === "yes").length;
    const rest = [...initWords].filter(([, word]) => word !== "yes").map(([name, word]) => `  ${name}: ${word}`);
    const share = good / runnable.length;
    console.info(`init, then run: ${good} of ${runnable.length} models (${(100 * share).toFixed(0)} %)\n${rest.join("\n")}`);
    expect(share).toBeGreaterThanOrEqual(MIN_INIT_SHARE);
  });
});

describe.concurrent("through the binary", () => {
  for (const model of runnable.filter(({ name }) => THROUGH_BINARY.includes(name))) {
    it(model.name, async () => {
      const output = dir.file(`${model.name}-binary.parquet`);
      const finished = await batchpredict(
        ["run", "-m", model.file, "-i", model.data, ...bindFlags(model.about), "--keep", "none", "-o", output, "--json"],
        { env: modelEnv(model.about) },
      );
      expect(finished.stderr).not.toContain("error BP_");
      expect(finished.code).toBe(0);
      expect(await compareWithExpected(model, output)).toBeNull();
    });
  }
});

describe("models that do not follow their rows", () => {
  for (const model of aside) {
    const neighbours = model.about.why_not?.includes("depend on the rows around") ?? false;
    it(`${model.name} is ${neighbours ? "named for it" : "refused before anything is written"}`, async ({ task }) => {
      const output = dir.file(`${model.name}.parquet`);
      task.meta.model = resultOf(
        model,
        neighbours ? "run, and named: rows depend on their neighbours" : "refused: BP_MODEL_ROWS",
      );
      const finished = await batchpredict(
        ["run", "-m", model.file, "-i", model.data, ...bindFlags(model.about), "-o", output, "--json"],
        { env: modelEnv(model.about) },
      );
      if (neighbours) {
        expect(finished.stderr).toContain("change with the rows around it");
        expect(finished.code).toBe(0);
        return;
      }
      expect(finished.stderr).toMatch(/error BP_MODEL_ROWS[\s\S]*expected: shape \[[\s\S]*actual: shape \[/);
      expect(finished.code).toBe(2);
    });
  }
});

async function initialised(model: Model, output: string): Promise<{ report: InitReport; resolved: ResolvedRun }> {
  const host = { ...nodeHost(), cwd: dir.path };
  const jobFile = dir.file(`jobs/${model.name}.yaml`);
  const request = { model: model.file, inputs: [model.data], inputFormat: null, csv: {}, jobFile, output, force: false };
  const report = await initJob(request, host, signal);
  const job = readJob(jobFile, { jobsDir: dir.file("jobs"), cwd: dir.path, env: {}, now: host.date() });
  return { report, resolved: resolveRun({ keep: "none", workers: "1" }, job, {}, dir.path) };
}

function run(resolved: ResolvedRun): Promise<RunSummary> {
  return runResolved(resolved, { ...nodeHost(), cwd: dir.path }, { signal, onEvent: () => {} });
}

function plain(model: Model, output: string): Record<string, string | string[]> {
  return { model: model.file, input: [model.data], output, keep: "none", workers: "1" };
}

function boundBy({ inputs }: About): { bind: string[]; shape: string[] } {
  const wide = inputs.filter(({ row_shape }) => row_shape.length > 1);
  return {
    bind: inputs.map(({ name, columns }) => `${name}=${joinList(columns)}`),
    shape: wide.map(({ name, row_shape }) => `${name}=${row_shape.join("x")}`),
  };
}

function boundAsCatalogued({ runnable: ready, inputs }: InitReport, about: About): boolean {
  const columnsOf = (name: string): string | undefined => inputs.find(({ input }) => input === name)?.columns.join("\n");
  return ready && about.inputs.every(({ name, columns }) => columnsOf(name) === columns.join("\n"));
}

function wordFor({ runnable: ready, error, open }: InitReport, differs: string | null): string {
  if (!ready) return `no: ${error?.code ?? open.map(({ input }) => `fill in ${input}`).join(", ")}`;
  return differs === null ? "yes" : `another binding, marked to be checked: ${differs}`;
}

async function compareWithExpected({ folder, about }: Model, output: string): Promise<string | null> {
  const got = await readParquet(output);
  const expected = await readParquet(path.join(folder, "expected.parquet"));
  if (got.length !== expected.length) return `${got.length} rows for ${expected.length}`;
  const disorder = got.findIndex((row, at) => Number(row.row) !== at);
  if (disorder >= 0) return `row ${got[disorder]!.row} at place ${disorder}`;
  // Nothing is kept, so every column but `row` is a prediction: NAME, or NAME_0 .., or NAME_LABEL ..
  const names = about.outputs.map(({ name }) => name);
  for (const name of names) {
    const columns = Object.keys(got[0] ?? {}).filter(
      (column) => column === name || (column.startsWith(`${name}_`) && !names.includes(column)),
    );
    for (const [row, wanted] of expected.entries()) {
      const values = columns.flatMap((column) => flat(got[row]![column]));
      const differs = valuesDiffer(values, flat(wanted[name]));
      if (differs !== null) return `${name} row ${row}, ${differs}`;
    }
  }
  return null;
}
