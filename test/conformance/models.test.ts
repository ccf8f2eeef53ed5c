/** Every real model that is here: run on its data, compared with what Python's ONNX Runtime gave. */
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PlanReport } from "../../src/run/plan-report.ts";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { foldersOf } from "../corpora.ts";
import { readParquet } from "../parquet.ts";
import { type About, bindFlags, isLoadable, modelEnv, readAbout } from "./about.ts";

/** The catalogue's tolerance: relative, |y| < 1 counted as 1. Labels and integers are compared exactly. */
const TOLERANCE = 1e-4;

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
});
afterAll(() => {
  console.info(resultTable());
  dir.remove();
});

/** What became of each model: "equal" or the code of its refusal. */
const results: { about: About; result: string }[] = [];

/** The results by the tool that made the model, and by feature. */
function resultTable(): string {
  const count = (groupsOf: (about: About) => string[]): string[] => {
    const groups = new Map<string, Map<string, number>>();
    for (const { about, result } of results) {
      for (const group of groupsOf(about)) {
        const counts = groups.get(group) ?? new Map<string, number>();
        groups.set(group, counts.set(result, (counts.get(result) ?? 0) + 1));
      }
    }
    const line = ([group, counts]: [string, Map<string, number>]): string =>
      `  ${group.padEnd(32)} ${[...counts].map(([result, many]) => `${many} ${result}`).join(", ")}`;
    return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(line);
  };
  const exporter = ({ producer }: About): string[] => [producer?.replace(/[ :]*v?\d[\w.+-]*$/, "") || "unnamed tool"];
  const byExporter = count(exporter);
  const byFeature = count(({ tags }) => tags ?? []);
  return `${results.length} models by exporter\n${byExporter.join("\n")}\nand by feature\n${byFeature.join("\n")}`;
}

describe.concurrent("runnable models give the expected predictions", () => {
  for (const { name, folder } of foldersOf("models")) {
    const about = readAbout(folder);
    if (!about.runnable || !isLoadable(about)) continue;
    it(name, async () => {
      const data = [
        "-m",
        path.join(folder, about.model_file ?? "model.onnx"),
        "-i",
        path.join(folder, "input.csv"),
        ...bindFlags(about),
      ];
      const env = modelEnv(about);
      const planned = await batchpredict(["plan", ...data, "--keep", "none", "--json"], { env });
      expect(planned.stderr).toBe("");
      const plan = planned.json<PlanReport>();
      expect(plan.inputs.map((input) => input.name)).toEqual(about.inputs.map((input) => input.name));
      for (const input of plan.inputs) expect(input.origin).toBe("--bind");

      const output = dir.file(`${name}.parquet`);
      const finished = await batchpredict(["run", ...data, "--keep", "none", "-o", output, "--json"], { env });
      expect(finished.stderr).not.toContain("error BP_");
      expect(finished.code).toBe(0);
      const got = await readParquet(output);
      const expected = await readParquet(path.join(folder, "expected.parquet"));
      expect(got.length).toBe(expected.length);
      expect(got.map((row) => Number(row.row))).toEqual(expected.map((_, row) => row));
      for (const { name: outputName } of about.outputs) {
        const columns = plan.outputs.find((known) => known.name === outputName)!.columns;
        for (const [row, wanted] of expected.entries()) {
          compare(
            columns.flatMap((column) => flat(got[row]![column])),
            flat(wanted[outputName]),
            `${outputName} row ${row}`,
          );
        }
      }
      results.push({ about, result: "equal" });
    });
  }
});

const unaligned = foldersOf("models")
  .map(({ name, folder }) => ({ name, folder, about: readAbout(folder) }))
  .filter(({ about }) => !about.runnable && isLoadable(about) && !about.why_not?.includes("depend on the rows around"));

describe.runIf(unaligned.length > 0)(
  "models that cannot follow the rows are refused before anything is written",
  { concurrent: true },
  () => {
    for (const { name, folder, about } of unaligned) {
      it(name, async () => {
        const output = dir.file(`${name}.parquet`);
        const data = ["-m", path.join(folder, "model.onnx"), "-i", path.join(folder, "input.csv"), ...bindFlags(about)];
        const finished = await batchpredict(["run", ...data, "-o", output, "--json"], { env: modelEnv(about) });
        expect(finished.stderr).toContain("error BP_MODEL_ROWS");
        expect(finished.code).toBe(2);
        results.push({ about, result: "refused with BP_MODEL_ROWS" });
      });
    }
  },
);

function flat(value: unknown): unknown[] {
  return Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as unknown[]).flatMap(flat) : [value];
}

function compare(got: unknown[], expected: unknown[], where: string): void {
  if (got.length !== expected.length) throw new Error(`${where}: ${got.length} values for ${expected.length}`);
  expected.forEach((wanted, at) => {
    if (!same(got[at], wanted)) throw new Error(`${where}, value ${at}: got ${String(got[at])}, expected ${String(wanted)}`);
  });
}

function same(got: unknown, wanted: unknown): boolean {
  if (typeof wanted === "number" && !Number.isInteger(wanted)) {
    if (Number.isNaN(wanted)) return Number.isNaN(got);
    if (!Number.isFinite(wanted)) return got === wanted;
    return Math.abs(Number(got) - wanted) <= TOLERANCE * Math.max(1, Math.abs(wanted));
  }
  if (typeof wanted === "number") return Math.abs(Number(got) - wanted) <= TOLERANCE * Math.max(1, Math.abs(wanted));
  if (typeof wanted === "bigint" || typeof got === "bigint") return String(got) === String(wanted);
  return got === wanted;
}
