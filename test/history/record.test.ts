/** Records of runs as files: written, torn, moved, forgotten; and what is never written. */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { RunSummary } from "../../src/core/events.ts";
import type { BeginLine } from "../../src/history/record.ts";
import { RunRecorder } from "../../src/history/recorder.ts";
import { forgetOldest, readRecord, recordFile, recordIds } from "../../src/history/records.ts";
import { redactor, secretNames } from "../../src/history/redact.ts";
import { viewOf } from "../../src/history/run-view.ts";

let state: string;
beforeEach(() => {
  state = mkdtempSync(path.join(tmpdir(), "batchpredict-history-"));
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

const AT = "2026-11-21T10:00:00.000Z";
const asIs = (text: string): string => text;

function begin(changes: Partial<BeginLine> = {}): BeginLine {
  return {
    kind: "begin",
    version: 1,
    at: AT,
    job: null,
    job_file: null,
    argv: ["run", "-o", "out.csv"],
    cwd: state,
    env: {},
    redacted: false,
    process: { host: "here", bootId: "boot", pid: 7, startTime: "70" },
    version_of: { batchpredict: "1", node: "20" },
    inputs: [],
    model: "/m.onnx",
    output: { path: path.join(state, "out.csv"), format: "csv", table: null },
    settings_sha256: "00",
    ...changes,
  };
}

function summary(status: RunSummary["status"], changes: Partial<RunSummary> = {}): RunSummary {
  const rows = { read: 10, predicted: 9, rejected: 1 };
  return { run_id: "a", status, job: null, rows, seconds: 1, warnings: [], output: null, ...changes } as unknown as RunSummary;
}

function recorder(id: string, { movable = true, redact = asIs } = {}): RunRecorder {
  return new RunRecorder(state, id, begin(), { movable, redact });
}

it("is private, and one line per event; progress takes one place however often it is told", () => {
  const pen = recorder("a");
  const before = statSync(recordFile(state, "a")).size;
  for (let second = 1; second <= 50; second++) pen.progress(second * 1000, 90_000, new Date(Date.parse(AT) + second * 1000));
  expect(statSync(recordFile(state, "a")).size).toBe(before + 160);
  expect(readRecord(state, "a")?.attempts).toMatchObject([{ progress: { rows_read: 50_000, rows_total: 90_000 }, end: null }]);
  pen.end(summary("succeeded"), new Date(AT));
  expect(readRecord(state, "a")?.attempts).toMatchObject([{ progress: null, end: { summary: { status: "succeeded" } } }]);
  expect(statSync(recordFile(state, "a")).mode & 0o777).toBe(0o600);
  expect(statSync(path.dirname(recordFile(state, "a"))).mode & 0o777).toBe(0o700);
});

it("loses nothing but a torn line to a killed process, and the next attempt goes behind it", () => {
  recorder("a").progress(5000, null, new Date(Date.parse(AT) + 2000));
  appendFileSync(recordFile(state, "a"), '{"kind":"end","at":"2026');
  expect(readRecord(state, "a")?.attempts).toMatchObject([{ progress: { rows_read: 5000 }, end: null }]);
  recorder("a").end(summary("failed"), new Date(AT));
  expect(readRecord(state, "a")?.attempts).toMatchObject([
    { progress: { rows_read: 5000 }, end: null },
    { end: { summary: { status: "failed" } } },
  ]);
});

it("goes on under the id of the run it resumes; a run of the ledger keeps its own and names the journal", () => {
  recorder("old");
  recorder("new").goesOnAs("old");
  expect(recordIds(state)).toEqual(["old"]);
  expect(readRecord(state, "old")?.attempts).toHaveLength(2);
  recorder("job", { movable: false }).goesOnAs("earlier");
  expect(readRecord(state, "job")?.attempts).toMatchObject([{ journalId: "earlier" }]);
});

it("passes over files that are not ours and texts that are no lines of ours", () => {
  recorder("a");
  writeFileSync(path.join(state, "runs", "notes.txt"), "hello");
  writeFileSync(path.join(state, "runs", "b.jsonl"), 'null\n[]\n{"kind":"else"}\n');
  expect(recordIds(state)).toEqual(["a", "b"]);
  expect(readRecord(state, "b")).toBeNull();
});

it("forgets the oldest beyond its bound, and keeps those of which something is left", () => {
  for (const id of ["1", "2", "3", "4", "5"]) recorder(id).end(summary("succeeded"), new Date(AT));
  forgetOldest(state, ({ id }) => id !== "2", 2);
  expect(recordIds(state)).toEqual(["2", "4", "5"]);
});

it("calls a run running only while that very process lives", () => {
  recorder("a");
  const found = { row: null, record: readRecord(state, "a") };
  const nowMs = Date.now();
  expect(viewOf(found, () => "alive", nowMs)).toMatchObject({ state: "running", process: { pid: 7 }, resumable: false });
  expect(viewOf(found, () => "dead", nowMs)).toMatchObject({
    state: "interrupted",
    process: null,
    note: "its journal is gone: nothing is left to go on with",
  });
  // Of another machine only its last word is known.
  expect(viewOf(found, () => "elsewhere", nowMs).state).toBe("running");
  expect(viewOf(found, () => "elsewhere", nowMs + 3_600_000).state).toBe("interrupted");
});

it("stores no password of an address, no key of a query, no value of a named secret", () => {
  const redact = redactor(["hunter22", undefined, "abc"]);
  expect(redact("https://joe:pw1@host/a?token=t0p&x=1 hunter22 abc")).toBe("https://***@host/a?token=***&x=1 *** abc");
  expect(secretNames([{ on: ["failed"], webhook: { url: { secret: "A" }, headers: { Auth: { secret: "B" } } } }])).toEqual([
    "A",
    "B",
  ]);
  const pen = recorder("a", { redact });
  const error = { code: "BP_INTERNAL" as const, message: "at hunter22", hints: ["see hunter22"] };
  pen.end(summary("failed", { error }), new Date(AT));
  expect(readFileSync(recordFile(state, "a"), "utf8")).not.toContain("hunter22");
  expect(readdirSync(path.join(state, "runs"))).toEqual(["a.jsonl"]);
});
