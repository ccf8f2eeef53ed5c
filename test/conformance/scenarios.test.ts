/** Real models on real data, end to end through the binary, from every input file a scenario has. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunSummary } from "../../src/core/events.ts";
import type { PlanReport } from "../../src/run/plan-report.ts";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { FIXTURES, material, readJson } from "../corpora.ts";
import { readParquet } from "../parquet.ts";
import { type About, exporterOf, featuresOf } from "./about.ts";
import { flat, valuesDiffer } from "./compare.ts";

interface Scenario {
  folder: string;
  /** Folder of its data, where that is another's. */
  data?: string;
  /** What a user has to say beyond model and data. */
  flags: string[];
  /** Columns that tell the rows apart, in expected.parquet too. */
  keep: string[];
  rows: Record<string, number>;
}

const MONTHLY = {
  // Inputs "series_id" and "month" are columns of that name; "history" is what is left.
  flags: ["--features", "lag_23..lag_00"],
  keep: ["series", "cutoff_month"],
  rows: { material: 741 },
};

const SCENARIOS: Scenario[] = [
  // 14 inputs called like the columns: nothing to bind.
  { folder: "1_adult_income_lightgbm", flags: [], keep: ["row_id"], rows: { fixtures: 2000, material: 6513 } },
  { folder: "2_monthly_sales_forecast_torch", ...MONTHLY },
  { folder: "2_monthly_sales_forecast_torch_extdata", data: "2_monthly_sales_forecast_torch", ...MONTHLY },
  {
    folder: "2b_weekly_co2_lstm_rank3",
    flags: ["--bind", "window=w00_d..w51_m", "--shape", "window=52x2"],
    keep: ["week"],
    rows: { fixtures: 520, material: 2232 },
  },
];

const roots = Object.entries({ fixtures: FIXTURES, material: material("scenarios") }).filter((root) => root[1] !== null) as [
  string,
  string,
][];

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
});
afterAll(() => dir.remove());

for (const [rootName, root] of roots) {
  for (const { folder, data = folder, flags, keep, rows } of SCENARIOS) {
    const home = path.join(root, "scenarios", data);
    if (!existsSync(path.join(root, "scenarios", folder))) continue;
    const inputs = readdirSync(home).filter((name) => name.startsWith("input."));
    describe(`${folder} (${rootName})`, () => {
      it.for(inputs)("%s", async (input, { task }) => {
        const model = path.join(root, "scenarios", folder, "model.onnx");
        const given = ["-m", model, "-i", path.join(home, input), ...flags, "--keep", keep.join(",")];
        const about = readJson<About>(path.join(home, "about.json"));
        if (input === inputs[0]) {
          const external = folder.endsWith("extdata") ? ["external data"] : [];
          const features = [...featuresOf(about), ...external, `scenario from ${path.basename(root)}`];
          task.meta.model = { from: "scenarios", name: folder, exporter: exporterOf(about), features, result: "equal" };
        }
        const planned = await batchpredict(["plan", ...given, "--json"]);
        expect(planned.stderr).not.toContain("error BP_");
        const plan = planned.json<PlanReport>();
        expect(plan.outputs.map((output) => output.name)).toEqual(about.outputs.map((output) => output.name));

        const output = dir.file(`${rootName}-${folder}-${input}.parquet`);
        const finished = await batchpredict(["run", ...given, "-o", output, "--json"]);
        expect(finished.stderr).not.toContain("error BP_");
        expect(finished.code).toBe(0);
        const count = rows[rootName]!;
        expect(finished.json<RunSummary>().rows).toEqual({ read: count, predicted: count, rejected: 0 });

        const got = await readParquet(output);
        const expected = await readParquet(path.join(home, "expected.parquet"));
        expect(got.length).toBe(count);
        expect(expected.length).toBe(count);
        expect(Object.keys(got[0]!)).toEqual([...keep, ...plan.outputs.flatMap((planned) => planned.columns)]);
        for (const [row, wanted] of expected.entries()) {
          for (const column of keep) expect(`${row} ${got[row]![column]}`).toBe(`${row} ${wanted[column]}`);
          for (const { name, columns } of plan.outputs) {
            const values = columns.flatMap((column) => flat(got[row]![column]));
            const difference = valuesDiffer(values, flat(wanted[name]));
            if (difference !== null) expect.fail(`row ${row}, output ${name}: ${difference}`);
          }
        }
      });
    });
  }
}

it("finds the scenarios it is about", () => {
  expect(readdirSync(path.join(FIXTURES, "scenarios")).every((name) => SCENARIOS.some(({ folder }) => folder === name))).toBe(
    true,
  );
  const all = material("scenarios");
  if (all !== null) expect(readdirSync(path.join(all, "scenarios")).sort()).toEqual(SCENARIOS.map(({ folder }) => folder).sort());
});
