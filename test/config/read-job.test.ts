import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listJobs } from "../../src/config/find-job.ts";
import { type JobContext, readJob } from "../../src/config/read-job.ts";
import { BatchPredictError } from "../../src/core/errors.ts";

let cwd: string;
beforeEach(() => {
  cwd = fs.mkdtempSync(path.join(os.tmpdir(), "bp-job-"));
  fs.mkdirSync(path.join(cwd, "jobs"));
});
afterEach(() => fs.rmSync(cwd, { recursive: true, force: true }));

const context = (more: Partial<JobContext> = {}): JobContext => ({
  jobsDir: "jobs",
  cwd,
  env: {},
  now: new Date("2026-11-21T23:30:00Z"),
  ...more,
});

function write(file: string, text: string): string {
  fs.writeFileSync(path.join(cwd, "jobs", file), text);
  return `jobs/${file}`;
}

/** What a user would read: one line per message, its place and its mends. */
function report(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(BatchPredictError);
    const { code, message, details } = error as BatchPredictError;
    const lines = [`${code} ${message}${hints(details.hints)}`];
    for (const problem of details.problems ?? []) {
      lines.push(
        `${problem.where?.file}:${problem.where?.line ?? "?"} ${problem.message}${problem.expected ? ` [${problem.expected}]` : ""}${hints(problem.hints)}`,
      );
    }
    return lines;
  }
  throw new Error("no error");
}
const hints = (list: string[] | undefined): string => (list?.length ? ` -> ${list.join(" -> ")}` : "");

const GOOD = `version: 1
name: store-sales-weekly
description: Forecast {{ not a template }} next week's sales
schedule: {weekly: {on: [mon], at: "06:00"}}
timezone: Europe/Berlin
model: {path: "\${MODEL_DIR:-../models}/sales.onnx"}
input: {path: "data/sales_{{ date }}.csv", csv: {nullValues: ["", NA, -999.0]}}
bind: {features: [lag_1..lag_8, promo], shapes: {history: [24, 3]}, constants: {big: 9007199254740993, p: 0.10}, inputs: {x: [a, b]}}
keep: [store_id, week]
outputs: [forecast=sales, {name: "a=b", alias: c}]
missing: {default: nan, columns: {age: 0.50, job: unknown}}
output: {path: predictions/sales.db, table: sales, ifExists: upsert, key: [store_id, week]}
errors: {on: reject, max: 1%}
batchSize: \${BATCH:-1024}
expect: {by: "07:00", minRows: 1000}
catchup: latest
overlap: queue
retries: {max: 2, initial: 30s}
timeout: 2h
notify: [{on: [failed, missed], webhook: {url: {secret: SLACK_URL}}}]
`;

describe("readJob", () => {
  it("reads the job of the contract, with variables, templates and lines", () => {
    write("sales.yaml", GOOD);
    const file = readJob("store-sales-weekly", context({ env: { MODEL_DIR: "/m" } }));
    expect(file).toMatchObject({
      shown: "jobs/sales.yaml",
      name: "store-sales-weekly",
      timeZone: "Europe/Berlin",
      logicalDate: "2026-11-22",
    });
    expect(file.dir).toBe(path.join(cwd, "jobs"));
    expect(file.job.model.path).toBe("/m/sales.onnx");
    expect(file.job.input.path).toBe("data/sales_2026-11-22.csv");
    expect(file.job.batchSize).toBe(1024);
    expect(file.job.description).toBe("Forecast {{ not a template }} next week's sales");
    expect(file.job.notify?.[0]?.webhook?.url).toEqual({ secret: "SLACK_URL" });
    expect(file.lines["batchSize"]).toBe(14);
    expect(file.lines["output.key"]).toBe(12);
  });

  it("keeps the spelling of numbers where a text is meant", () => {
    const { job } = readJob(write("sales.yaml", GOOD), context());
    expect(job.input.csv?.nullValues).toEqual(["", "NA", "-999.0"]);
    expect(job.bind?.constants).toEqual({ big: "9007199254740993", p: "0.10" });
    expect(job.missing).toEqual({ default: "nan", columns: { age: "0.50", job: "unknown" } });
  });

  it("reads JSON too", () => {
    const body = { version: 1, model: { path: "m.onnx" }, input: { path: ["a.csv", "b.csv"] }, output: { path: "o.csv" } };
    write("plain.json", JSON.stringify(body, null, "\t"));
    expect(readJob("plain", context())).toMatchObject({ name: "plain", job: body });
  });

  it("reports every problem at once, with its line and a mend", () => {
    const shown = write(
      "bad.yaml",
      `version: 2
name: bad
schedul: {daily: "02:30"}
schedule: {daily: "25:00", dayMatch: or}
timezone: Europe/Berln
model: {path: m.onnx, sha256: abc}
input:
  path: []
  csv: {null_values: [NA], delimeter: ";", header: maybe}
bind: {features: {a: 1}, shapes: {h: [0]}}
output:
  path: "\${OUT_DIR}/o.db"
  ifExist: upsert
  ifExists: ubsert
table: sales
errors: {on: ignore, max: a lot}
batchSize: 0
workers: many
retries: {max: 2, initial: 30}
timeout: 90 seconds
notify: [{on: [fail], webhook: {url: {secret: "x y"}}}]
catchup: newest
`,
    );
    expect(report(() => readJob(shown, context()))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE job file jobs/bad.yaml has 25 problems",
        "jobs/bad.yaml:1 version: 2 is an unknown version [1]",
        "jobs/bad.yaml:3 unknown key "schedul" -> did you mean schedule?",
        "jobs/bad.yaml:4 schedule.daily: "25:00" is no time of day ["HH:MM" from "00:00" to "23:59", in quotes]",
        "jobs/bad.yaml:4 schedule: dayMatch without cron [dayMatch only beside cron]",
        "jobs/bad.yaml:5 timezone: "Europe/Berln" is an unknown time zone [an IANA name such as UTC, Europe/Berlin, America/New_York] -> did you mean Europe/Berlin?",
        "jobs/bad.yaml:6 model.sha256: "abc" is no SHA-256 [64 hexadecimal digits]",
        "jobs/bad.yaml:8 input.path is empty [at least one entry]",
        "jobs/bad.yaml:9 input.csv.header: found "maybe", expected true or false [true or false]",
        "jobs/bad.yaml:9 unknown key "null_values" in input.csv -> did you mean nullValues?",
        "jobs/bad.yaml:9 unknown key "delimeter" in input.csv -> did you mean delimiter?",
        "jobs/bad.yaml:10 bind.features: found a mapping, expected a list of columns [a list of columns]",
        "jobs/bad.yaml:10 bind.shapes.h.0: 0 is too small [at least 1]",
        "jobs/bad.yaml:12 environment variable OUT_DIR is not set -> set OUT_DIR, or give a fallback: \${OUT_DIR:-value}",
        "jobs/bad.yaml:13 unknown key "ifExist" in output -> did you mean ifExists?",
        "jobs/bad.yaml:14 output.ifExists: "ubsert" is not one of the choices [fail, replace, append, upsert] -> did you mean upsert?",
        "jobs/bad.yaml:15 unknown key "table" -> table belongs under output",
        "jobs/bad.yaml:16 errors.on: "ignore" is not one of the choices [fail, reject]",
        "jobs/bad.yaml:16 errors.max: "a lot" is no limit [rows or a share, for example 100 or "1%"]",
        "jobs/bad.yaml:17 batchSize: 0 is too small [at least 1]",
        "jobs/bad.yaml:18 workers: found "many", expected a number of workers, or auto [a number of workers, or auto]",
        "jobs/bad.yaml:19 retries.initial: found 30, expected a duration in quotes or with a unit, for example 30s [a duration in quotes or with a unit, for example 30s]",
        "jobs/bad.yaml:20 timeout: "90 seconds" is no duration [a number with a unit, for example 30s, 15m, 2h, 1h30m, 1d]",
        "jobs/bad.yaml:21 notify.0.on.0: "fail" is not one of the choices [started, succeeded, failed, missed, skipped, cancelled, overdue]",
        "jobs/bad.yaml:21 notify.0.webhook.url.secret: a text (not shown: it may be a secret) is no name of a secret [letters, digits and _]",
        "jobs/bad.yaml:22 catchup: "newest" is not one of the choices [latest, all, none]",
      ]
    `);
  });

  it("names what is missing", () => {
    expect(report(() => readJob(write("empty.yaml", ""), context()))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE job file jobs/empty.yaml has a problem",
        "jobs/empty.yaml:1 the file is empty -> a job file begins with version: 1, then model:, input: and output:",
      ]
    `);
    expect(report(() => readJob(write("list.yaml", "- a\n- b\n"), context()))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE job file jobs/list.yaml has a problem",
        "jobs/list.yaml:1 the file holds no mapping of keys to values -> a job file begins with version: 1, then model:, input: and output:",
      ]
    `);
    expect(report(() => readJob(write("short.yaml", "version: 1\nmodel:\ninput: {}\n"), context()))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE job file jobs/short.yaml has 3 problems",
        "jobs/short.yaml:1 output is missing [a mapping]",
        "jobs/short.yaml:2 model: found nothing, expected a mapping [a mapping]",
        "jobs/short.yaml:3 input.path is missing [a path or a list of paths]",
      ]
    `);
  });

  it("explains YAML mistakes in plain words", () => {
    const yaml = (text: string): string =>
      report(() => readJob(write("y.yaml", text), context()))
        .slice(1)
        .join("\n");
    expect(yaml("version: 1\ninput: {path: data/{{ date }}.csv}\n")).toMatchInlineSnapshot(
      `"jobs/y.yaml:2 {{ }} without quotes around it -> put texts with {{ }} in quotes: "{{ date }}""`,
    );
    expect(yaml("version: 1\nkeep: {{ date }}\n")).toMatchInlineSnapshot(`
      "jobs/y.yaml:1 model is missing [a mapping]
      jobs/y.yaml:1 input is missing [a mapping]
      jobs/y.yaml:1 output is missing [a mapping]
      jobs/y.yaml:2 {{ }} without quotes around it -> put texts with {{ }} in quotes: "{{ date }}""
    `);
    expect(yaml("version: 1\nversion: 1\n")).toMatchInlineSnapshot(
      `"jobs/y.yaml:2 this key stands here a second time -> remove one of the two"`,
    );
    expect(yaml("version: 1\nmodel:\n\tpath: x\n")).toMatchInlineSnapshot(
      `"jobs/y.yaml:3 a tab as indentation -> indent with spaces"`,
    );
    expect(yaml("version: 1\nmodel: !!js/function x\n")).toMatchInlineSnapshot(
      `"jobs/y.yaml:2 unresolved tag: tag:yaml.org,2002:js/function -> job files hold plain values only"`,
    );
    expect(yaml("version: 1\nkeep: [a\n")).toMatchInlineSnapshot(
      `"jobs/y.yaml:3 no YAML: flow sequence in block collection must be sufficiently indented and end with a ] -> check quotes, brackets and indentation around this line"`,
    );
    expect(yaml("version: 1\n---\nversion: 1\n")).toMatchInlineSnapshot(
      `"jobs/y.yaml:2 a second document (---) -> write one job per file"`,
    );
    expect(yaml("version: 1\nmodel: *nowhere\n")).toMatchInlineSnapshot(`
      "jobs/y.yaml:1 input is missing [a mapping]
      jobs/y.yaml:1 output is missing [a mapping]
      jobs/y.yaml:2 alias *nowhere has no anchor before it"
    `);
  });

  it("stops at an alias bomb", () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) => `a${level + 1}: &a${level + 1} [${Array(9).fill(`*a${level}`).join(", ")}]`,
    );
    const text = `a0: &a0 [x]\n${levels.join("\n")}\n`;
    expect(report(() => readJob(write("bomb.yaml", text), context()))).toContain("jobs/bomb.yaml:1 more than 20,000 values");
  });

  it("names variables and templates that cannot be filled in, once", () => {
    const shown = write(
      "t.yaml",
      `version: 1
model: {path: "\${MODEL}/m.onnx", sha256: "\${SHA}"}
input: {path: "in_{{ dat }}.csv"}
output:
  path: "out_{{ prev_success.date }}.csv"
limit: \${LIMIT}
`,
    );
    expect(report(() => readJob(shown, context()))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE job file jobs/t.yaml has 5 problems",
        "jobs/t.yaml:2 environment variable MODEL is not set -> set MODEL, or give a fallback: \${MODEL:-value}",
        "jobs/t.yaml:2 environment variable SHA is not set -> set SHA, or give a fallback: \${SHA:-value}",
        "jobs/t.yaml:3 {{ dat }}: unknown name "dat" -> did you mean date?",
        "jobs/t.yaml:5 {{ prev_success.date }}: prev_success.date is not known here (the job has not succeeded before) -> give a fallback: {{ prev_success.date | default("...") }}",
        "jobs/t.yaml:6 environment variable LIMIT is not set -> set LIMIT, or give a fallback: \${LIMIT:-value}",
      ]
    `);
  });

  it("keeps templates and unset variables for listing, and still checks how they are written", () => {
    const body =
      'version: 1\nmodel: {path: "${M}/m.onnx"}\ninput: {path: "{{ date }}.csv"}\noutput: {path: o.csv}\nlimit: ${N}\n';
    const { job } = readJob(write("k.yaml", body), context({ templates: "keep" }));
    expect(job).toMatchObject({ model: { path: "${M}/m.onnx" }, input: { path: "{{ date }}.csv" }, limit: "${N}" });
    const bad = write("k2.yaml", body.replace("{{ date }}", "{{ date | dayz(1) }}"));
    expect(report(() => readJob(bad, context({ templates: "keep" })))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE job file jobs/k2.yaml has a problem",
        "jobs/k2.yaml:3 {{ date | dayz(1) }}: unknown filter "dayz" -> did you mean days?",
      ]
    `);
  });

  it("takes the run's own dates when the scheduler gives them", () => {
    const shown = write(
      "s.yaml",
      `version: 1
timezone: Asia/Tokyo
model: {path: m.onnx}
input: {path: "{{ interval.start | fmt('%Y%m%dT%H%M') }}_{{ date | days(-1) | nodash }}.csv"}
output: {path: "{{ prev_success.date }}_{{ run.id }}_{{ job.name }}.csv"}
`,
    );
    const interval = { start: new Date("2026-01-01T15:00:00Z"), end: new Date("2026-01-02T15:00:00Z") };
    const { job } = readJob(
      shown,
      context({ templates: { logicalDate: "2026-03-01", interval, previousSuccess: "2026-02-28", runId: "0190" } }),
    );
    expect(job.input.path).toBe("20260102T0000_20260228.csv");
    expect(job.output.path).toBe("2026-02-28_0190_s.csv");
  });

  it.each(["2026-02-30", "2026-13-01", "yesterday"])("refuses %s as a logical date", (logicalDate) => {
    const shown = write("sales.yaml", GOOD);
    expect(report(() => readJob(shown, context({ templates: { logicalDate } })))).toEqual([
      `BP_USAGE "${logicalDate}" is no date -> for example 2026-11-21`,
    ]);
  });

  it("finds jobs by file name and by name, and says what there is when it does not", () => {
    write("sales.yaml", GOOD);
    write("two.yml", GOOD.replace("store-sales-weekly", "churn"));
    write("broken.yaml", "version: [");
    write(".hidden.yaml", GOOD);
    expect(listJobs(path.join(cwd, "jobs")).map(({ name, stem }) => `${name}/${stem}`)).toEqual([
      "broken/broken",
      "churn/two",
      "store-sales-weekly/sales",
    ]);
    expect(readJob("sales", context()).name).toBe("store-sales-weekly");
    expect(report(() => readJob("store-sale-weekly", context()))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE no job "store-sale-weekly" in jobs -> did you mean store-sales-weekly? -> jobs are broken, churn, store-sales-weekly",
      ]
    `);
    expect(report(() => readJob("nothing", context({ jobsDir: "elsewhere" })))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE no job "nothing" in elsewhere -> elsewhere has no job files (.yaml, .yml, .json); --jobs-dir names another folder",
      ]
    `);
    expect(report(() => readJob("two.yaml", context()))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE no job file two.yaml -> jobs/two.yml exists: name the job churn",
      ]
    `);
    write("three.yaml", GOOD);
    expect(report(() => readJob("store-sales-weekly", context()))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE job "store-sales-weekly" stands in 2 files: jobs/sales.yaml, jobs/three.yaml -> give one of them another name, or name the path of the one you mean",
      ]
    `);
  });

  it("never reads a name as a path", () => {
    fs.writeFileSync(path.join(cwd, "outside.yaml"), GOOD);
    write("sales.yaml", GOOD);
    expect(report(() => readJob("..", context()))[0]).toContain('no job ".." in jobs');
    expect(report(() => readJob("../outside", context()))[0]).toContain("no job file ../outside");
    expect(report(() => readJob("", context()))[0]).toContain('no job "" in jobs');
  });

  it("refuses folders, binary files and huge files as job files", () => {
    fs.mkdirSync(path.join(cwd, "jobs", "folder.yaml"));
    expect(report(() => readJob("jobs/folder.yaml", context()))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE jobs/folder.yaml is a folder -> name a job file, or a job by its name",
      ]
    `);
    fs.writeFileSync(path.join(cwd, "jobs", "b.yaml"), Buffer.from([0x66, 0xff, 0xfe]));
    expect(report(() => readJob("jobs/b.yaml", context()))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE jobs/b.yaml is no UTF-8 text -> save the job file as UTF-8",
      ]
    `);
    fs.writeFileSync(path.join(cwd, "jobs", "big.yaml"), "#".repeat(1024 * 1024 + 1));
    expect(report(() => readJob("jobs/big.yaml", context()))).toMatchInlineSnapshot(`
      [
        "BP_JOB_FILE jobs/big.yaml has 1,048,577 bytes, too many for a job file -> did you mean --input?",
      ]
    `);
  });
});
