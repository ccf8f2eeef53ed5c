/** `runs ...`: what stands in the history after successes, failures, kills; and what can be done about it. Real binary, real SIGKILL. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { type Caught, partialBytes, startPiped, until } from "./in-the-middle.ts";
import { FLOWERS, run, writeFlowers } from "./iris.ts";

/** The default place of the history: the working folder. */
const HERE = { BATCHPREDICT_STATE_DIR: "" };

let dir: Workdir;
let caught: Caught | null = null;
beforeEach(() => {
  dir = workdir();
});
afterEach(async () => {
  caught?.child.kill("SIGKILL");
  await caught?.ended;
  caught = null;
  dir.remove();
});

interface Line {
  run_id: string;
  state: string;
  reason: string | null;
  resumable: boolean;
  attempt: number;
  process: { pid: number } | null;
  progress: { rows_read: number } | null;
  note: string | null;
}

const bp = (args: string[], env: Record<string, string> = {}) => batchpredict(args, { cwd: dir.path, env: { ...HERE, ...env } });
const list = async (...more: string[]) => (await bp(["runs", "list", "--json", ...more])).json<Line[]>();
const rest = () => readdirSync(dir.path).filter((name) => name !== ".batchpredict");
const input = () => writeFlowers(dir, "in.csv", 20_000, (row, record) => `${row}${record.slice(record.indexOf(","))}`);
const score = (output: string, ...more: string[]) => [...run("in.csv", output), "--chunk-bytes", "65536", "--quiet", ...more];

/** @returns id of a run that was killed behind its second commit */
async function killed(output: string, ...more: string[]): Promise<string> {
  const ended = await bp(score(output, ...more), { BATCHPREDICT_FAILPOINT: "commit-done:2", BATCHPREDICT_COMMIT_ROWS: "4000" });
  expect(ended.signal).toBe("SIGKILL");
  return (await list("-n", "1"))[0]!.run_id;
}

describe("the history", () => {
  it("has successes and failures with code and reason, privately, and shows them by a part of the id", async () => {
    expect((await bp([...run(FLOWERS, "out.csv"), "--quiet"])).code).toBe(0);
    expect((await bp([...run("nope.csv", "x.csv"), "--quiet"])).code).toBe(2);
    const lines = await list();
    expect(lines).toMatchObject([
      { state: "failed", reason: "BP_INPUT_NOT_FOUND", error: { code: "BP_INPUT_NOT_FOUND", hints: [expect.any(String)] } },
      { state: "succeeded", reason: null, rows: { read: 1000, predicted: 1000, rejected: 0 }, process: null },
    ]);
    expect(await list("--state", "succeeded,running")).toHaveLength(1);
    expect(statSync(dir.file(".batchpredict")).mode & 0o777).toBe(0o700);
    const id = lines[1]!.run_id;
    expect((await bp(["runs", "show", id.slice(-8), "--json"])).json()).toMatchObject({
      run_id: id,
      argv: [...run(FLOWERS, "out.csv"), "--quiet"],
      cwd: dir.path,
      model: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      settings_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      output: dir.file("out.csv"),
      output_bytes: statSync(dir.file("out.csv")).size,
      attempts: [{ status: "succeeded" }],
      resume: null,
    });
  });

  it("tells of a failure how it is mended, and tries it again", async () => {
    expect((await bp([...run("nope.csv", "x.csv"), "--quiet"])).code).toBe(2);
    const [{ run_id: id }] = (await list()) as [Line];
    const text = (await bp(["runs", "show", id])).stdout;
    expect(text).toContain("error BP_INPUT_NOT_FOUND: the input file does not exist");
    expect(text).toContain(`retry     batchpredict runs retry ${id}`);
    const unknown = await bp(["runs", "show", `${id.slice(0, -1)}z`]);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain(`did you mean ${id}`);
    const logs = await bp(["runs", "logs", id]);
    expect(logs.stderr).toContain("it told what it did to the terminal it was started from");
    expect(logs.stdout).toContain("BP_INPUT_NOT_FOUND");
    // Mended outside, and tried again: the same command, a run of its own.
    writeFileSync(dir.file("nope.csv"), readFileSync(FLOWERS));
    expect((await bp(["runs", "retry", id, "--quiet"])).code).toBe(0);
    expect(existsSync(dir.file("x.csv"))).toBe(true);
    const [done] = await list();
    expect((await bp(["runs", "retry", done!.run_id])).stderr).toContain("has succeeded: there is nothing to retry");
  });

  it("has both of two runs at once", async () => {
    const both = await Promise.all(["a.csv", "b.csv"].map((output) => bp([...run(FLOWERS, output), "--quiet"])));
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect((await list()).map(({ state }) => state)).toEqual(["succeeded", "succeeded"]);
  });

  it("that cannot be written is one line of warning, and the predictions are there", async () => {
    writeFileSync(dir.file("file"), "");
    const { code, stderr } = await bp([...run(FLOWERS, "out.csv"), "--state-dir", "file/state"]);
    expect(code).toBe(0);
    expect(stderr.match(/warning: this run is not in the history: /g)).toHaveLength(1);
    expect(rest().sort()).toEqual(["file", "out.csv"]);
  });

  it("prints no escape codes of file names, and stores no secrets", async () => {
    const evil = "\u001b[2Jout.csv";
    expect((await bp([...run(FLOWERS, evil), "--quiet"])).code).toBe(0);
    const id = (await list())[0]!.run_id;
    for (const args of [
      ["runs", "list"],
      ["runs", "show", id],
      ["runs", "clean", id],
    ]) {
      expect((await bp(args)).stdout).not.toContain("\u001b");
    }
    mkdirSync(dir.file("jobs"));
    const job = 'version: 1\nmodel: {path: /m.onnx}\ninput: {path: "${TOKEN}.csv"}\noutput: {path: o.csv}\n';
    writeFileSync(dir.file("jobs/daily.yaml"), `${job}notify: [{on: [failed], webhook: {url: {secret: TOKEN}}}]\n`);
    expect((await bp(["run", "daily", "--quiet"], { TOKEN: "hunter22" })).code).toBe(2);
    const address = "n=https://joe:hunter22@host";
    expect((await bp([...run("nope.csv", "x.csv"), "--const", address, "--quiet"])).code).toBe(2);
    const stored = readdirSync(dir.file(".batchpredict/runs")).map((name) =>
      readFileSync(dir.file(path.join(".batchpredict/runs", name)), "utf8"),
    );
    expect(stored).toHaveLength(3);
    expect(stored.join("")).not.toContain("hunter22");
    const refused = await bp(["runs", "retry", (await list())[0]!.run_id]);
    expect(refused.stderr).toContain("its command held a secret");
  });
});

describe("a killed run", () => {
  it("is resumed by its id to the bytes of an undisturbed one, once", async () => {
    input();
    const id = await killed("out.csv");
    expect(await list()).toMatchObject([{ run_id: id, state: "interrupted", resumable: true, process: null }]);
    expect((await bp(["runs", "show", id])).stdout).toMatch(/left +2 files beside the output, .* rows are done/);
    const elsewhere = workdir();
    try {
      const args = ["runs", "resume", id, "--json", "--state-dir", dir.file(".batchpredict")];
      const resumed = await batchpredict(args, { cwd: elsewhere.path });
      expect(resumed.json()).toMatchObject({ run_id: id, status: "succeeded", resumed_from_row: expect.any(Number) });
      expect(readdirSync(elsewhere.path)).toEqual([]);
    } finally {
      elsewhere.remove();
    }
    expect((await bp(score("whole.csv"))).code).toBe(0);
    expect(readFileSync(dir.file("out.csv")).equals(readFileSync(dir.file("whole.csv")))).toBe(true);
    expect(rest().sort()).toEqual(["in.csv", "out.csv", "whole.csv"]);
    expect(await list()).toMatchObject([{}, { run_id: id, state: "succeeded", attempt: 2 }]);
    const again = await bp(["runs", "resume", id]);
    expect(again).toMatchObject({ code: 2 });
    expect(again.stderr).toContain("is done: there is nothing to resume");
  });

  it("whose journal is gone says so, and is not resumed but retried", async () => {
    input();
    const id = await killed("out.csv", "--fresh");
    for (const name of rest().filter((each) => each.endsWith(".journal"))) rmSync(dir.file(name));
    expect(await list()).toMatchObject([
      { state: "interrupted", resumable: false, note: expect.stringContaining("journal is gone") },
    ]);
    const refused = await bp(["runs", "resume", id]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`batchpredict runs retry ${id}`);
    const cleaned = (await bp(["runs", "clean", "--json"])).json<{ files: { path: string }[] }>();
    expect(cleaned.files.map(({ path: file }) => path.basename(file))).toEqual([`.out.csv.${id}.partial`]);
    expect(rest()).toEqual(["in.csv"]);
  });

  it("is cleaned away: tables and added rows of a database too, as if it had never been", async () => {
    input();
    expect((await bp([...run(FLOWERS, "out.db"), "--quiet"])).code).toBe(0);
    const before = databaseText();
    const id = await killed("out.db", "--if-exists", "append");
    expect(databaseText()).not.toBe(before);
    const would = (await bp(["runs", "clean", "--dry-run", "--json"])).json<{ tables: object[] }>();
    expect(would).toMatchObject({ dry_run: true, files: [{ run_id: id }], taken_back: [{ table: "predictions" }] });
    expect(would.tables.length).toBeGreaterThan(0);
    expect(databaseText()).not.toBe(before);
    const text = (await bp(["runs", "clean"])).stdout;
    expect(text).toContain("the rows it had added to table predictions");
    expect(databaseText()).toBe(before);
    expect(rest().sort()).toEqual(["in.csv", "out.db"]);
    expect((await bp(["runs", "clean"])).stdout).toBe("clean: nothing is left to remove\n");
  });

  it("is not taken for a process that got its number", async () => {
    input();
    const id = await killed("out.csv");
    const file = dir.file(`.batchpredict/runs/${id}.jsonl`);
    writeFileSync(file, readFileSync(file, "utf8").replace(/"pid":\d+/, `"pid":${process.pid}`));
    expect(await list()).toMatchObject([{ state: "interrupted", process: null }]);
    const cancelled = await bp(["runs", "cancel", id]);
    expect(cancelled.code).toBe(2);
    expect(cancelled.stderr).toContain("is not going on: it is interrupted");
  });
});

function databaseText(): string {
  const db = new Database(dir.file("out.db"));
  try {
    const tables = db.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").all();
    return JSON.stringify([tables, db.prepare("SELECT rowid, * FROM predictions ORDER BY rowid").all()]);
  } finally {
    db.close();
  }
}

it("a run that goes on is left alone, then cancelled where it can be resumed, then cleaned away", async () => {
  caught = startPiped(dir.path, "out.csv", "--state-dir", ".batchpredict", "--quiet");
  const { child, ended } = caught;
  await until(caught, () => partialBytes(dir.path) > 8192);
  const [line] = await list();
  const id = line!.run_id;
  expect(line).toMatchObject({ state: "running", process: { pid: child.pid }, resumable: false });
  expect((await bp(["runs", "resume", id])).code).toBe(75);
  expect((await bp(["runs", "clean", id])).code).toBe(75);
  const before = rest();
  expect((await bp(["runs", "clean", "--json"])).json()).toMatchObject({ files: [], tables: [] });
  expect(rest()).toEqual(before);
  const cancelled = await bp(["runs", "cancel", id, "--json"]);
  expect(cancelled).toMatchObject({ code: 0 });
  expect(cancelled.json()).toMatchObject({ run_id: id, state: "interrupted", reason: "BP_INTERRUPTED", resumable: true });
  expect((await ended).code).toBe(143);
  expect((await bp(["runs", "clean", id, "--quiet"])).stdout).toContain("removed: 2 files");
  expect(rest()).toEqual([]);
});
