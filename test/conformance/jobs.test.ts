/** The shipped jobs, run by name as a newcomer would, in a copy of the layout they ship in; what comes out is what is expected of their models. */
import { cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunSummary } from "../../src/core/events.ts";
import { batchpredict, type Workdir, workdir } from "../cli/batchpredict.ts";
import { FIXTURES, ROOT } from "../corpora.ts";
import { parquetKeyValues, readParquet } from "../parquet.ts";
import { flat, valuesDiffer } from "./compare.ts";

type Row = Record<string, unknown>;

const expectedOf = (scenario: string): Promise<Row[]> =>
  readParquet(path.join(FIXTURES, "scenarios", scenario, "expected.parquet"));
const JOBS = readdirSync(path.join(ROOT, "jobs"), { recursive: true, encoding: "utf8" }).filter((name) => /\.ya?ml$/.test(name));

let dir: Workdir;
beforeAll(() => {
  dir = workdir();
  cpSync(path.join(ROOT, "jobs"), dir.file("jobs"), { recursive: true });
  for (const part of ["scenarios", "models"])
    cpSync(path.join(FIXTURES, part), dir.file(`fixtures/${part}`), { recursive: true });
});
afterAll(() => dir.remove());

async function runJob(name: string, ...flags: string[]): Promise<RunSummary> {
  const finished = await batchpredict(["run", name, ...flags, "--json"], { cwd: dir.path });
  expect(finished.stderr).not.toContain("error BP_");
  expect(finished.code).toBe(0);
  return finished.json<RunSummary>();
}

function readTable(file: string, table: string): Row[] {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare(`SELECT * FROM "${table}" ORDER BY rowid`).all() as Row[];
  } finally {
    db.close();
  }
}

async function checkIncome(rows: Row[]): Promise<void> {
  const expected = await expectedOf("1_adult_income_lightgbm");
  const header = readFileSync(path.join(FIXTURES, "scenarios/1_adult_income_lightgbm/input.csv"), "utf8")
    .split(/\r?\n/, 1)[0]!
    .split(",");
  const kept = ["row_id", "IsOver50K"].sort((a, b) => header.indexOf(a) - header.indexOf(b));
  expect(rows.length).toBe(expected.length);
  const [first] = rows;
  const probabilities = Object.keys(first!).filter((name) => name.startsWith("probabilities_"));
  expect(probabilities).toHaveLength(2);
  expect(Object.keys(first!)).toEqual([...kept, "label", ...probabilities]);
  for (const [at, wanted] of expected.entries()) {
    const row = rows[at]!;
    expect(`${row.row_id} ${row.label}`).toBe(`${wanted.row_id} ${wanted.label}`);
    const difference = valuesDiffer(
      probabilities.map((name) => row[name]),
      flat(wanted.probabilities),
    );
    if (difference !== null) expect.fail(`row ${at}: ${difference}`);
  }
}

async function checkCo2(rows: Row[]): Promise<void> {
  const expected = await expectedOf("2b_weekly_co2_lstm_rank3");
  expect(rows.length).toBe(expected.length);
  expect(Object.keys(rows[0]!)).toEqual(["week", "ppm_0", "ppm_1", "ppm_2", "ppm_3"]);
  for (const [at, wanted] of expected.entries()) {
    const row = rows[at]!;
    expect(row.week).toBe(wanted.week);
    const difference = valuesDiffer([row.ppm_0, row.ppm_1, row.ppm_2, row.ppm_3], flat(wanted.ppm));
    if (difference !== null) expect.fail(`row ${at}: ${difference}`);
  }
}

describe("income-risk-daily", () => {
  it("fills the table the job names, in its own database, and again without doubling it", async () => {
    const file = dir.file("predictions/income-risk.db");
    for (let turn = 0; turn < 2; turn++) {
      const summary = await runJob("income-risk-daily");
      expect(summary).toMatchObject({ job: "income-risk-daily", rows: { read: 2000, predicted: 2000, rejected: 0 } });
      expect(summary.output).toMatchObject({ path: file, format: "sqlite" });
      await checkIncome(readTable(file, "income_risk"));
    }
    expect(readTable(file, "_batchpredict_runs")).toHaveLength(2);
  });

  it("goes where --output says", async () => {
    const file = dir.file("elsewhere/scores.parquet");
    mkdirSync(dir.file("elsewhere"));
    await runJob("income-risk-daily", "--output", "elsewhere/scores.parquet");
    const rows = await readParquet(file);
    await checkIncome(rows);
  });

  it("reads the data that FIXTURES_DIR points to", async () => {
    const output = dir.file("moved.parquet");
    const finished = await batchpredict(["run", path.join(ROOT, "jobs/income-risk-daily.yaml"), "-o", output, "--json"], {
      cwd: dir.path,
      env: { FIXTURES_DIR: dir.file("fixtures") },
    });
    expect(finished.code).toBe(0);
    expect(parquetKeyValues(output).batchpredict).toContain(dir.file("fixtures/scenarios"));
    await checkIncome(await readParquet(output));
  });
});

describe("co2-forecast-weekly", () => {
  it("exchanges its Parquet file", async () => {
    const file = dir.file("predictions/co2-forecast.parquet");
    for (let turn = 0; turn < 2; turn++) {
      const summary = await runJob("co2-forecast-weekly");
      expect(summary).toMatchObject({ job: "co2-forecast-weekly", rows: { read: 520, predicted: 520, rejected: 0 } });
      expect(summary.output).toMatchObject({ path: file, format: "parquet" });
      await checkCo2(await readParquet(file));
      const record = JSON.parse(parquetKeyValues(file).batchpredict!) as { run_id: string };
      expect(record.run_id).toBe(summary.run_id);
    }
  });

  it("reads the same windows from CSV", async () => {
    const input = dir.file("fixtures/scenarios/2b_weekly_co2_lstm_rank3/input.csv");
    await runJob("co2-forecast-weekly", "-i", input, "-o", dir.file("from-csv.db"));
    await checkCo2(readTable(dir.file("from-csv.db"), "predictions"));
  });
});

it("every shipped job is tested here", () => {
  expect(JOBS.sort()).toEqual(["co2-forecast-weekly.yaml", "income-risk-daily.yaml"]);
});
