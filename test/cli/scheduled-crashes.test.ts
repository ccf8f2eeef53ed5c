/** Runs of the scheduler that die at named places: proven done or done again, never twice; given up after three deaths. */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Ledger, openLedger } from "../../src/schedule/ledger.ts";
import { fenceText } from "../../src/schedule/process/launch-run.ts";
import { slotsOnDates } from "../../src/schedule/slots.ts";
import { definition } from "../schedule/bench.ts";
import { batchpredict, type Workdir, workdir } from "./batchpredict.ts";
import { prepareJobs, writeJob } from "./job-files.ts";

let dir: Workdir;
beforeEach(() => {
  dir = workdir();
  prepareJobs(dir);
});
afterEach(() => dir.remove());

/** Several processes each, one after the other: on a busy machine the usual bound is too near. */
vi.setConfig({ testTimeout: 240_000 });

const DAILY = ['schedule: {daily: "02:30"}', "retries: {max: 0, initial: 1s, longest: 1s}"];
const SLOT = slotsOnDates({ daily: "02:30" }, "UTC", "2026-10-01", "2026-10-01")[0]!;
const once = (env: Record<string, string> = {}) => batchpredict(["scheduler", "--once"], { cwd: dir.path, env });
const row = () => withLedger((ledger) => ledger.history("daily"));

/** Puts one slot of a day long gone into the queue. */
function ask(): void {
  withLedger((ledger) => {
    ledger.register(definition("daily", { schedule: { daily: "02:30" } }), Date.now());
    ledger.request({ job: "daily", slot: SLOT, trigger: "backfill", timeoutMs: null, again: false }, Date.now());
  });
}

/** The first attempt, as a scheduler starts it, dies at a place; the scheduler that started it has died as well. */
async function dieAt(place: string): Promise<void> {
  const claim = { kind: "claim" as const, job: "daily", runKey: SLOT.runKey, attempt: 0 };
  const { claimed } = withLedger((ledger) => ledger.apply([claim], { owner: "gone", nowMs: Date.now() }));
  const args = ["run", dir.file("jobs/daily.yaml"), "--recorded-run", fenceText(claimed[0]!.fence)];
  const { signal } = await batchpredict(args, { cwd: dir.path, env: { BATCHPREDICT_FAILPOINT: place } });
  expect(signal).toBe("SIGKILL");
}

function withLedger<T>(use: (ledger: Ledger) => T): T {
  const ledger = openLedger({ stateDir: dir.file(".batchpredict"), newId: () => "01a00000-0000-7000-8000-000000000001" });
  try {
    return use(ledger);
  } finally {
    ledger.close();
  }
}

const rowsOf = (file: string): number => {
  const db = new Database(dir.file(file), { readonly: true });
  try {
    return (db.prepare("SELECT COUNT(*) AS count FROM predictions").get() as { count: number }).count;
  } finally {
    db.close();
  }
};

describe("a run that dies while it publishes", () => {
  it.each(["publish-noted", "published"])("into a database, at %s, appends once", async (place) => {
    writeJob(dir, "daily", DAILY, { output: '{path: "../out/all.db", ifExists: append}' });
    ask();
    await dieAt(place);
    expect(row()).toMatchObject([{ state: "committing" }]);
    // A new scheduler finds it dead and its rows either in or not.
    await once();
    expect(rowsOf("out/all.db")).toBe(1000);
    const [run] = row();
    expect(run).toMatchObject({ state: "succeeded", rows: { predicted: 1000 } });
    expect(run!.attempt).toBe(2);
    expect(readdirSync(dir.file("out"))).toEqual(["all.db"]);
  });

  it("is proven done although its input has changed since", async () => {
    writeJob(dir, "daily", DAILY);
    ask();
    const before = readFileSync(dir.file("data/flowers.csv"), "utf8");
    await dieAt("published");
    const published = readFileSync(dir.file("out/daily-2026-10-01.csv"), "utf8");
    writeFileSync(dir.file("data/flowers.csv"), before.split("\n").slice(0, 11).join("\n"));
    await once();
    expect(row()).toMatchObject([{ state: "succeeded", rows: { predicted: 1000 } }]);
    expect(readFileSync(dir.file("out/daily-2026-10-01.csv"), "utf8")).toBe(published);
  });
});

describe("a run that dies", () => {
  it("three times in a row is given up, and what it left blocks no later one", async () => {
    writeJob(dir, "daily", [...DAILY, "chunkBytes: 4000"], { output: '{path: "../out/all.csv", ifExists: replace}' });
    ask();
    const dying = { BATCHPREDICT_FAILPOINT: "commit-done", BATCHPREDICT_COMMIT_ROWS: "100" };
    for (let times = 0; times < 20 && row()[0]?.state !== "failed"; times++) await once(dying);
    expect(row()).toMatchObject([{ state: "failed", reason: "crashed", attempt: 3 }]);
    expect(existsSync(dir.file("out/all.csv"))).toBe(false);
    copyFileSync(dir.file("data/flowers.csv"), dir.file("data/more.csv"));
    writeFileSync(
      dir.file("data/flowers.csv"),
      readFileSync(dir.file("data/more.csv"), "utf8").split("\n").slice(0, 51).join("\n"),
    );
    const again = await batchpredict(["jobs", "backfill", "daily", "--from", "2026-10-02", "--to", "2026-10-02"], {
      cwd: dir.path,
    });
    expect(again.stderr).toContain("done");
    expect(again.code).toBe(0);
    expect(row()[0]).toMatchObject({ state: "succeeded", rows: { predicted: 50 } });
  });
});
