/** `jobs validate`, `list`, `show`, `next`: what can be known without running anything. */
import { existsSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ROOT } from "../corpora.ts";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { prepareJobs, writeJob } from "./job-files.ts";

let dir: Workdir;
beforeEach(() => {
  dir = workdir();
  prepareJobs(dir);
});
afterEach(() => dir.remove());

const jobs = (...args: string[]) => batchpredict(["jobs", ...args], { cwd: dir.path });

describe("jobs validate", () => {
  it("passes the jobs that are shipped", async () => {
    const { code, stderr } = await batchpredict(["jobs", "validate"], { cwd: ROOT });
    expect(code).toBe(0);
    expect(stderr).toContain("valid: 2 jobs (co2-forecast-weekly, income-risk-daily)");
  });

  it("tells every problem of every file at once, with line numbers", async () => {
    writeJob(dir, "good", ['schedule: {daily: "02:30"}']);
    writeJob(dir, "bad-time", ['schedule: {daily: "25:00"}', "timezone: Europe/Berlni", "catchup: sometimes"]);
    writeJob(dir, "bad-key", ["shedule: {daily: 1}"]);
    writeJob(dir, "contradiction", [], { output: "{path: ../out/x.xlsx}" });
    writeFileSync(dir.file("jobs/broken.yaml"), "version: 1\nname: [\n");
    const { code, stderr, stdout } = await jobs("validate");
    expect(code).toBe(2);
    expect(stdout).toBe("");
    for (const [words, place] of [
      ['"25:00" is no time of day', "bad-time.yaml line 7"],
      ['"Europe/Berlni" is an unknown time zone', "bad-time.yaml line 8"],
      ['"sometimes" is not one of the choices', "bad-time.yaml line 9"],
      ['unknown key "shedule"', "bad-key.yaml line 7"],
      ["unknown extension .xlsx", "contradiction.yaml"],
      ["no YAML", "broken.yaml line"],
    ]) {
      expect(stderr).toContain(words);
      expect(stderr).toContain(place);
    }
    expect(stderr).toContain("did you mean schedule?");
    expect(stderr).not.toContain("good.yaml");
  });

  it("tells the same to programs", async () => {
    writeJob(dir, "good", []);
    writeJob(dir, "bad", ["catchup: sometimes"]);
    const { code, json } = await jobs("validate", "--json", "--quiet");
    expect(code).toBe(2);
    const found = json<{ valid: boolean; jobs: { name: string }[]; errors: { code: string; where: object }[] }>();
    expect(found.valid).toBe(false);
    expect(found.jobs.map(({ name }) => name)).toEqual(["good"]);
    expect(found.errors).toMatchObject([{ code: "BP_JOB_FILE", where: { line: 7 } }]);
  });

  it("refuses one name in two files, in both", async () => {
    writeJob(dir, "one", []);
    writeJob(dir, "two", [], { name: "one" });
    const { code, stderr } = await jobs("validate");
    expect(code).toBe(2);
    expect(stderr.match(/the name "one" is also that of/g)).toHaveLength(2);
  });

  it("warns of what may be right on another machine", async () => {
    writeJob(dir, "elsewhere", [], { model: '{path: "${MODEL_OF_ANOTHER_MACHINE}/model.onnx"}' });
    writeJob(dir, "later", [], { model: "{path: ../not-yet.onnx}" });
    const { code, stderr } = await jobs("validate");
    expect(code).toBe(0);
    expect(stderr).toContain("environment variable MODEL_OF_ANOTHER_MACHINE is not set");
    expect(stderr).toContain("the model is not there yet");
    expect(stderr).toContain("valid: 2 jobs");
  });

  it("says so when the folder holds no job", async () => {
    const { code, stderr } = await jobs("validate", "--jobs-dir", "nowhere");
    expect(code).toBe(0);
    expect(stderr).toContain("has no job files");
  });
});

describe("jobs list and show", () => {
  it("list jobs with their schedule and next slot, and the problems of the others", async () => {
    writeJob(dir, "nightly", ['schedule: {daily: "02:30"}', "timezone: Europe/Berlin"]);
    writeJob(dir, "by-hand", []);
    writeJob(dir, "bad", ["catchup: sometimes"]);
    const { code, json, stderr } = await jobs("list", "--json");
    expect(code).toBe(2);
    expect(stderr).toContain("bad.yaml");
    expect(json()).toMatchObject([
      { job: "by-hand", schedule: "by hand only", next: null, last: null, paused: false },
      {
        job: "nightly",
        schedule: "every day at 02:30",
        timezone: "Europe/Berlin",
        next_local: expect.stringMatching(/T02:30:00\+0[12]:00$/),
      },
    ]);
  });

  it("show one job in words", async () => {
    writeJob(dir, "weekly", [
      "schedule: {weekly: {on: [mon, thu], at: '06:00'}}",
      "expect: {by: '07:00', minRows: 10}",
      "retries: {max: 2}",
    ]);
    const { code, stdout } = await jobs("show", "weekly");
    expect(code).toBe(0);
    expect(stdout).toMatch(/schedule +every Monday and Thursday at 06:00 \(UTC\)/);
    expect(stdout).toMatch(/expect +done by 07:00, at least 10 rows/);
    expect(stdout).toMatch(/retries +up to 2/);
  });

  it("leave no state folder behind", async () => {
    writeJob(dir, "nightly", ['schedule: {daily: "02:30"}']);
    for (const args of [["list"], ["show", "nightly"], ["next", "nightly"], ["history", "nightly"], ["gaps"]]) {
      expect((await jobs(...args)).code, args.join(" ")).toBe(0);
    }
    expect(existsSync(dir.file(".batchpredict"))).toBe(false);
  });

  it("name the job that was meant", async () => {
    writeJob(dir, "nightly", []);
    const { code, stderr } = await jobs("show", "nigthly");
    expect(code).toBe(2);
    expect(stderr).toContain("did you mean nightly?");
  });
});

describe("jobs next", () => {
  it("gives slots local and in UTC, and notes what daylight saving does", async () => {
    writeJob(dir, "nightly", ['schedule: {daily: "02:30"}', "timezone: America/New_York"]);
    const { code, json } = await jobs("next", "nightly", "-n", "3", "--from", "2026-03-07T00:00:00Z", "--json");
    expect(code).toBe(0);
    expect(json()).toEqual([
      { job: "nightly", logical_date: "2026-03-07", local: "2026-03-07T02:30:00-05:00", utc: "2026-03-07T07:30:00Z", note: null },
      {
        job: "nightly",
        logical_date: "2026-03-08",
        local: "2026-03-08T03:00:00-04:00",
        utc: "2026-03-08T07:00:00Z",
        note: expect.stringContaining("go forward"),
      },
      { job: "nightly", logical_date: "2026-03-09", local: "2026-03-09T02:30:00-04:00", utc: "2026-03-09T06:30:00Z", note: null },
    ]);
    const { stdout } = await jobs("next", "nightly", "-n", "2", "--from", "2026-10-31");
    expect(stdout).toMatch(/2026-11-01 +2026-11-01T01:30|2026-11-01 +2026-11-01T02:30/);
  });

  it("refuses counts and instants that are none", async () => {
    writeJob(dir, "nightly", ['schedule: {daily: "02:30"}']);
    expect(await jobs("next", "nightly", "-n", "0")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('-n: "0" is no count'),
    });
    expect(await jobs("next", "nightly", "--from", "yesterday")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"yesterday" is no instant'),
    });
  });
});
