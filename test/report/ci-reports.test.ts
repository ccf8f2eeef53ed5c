/** What CI systems read: bounds of GitHub, escapes of workflow commands, XML that parses. */
import { describe, expect, it } from "vitest";
import type { RunSummary } from "../../src/core/events.ts";
import { annotations, junitXml, MAX_SUMMARY_BYTES, stepSummary } from "../../src/report/ci-reports.ts";
import { prometheusText } from "../../src/report/prometheus.ts";

const SUMMARY = {
  run_id: "r",
  status: "succeeded",
  job: "daily",
  rows: { read: 1200, predicted: 1000, rejected: 200 },
  seconds: 2.5,
  output: { path: "out|put.csv", format: "csv", bytes: 4096 },
  warnings: [],
} as unknown as RunSummary;
const error = (message: string, line?: number) => ({
  code: "BP_JOB_FILE" as const,
  message,
  where: { file: "jobs/a,b.yaml", ...(line === undefined ? {} : { line }) },
});
const FAILED: RunSummary = {
  ...SUMMARY,
  status: "failed",
  output: null,
  error: { ...error('a <b> & "c"\u0001', 3), hints: ["look <here>"] },
};

describe("the step summary", () => {
  it("is a table whose cells cannot break it", () => {
    const text = stepSummary(SUMMARY, 0)!;
    expect(text).toContain("### ✅ daily: succeeded");
    expect(text).toContain("| 1,200 | 1,000 | 200 |");
    expect(text).toContain("out\\|put.csv");
    expect(stepSummary(FAILED, 0)).toContain("**BP_JOB_FILE**: a \\<b\\> & ");
  });

  it("is left out where it would not fit into 1 MiB with what stands there, to the byte", () => {
    const bytes = Buffer.byteLength(stepSummary(SUMMARY, 0)!);
    expect(stepSummary(SUMMARY, MAX_SUMMARY_BYTES - bytes)).not.toBeNull();
    expect(stepSummary(SUMMARY, MAX_SUMMARY_BYTES - bytes + 1)).toBeNull();
  });
});

describe("annotations", () => {
  it("are ten of each type at most, with places, escaped", () => {
    const problems = Array.from({ length: 25 }, (_, index) => error(`problem ${index}: 100%\nmore`, index + 1));
    const warnings = Array.from({ length: 25 }, (_, index) => `warning ${index}`);
    const lines = annotations({ ...FAILED, warnings, error: { code: "BP_JOB_FILE", message: "25 problems", problems } });
    expect(lines.filter((line) => line.startsWith("::error "))).toHaveLength(10);
    expect(lines.filter((line) => line.startsWith("::warning "))).toHaveLength(10);
    expect(lines[0]).toBe("::error title=daily,file=jobs/a%2Cb.yaml,line=1::BP_JOB_FILE: problem 0: 100%25%0Amore");
    expect(annotations(SUMMARY)).toEqual([]);
  });
});

describe("JUnit", () => {
  it("counts one failure, and escapes what XML cannot hold", () => {
    expect(junitXml(SUMMARY)).toContain('tests="1" failures="0" errors="0" time="2.500"');
    const failed = junitXml(FAILED);
    expect(failed).toContain('failures="1"');
    expect(failed).toContain(
      '<failure type="BP_JOB_FILE" message="a &lt;b&gt; &amp; &quot;c&quot;\ufffd">look &lt;here&gt;</failure>',
    );
    expect(failed.match(/<(\w+)[ >]/g)?.length).toBe(failed.match(/<\/\w+>/g)?.length);
  });
});

describe("figures for Prometheus", () => {
  it("have one HELP and TYPE each, and labels that no job name breaks", () => {
    const job = { lastSuccess: 1.5, lastEnd: 2, lastState: "failed", lastSeconds: 3, lastRows: null, paused: true };
    const text = prometheusText({
      jobs: [{ job: 'a"b\\c\nd', ...job }],
      active: 2,
      outboxDue: 3,
      outboxGivenUp: 4,
      lastTick: 5,
    });
    for (const line of text.trimEnd().split("\n")) {
      expect(line).toMatch(/^(# (HELP|TYPE) batchpredict_\w+ .+|batchpredict_\w+(\{job="(\\.|[^"\\])*"\})? \S+)$/);
    }
    expect(text).toContain('batchpredict_job_last_success_timestamp_seconds{job="a\\"b\\\\c\\nd"} 1.5');
    expect(text).toContain('batchpredict_job_last_run_succeeded{job="a\\"b\\\\c\\nd"} 0');
    expect(text).not.toContain("batchpredict_job_last_rows_predicted");
    expect(text.match(/# TYPE /g)?.length).toBe(new Set(text.match(/# TYPE \w+/g)).size);
  });
});
