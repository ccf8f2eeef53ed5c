/** What ships beside the code: the example jobs are valid and find their files, and every fixture says where it comes from. */
import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { listJobs } from "../../src/config/find-job.ts";
import { readJob } from "../../src/config/read-job.ts";
import { resolveRun } from "../../src/config/resolve.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const FIXTURES = path.join(ROOT, "fixtures");

describe("jobs/", () => {
  const jobs = listJobs(path.join(ROOT, "jobs"));
  const read = (name: string) => readJob(name, { jobsDir: "jobs", cwd: ROOT, env: {}, now: new Date("2026-11-21T12:00:00Z") });

  it("holds the two example jobs", () => {
    expect(jobs.map(({ name }) => name)).toEqual(["co2-forecast-weekly", "income-risk-daily"]);
  });

  it.each(jobs.map(({ name }) => name))("%s is valid, finds its files, and writes into predictions/", (name) => {
    const job = read(name);
    expect(job.job.schedule).toBeDefined();
    const { settings } = resolveRun({}, job, {}, ROOT);
    for (const file of [settings.model, ...settings.inputs]) expect(fs.existsSync(file), file).toBe(true);
    expect(path.dirname(settings.output)).toBe(path.join(ROOT, "predictions"));
    expect(settings.ifExists).toBe("replace");
  });

  it("moves the income job to other data by one variable", () => {
    const { job } = readJob("income-risk-daily", {
      jobsDir: "jobs",
      cwd: ROOT,
      env: { FIXTURES_DIR: "/data" },
      now: new Date(0),
    });
    expect(job.model.path).toBe("/data/scenarios/1_adult_income_lightgbm/model.onnx");
  });
});

describe("fixtures/", () => {
  const files = (fs.readdirSync(FIXTURES, { recursive: true, withFileTypes: true }) as fs.Dirent[])
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(FIXTURES, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .filter((file) => !["README.md", "LICENSES.md", "PROVENANCE.json", ".gitattributes"].includes(file))
    .sort();
  const provenance = JSON.parse(fs.readFileSync(path.join(FIXTURES, "PROVENANCE.json"), "utf8")).files as Record<
    string,
    { license?: string; repo?: string; made?: string }
  >;

  it("says of every file where it comes from, and of no other", () => {
    expect(Object.keys(provenance).sort()).toEqual(files);
    for (const [file, { repo, made }] of Object.entries(provenance)) expect(repo ?? made, file).toBeTruthy();
  });

  it("ships only under licenses that allow it", () => {
    const allowed = /^(MIT|Apache-2\.0|BSD-2-Clause|BSD-3-Clause|CC BY 4\.0|public domain)/;
    const others = Object.entries(provenance).filter(([, { license }]) => !allowed.test(license ?? ""));
    expect(others).toEqual([]);
    const notices = fs.readFileSync(path.join(FIXTURES, "LICENSES.md"), "utf8");
    for (const [file, { repo, license }] of Object.entries(provenance)) {
      if (repo !== undefined && /^(MIT|Apache|BSD)/.test(license ?? "")) expect(notices, file).toContain(`| ${repo} |`);
    }
  });

  it("stays under 5 MB", () => {
    const bytes = files.reduce((sum, file) => sum + fs.statSync(path.join(FIXTURES, file)).size, 0);
    expect(bytes).toBeLessThan(5_000_000);
  });

  it("lists every model in its catalogue", () => {
    const catalogue = fs.readFileSync(path.join(FIXTURES, "README.md"), "utf8");
    const names = ["models", "models_bad", "scenarios"].flatMap((folder) => fs.readdirSync(path.join(FIXTURES, folder)));
    expect(names.filter((name) => !catalogue.includes(`\`${name}\``))).toEqual([]);
  });
});
